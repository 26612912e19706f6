"""A small graph network that scores stages and limits, in numpy.

Stages learn from their children, jobs from their stages and the whole from its jobs:

    e_v = prepare(x_v) + combine(sum over children c of message(e_c))
    y_j = mean over waiting stages v of job(x_v, e_v)
    z   = mean over waiting jobs j of whole(y_j, u_j)
    score of stage v     = stage(e_v, y_j, u_j, z),  probabilities by a softmax over the frontier
    score of limit share s for job j = limit(y_j, u_j, z, s, log(s n) / 2)

with features x and u of :mod:`joulewright.policy.dag.learned.features` and n waiting jobs. Every part is a perceptron
with leaky rectifiers (slope 0.2) between its layers.

References
----------
Messages from children to parents, summaries per job and overall, and two heads are the idea of Mao et al. (2019),
Learning scheduling algorithms for data processing clusters, SIGCOMM, doi 10.1145/3341302.3342080. Features, sizes and
normalisation are our own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from joulewright.errors import DataError
from joulewright.model.timeline import FloatArray
from joulewright.policy.dag.learned.features import JOB_FEATURES, STAGE_FEATURES, JobGraph, Observation

_X, _U, _E, _H = len(STAGE_FEATURES), len(JOB_FEATURES), 8, 16
PARTS: Mapping[str, tuple[int, ...]] = {
    "prepare": (_X, _H, _E),
    "message": (_E, _H, _E),
    "combine": (_E, _H, _E),
    "job": (_X + _E, _H, _E),
    "whole": (_E + _U, _H, _E),
    "stage": (3 * _E + _U, 32, _H, 1),
    "limit": (2 * _E + _U + 2, 32, _H, 1),
}
"""Widths of the layers of each part."""
LIMIT_SHARES = (1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0)
"""Limits on the executors of a job that can be chosen, as shares of the cluster."""
SLOPE = 0.2
_SHARES = np.array(LIMIT_SHARES)


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Shape of every array of a network by name: ``part.layer.weight`` of ``(in, out)`` and ``part.layer.bias``."""
    shapes: dict[str, tuple[int, ...]] = {}
    for part, widths in PARTS.items():
        for layer, (wide, narrow) in enumerate(pairwise(widths)):
            shapes[f"{part}.{layer}.weight"] = (wide, narrow)
            shapes[f"{part}.{layer}.bias"] = (narrow,)
    return shapes


class Network:
    """Weights, and what they say about an offer.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Exactly the arrays of :func:`weight_shapes`, finite.

    Raises
    ------
    DataError
        If an array is missing, too much, of another shape or not finite.
    """

    def __init__(self, weights: Mapping[str, FloatArray]) -> None:
        problem = _problem(weights)
        if problem:
            raise DataError(f"these are no weights of the learned scheduler: {problem}; train them again")
        self.weights = {name: np.ascontiguousarray(weights[name], dtype=float) for name in weight_shapes()}
        self._layers = {
            part: [
                (self.weights[f"{part}.{layer}.weight"], self.weights[f"{part}.{layer}.bias"])
                for layer in range(len(widths) - 1)
            ]
            for part, widths in PARTS.items()
        }

    def embed(self, graph: JobGraph) -> tuple[FloatArray, FloatArray]:
        """Embedding of each stage of a job and summary of the job, shapes ``(V, 8)`` and ``(8,)``."""
        stages = self._apply("prepare", graph.features)
        for level in graph.shape.levels:
            # Rows of a level have children in lower levels only, which are final.
            heard = graph.shape.below[level] @ self._apply("message", stages)
            stages[level] += self._apply("combine", heard)
        told = np.hstack([graph.features, stages])[graph.waiting]
        return stages, self._apply("job", told).mean(axis=0)

    def summarise(self, observation: Observation, summaries: FloatArray) -> FloatArray:
        """What is known of each job: its summary, its features and the whole, shape ``(n, 28)``."""
        jobs = np.hstack([summaries, observation.jobs])
        whole = self._apply("whole", jobs).mean(axis=0)
        return np.hstack([jobs, np.broadcast_to(whole, (jobs.shape[0], _E))])

    def judge(
        self, observation: Observation, embedded: Sequence[tuple[FloatArray, FloatArray]]
    ) -> tuple[FloatArray, FloatArray]:
        """Scores of the frontier, shape ``(F,)``, and what is known of each job, from what :meth:`embed` gave."""
        jobs = self.summarise(observation, np.array([summary for _, summary in embedded]))
        places = zip(observation.stage_job.tolist(), observation.stage_at.tolist())
        stages = np.array([embedded[job][0][at] for job, at in places])
        return self._apply("stage", np.hstack([stages, jobs[observation.stage_job]]))[:, 0], jobs

    def limit_scores(self, job: FloatArray, *, jobs: int) -> FloatArray:
        """Score of each of :data:`LIMIT_SHARES` for a job of which ``job`` is known, shape ``(8,)``."""
        told = np.empty((_SHARES.size, job.size + 2))
        told[:, :-2] = job
        told[:, -2] = _SHARES
        told[:, -1] = 0.5 * np.log(_SHARES * jobs)
        return self._apply("limit", told)[:, 0]

    def _apply(self, part: str, values: FloatArray) -> FloatArray:
        layers = self._layers[part]
        for weight, bias in layers[:-1]:
            values = values @ weight + bias
            values = np.maximum(values, SLOPE * values)
        weight, bias = layers[-1]
        result: FloatArray = values @ weight + bias
        return result


def limit_of(share: float, executors: int) -> int:
    """Most executors of a job under a limit share, one at least.

    Examples
    --------
    >>> [limit_of(share, 15) for share in LIMIT_SHARES]
    [1, 2, 3, 4, 6, 8, 12, 15]
    """
    return max(1, math.ceil(share * executors - 1e-9))


def _problem(weights: Mapping[str, FloatArray]) -> str:
    expected = weight_shapes()
    odd = sorted(set(expected) ^ set(weights))
    if odd:
        return f"array {odd[0]!r} is {'missing' if odd[0] in expected else 'unknown'}"
    for name, shape in expected.items():
        if weights[name].shape != shape:
            return f"array {name!r} has shape {weights[name].shape}, not {shape}"
        if not np.isfinite(weights[name]).all():
            return f"array {name!r} holds a value that is not finite"
    return ""
