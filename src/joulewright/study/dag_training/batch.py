"""Decisions as flat arrays: every state of a job once, edges by level, rows of jobs and of frontier stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewright.model.timeline import FloatArray, IntArray
from joulewright.policy.dag.learned.features import JobGraph
from joulewright.study.dag_training.experience import Decision


@dataclass(frozen=True, kw_only=True)
class Batch:
    """D decisions with M rows of jobs and R rows of frontier stages over G states of jobs with N stages in all.

    Attributes
    ----------
    features : ndarray
        Of stages, shape ``(N, 6)``.
    levels : list of tuple
        Per level: stages of it, and per edge the position of the parent among them and the number of the child.
    waiting, waiting_graph : ndarray
        Stages with tasks left, and the state each belongs to, shape ``(W,)``.
    job_features, job_graph, job_decision : ndarray
        Per row of a job, shapes ``(M, 12)``, ``(M,)`` and ``(M,)``.
    row_stage, row_job, row_decision : ndarray
        Per row of a frontier stage: number of the stage, row of its job, and decision, shape ``(R,)``.
    chosen, chosen_job, limit : ndarray
        Per decision, shape ``(D,)``: row of the stage taken, of its job, and position of the limit.
    allowed : ndarray of bool
        Limits that could be taken, shape ``(D, 8)``.
    waiting_jobs : ndarray
        Jobs with tasks left per decision, shape ``(D,)``.
    """

    features: FloatArray
    levels: list[tuple[IntArray, IntArray, IntArray]]
    waiting: IntArray
    waiting_graph: IntArray
    job_features: FloatArray
    job_graph: IntArray
    job_decision: IntArray
    row_stage: IntArray
    row_job: IntArray
    row_decision: IntArray
    chosen: IntArray
    chosen_job: IntArray
    limit: IntArray
    allowed: NDArray[np.bool_]
    waiting_jobs: FloatArray


def make_batch(decisions: Sequence[Decision]) -> Batch:
    """Flat arrays of decisions, which may come from several runs."""
    graphs = list({graph: None for decision in decisions for graph in decision.observation.graphs})
    number = {graph: position for position, graph in enumerate(graphs)}
    sizes = [graph.waiting.size for graph in graphs]
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    seen = [decision.observation for decision in decisions]
    jobs = np.array([len(observation.graphs) for observation in seen])
    rows = np.array([len(observation.stages) for observation in seen])
    first_job, first_row = np.cumsum(jobs) - jobs, np.cumsum(rows) - rows
    job_graph = np.array([number[graph] for observation in seen for graph in observation.graphs])
    row_job = np.concatenate([observation.stage_job + begin for observation, begin in zip(seen, first_job)])
    row_at = np.concatenate([observation.stage_at for observation in seen])
    waiting = np.flatnonzero(np.concatenate([graph.waiting for graph in graphs]))
    chosen = first_row + np.array([decision.stage for decision in decisions])
    return Batch(
        features=np.vstack([graph.features for graph in graphs]),
        levels=_levels(graphs, first),
        waiting=waiting,
        waiting_graph=np.repeat(np.arange(len(graphs)), sizes)[waiting],
        job_features=np.vstack([observation.jobs for observation in seen]),
        job_graph=job_graph,
        job_decision=np.repeat(np.arange(len(seen)), jobs),
        row_stage=first[job_graph[row_job]] + row_at,
        row_job=row_job,
        row_decision=np.repeat(np.arange(len(seen)), rows),
        chosen=chosen,
        chosen_job=row_job[chosen],
        limit=np.array([decision.limit for decision in decisions]),
        allowed=np.array([decision.allowed for decision in decisions]),
        waiting_jobs=jobs.astype(float),
    )


def _levels(graphs: Sequence[JobGraph], first: IntArray) -> list[tuple[IntArray, IntArray, IntArray]]:
    found = []
    for level in range(max(len(graph.shape.levels) for graph in graphs)):
        stages: list[IntArray] = []
        parents: list[IntArray] = []
        children: list[IntArray] = []
        begin = 0
        for graph, offset in zip(graphs, first):
            if level >= len(graph.shape.levels):
                continue
            members = graph.shape.levels[level]
            parent, child = np.nonzero(graph.shape.below[members])
            stages.append(members + offset)
            parents.append(parent + begin)
            children.append(child + offset)
            begin += members.size
        found.append((np.concatenate(stages), np.concatenate(parents), np.concatenate(children)))
    return found
