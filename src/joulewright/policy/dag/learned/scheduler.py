"""The learned scheduler: draws a stage and limits its job as a trained network says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from joulewright.errors import PolicyError
from joulewright.model.timeline import FloatArray
from joulewright.policy.dag.base import NO_STAGE, AbstractDagView
from joulewright.policy.dag.learned.features import JobGraph, Memory, Observation, observe
from joulewright.policy.dag.learned.network import LIMIT_SHARES, Network, limit_of
from joulewright.policy.dag.learned.weights import load_network
from joulewright.policy.dag.sampled import AbstractSampledScheduler, Choice


class Opinion(NamedTuple):
    """What a network says about an offer.

    Attributes
    ----------
    observation : Observation
        What it was told.
    scores : ndarray
        Of the frontier stages, shape ``(F,)``; their softmax is the probability of each.
    jobs : ndarray
        What it knows of each job, shape ``(n, 28)``.
    """

    observation: Observation
    scores: FloatArray
    jobs: FloatArray


class Thinker:
    """A network at work on one run; keeps the embeddings of jobs until they change."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._memory = Memory()
        self._embedded: dict[JobGraph, tuple[FloatArray, FloatArray]] = {}

    def think(self, view: AbstractDagView) -> Opinion | None:
        """Scores of the frontier; None when it is empty."""
        observation = observe(view, self._memory)
        if observation is None:
            return None
        known = self._embedded
        # Graphs of past states fall out.
        self._embedded = {graph: known.get(graph) or self.network.embed(graph) for graph in observation.graphs}
        return Opinion(observation, *self.network.judge(observation, list(self._embedded.values())))

    def limit_scores(self, opinion: Opinion, choice: int) -> FloatArray:
        """Scores of the limits on the job of a frontier stage, minus infinity where it has as many, shape ``(8,)``."""
        observation = opinion.observation
        job = int(observation.stage_job[choice])
        scores = self.network.limit_scores(opinion.jobs[job], jobs=len(observation.graphs))
        used, executors = observation.used[job], observation.executors
        scores[[limit_of(share, executors) <= used for share in LIMIT_SHARES]] = -math.inf
        return scores


@dataclass(frozen=True, kw_only=True)
class Learned(AbstractSampledScheduler):
    """Draws stages with the probabilities of a trained graph network, and limits the executors of their job.

    Attributes
    ----------
    temperature : float
        Scores are divided by it before the softmax: 1 is what was trained, a small one takes the best stage nearly
        always.
    weights : str
        Path of a weight file of the training command; the one that ships without it.

    Raises
    ------
    PolicyError
        If the temperature is not positive.
    DataError
        If the weight file is missing or damaged.

    Notes
    -----
    The limit is the most probable one above what the job keeps in any case, so that an offer is never refused while
    the frontier has a stage: progress needs no rule of its own. Information used: arrivals, precedence, task counts,
    expected task durations and, where they were measured, how they grow with the number of executors. No guarantee.

    References
    ----------
    See :mod:`joulewright.policy.dag.learned.network`; draws as in :class:`~joulewright.policy.dag.sampled.Softmax`.
    """

    sources: ClassVar[tuple[str, ...]] = ("mao2019",)
    temperature: float = 1.0
    weights: str = ""

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature < math.inf:
            raise PolicyError(f"learned has temperature {self.temperature!r}; it must be positive")
        load_network(self.weights)

    def choose(self, view: AbstractDagView) -> Choice:
        """Draw a stage of the frontier."""
        thinker = _thinker(view, self.weights)
        opinion = thinker.think(view)
        if opinion is None:
            return Choice(NO_STAGE, 0, 1.0)
        observation, scores = opinion.observation, opinion.scores / self.temperature
        luck = np.array([view.draw(stage) for stage in observation.stages])
        best = int(np.argmax(scores - np.log(-np.log(luck))))
        stage, job = observation.stages[best], int(observation.stage_job[best])
        share = LIMIT_SHARES[int(np.argmax(thinker.limit_scores(opinion, best)))]
        room = limit_of(share, view.executors) - observation.used[job]
        importance = math.exp(float(scores[best] - scores.max()))
        return Choice(stage, min(view.unassigned(stage), view.offered, room), importance)

    def probabilities(self, view: AbstractDagView) -> dict[int, float]:
        """Probability of every stage of the frontier; they sum to one."""
        opinion = _thinker(view, self.weights).think(view)
        if opinion is None:
            return {}
        odds = np.exp((opinion.scores - opinion.scores.max()) / self.temperature)
        return dict(zip(opinion.observation.stages, (odds / odds.sum()).tolist()))


_THINKERS: WeakKeyDictionary[AbstractDagView, dict[str, Thinker]] = WeakKeyDictionary()
"""By run, as a scheduler may serve several; what is kept changes no answer."""


def _thinker(view: AbstractDagView, path: str) -> Thinker:
    found = _THINKERS.setdefault(view, {})
    if path not in found:
        found[path] = Thinker(load_network(path))
    return found[path]
