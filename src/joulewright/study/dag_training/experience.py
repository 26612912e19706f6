"""Runs that write down every decision, and what each was worth."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from joulewright.model.timeline import FloatArray
from joulewright.policy.dag import NO_STAGE, AbstractDagScheduler, AbstractDagView, Grant
from joulewright.policy.dag.learned import Network, Thinker
from joulewright.policy.dag.learned.features import Memory, Observation, observe
from joulewright.policy.dag.learned.network import LIMIT_SHARES, limit_of
from joulewright.sim.processes.dag import DagRun
from joulewright.study.dag_training.cases import TrainingCase


class Decision(NamedTuple):
    """What was seen and answered.

    Attributes
    ----------
    observation : Observation
        What the network is told.
    stage : int
        Position in the frontier.
    limit : int
        Position among the limit shares.
    now_ms : int
        When [ms].
    """

    observation: Observation
    stage: int
    limit: int
    now_ms: int

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """Limits above what the job keeps anyway, shape ``(8,)``; the greatest is always among them."""
        return allowed_limits(self.observation, self.stage)


@dataclass(frozen=True, kw_only=True)
class Experience:
    """Decisions of a run in their order."""

    decisions: tuple[Decision, ...]
    run: DagRun


class AbstractRecorder(AbstractDagScheduler):
    """A scheduler of one run that keeps its decisions."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []

    @abstractmethod
    def decide(self, view: AbstractDagView) -> tuple[Observation, int, int] | None:
        """Observation, position of the stage in the frontier and of the limit share; None without a frontier."""

    def answer(self, view: AbstractDagView) -> Grant:
        """Who gets executors of the present offer."""
        decided = self.decide(view)
        if decided is None:
            return Grant(NO_STAGE)
        decision = Decision(*decided, view.now_ms)
        self.decisions.append(decision)
        observation, stage = decision.observation, decision.observation.stages[decision.stage]
        used = observation.used[int(observation.stage_job[decision.stage])]
        room = limit_of(LIMIT_SHARES[decision.limit], view.executors) - used
        return Grant(stage, max(1, min(view.unassigned(stage), view.offered, room)))


class Explorer(AbstractRecorder):
    """Draws stages and limits as a network says."""

    def __init__(self, network: Network, random: np.random.Generator) -> None:
        super().__init__()
        self._thinker, self._random = Thinker(network), random

    def decide(self, view: AbstractDagView) -> tuple[Observation, int, int] | None:
        """Draw both."""
        opinion = self._thinker.think(view)
        if opinion is None:
            return None
        stage = self._drawn(opinion.scores)
        return opinion.observation, stage, self._drawn(self._thinker.limit_scores(opinion, stage))

    def _drawn(self, scores: FloatArray) -> int:
        return int(np.argmax(scores + self._random.gumbel(size=scores.size)))


class Teacher(AbstractRecorder):
    """A plain rule to begin from: short jobs first, rather where executors are, rather what can start, capped.

    Parameters
    ----------
    fair_shares : float
        Limit of a job in equal shares of the cluster; jobs at it come last.
    stay, wait : float
        What a stage of the source job gains, and one whose parents still run loses, against the log of the work left.
    """

    def __init__(self, *, fair_shares: float, stay: float = 1.0, wait: float = 1.0) -> None:
        super().__init__()
        self._fair_shares, self._stay, self._wait = fair_shares, stay, wait
        self._memory = Memory()

    def decide(self, view: AbstractDagView) -> tuple[Observation, int, int] | None:
        """Best score, and the limit share nearest to the cap."""
        observation = observe(view, self._memory)
        if observation is None:
            return None
        share = min(1.0, self._fair_shares / len(observation.graphs))
        full = np.array(observation.used) >= limit_of(share, view.executors)
        jobs = self._stay * observation.jobs[:, 0] - np.log([graph.work_ms for graph in observation.graphs])
        scores = (jobs - 100.0 * full)[observation.stage_job]
        for position, (job, at) in enumerate(zip(observation.stage_job.tolist(), observation.stage_at.tolist())):
            features = observation.graphs[job].features[at]
            # The longer path decides within a job.
            scores[position] += 0.01 * features[3] - self._wait * (features[5] == 0.0)
        stage = int(np.argmax(scores))
        distance = np.abs(np.log(np.array(LIMIT_SHARES) / share))
        distance[~allowed_limits(observation, stage)] = np.inf
        return observation, stage, int(np.argmin(distance))


def allowed_limits(observation: Observation, stage: int) -> NDArray[np.bool_]:
    """Limits above what the job of a frontier stage keeps anyway, shape ``(8,)``."""
    used = observation.used[int(observation.stage_job[stage])]
    return np.array([limit_of(share, observation.executors) > used for share in LIMIT_SHARES])


def experience(case: TrainingCase, recorder: AbstractRecorder) -> Experience:
    """Run a case with a recorder that has not run yet."""
    run = case.run(recorder)
    return Experience(decisions=tuple(recorder.decisions), run=run)


def cost_to_go(run: DagRun, now_ms: FloatArray, horizon_ms: float) -> FloatArray:
    """Discounted time that jobs spend in the system after each of some instants [ms], shape ``(D,)``.

    Notes
    -----
    ``sum over jobs of the integral of exp(-(s - t) / h) over s from max(t, arrival) to completion`` with horizon h.
    From the first arrival and with a long horizon it is the sum of the completion times.
    """
    arrivals = np.array([job.arrival_ms for job in run.jobs], dtype=float)
    begins = np.maximum(0.0, arrivals - now_ms[:, None])
    ends = np.maximum(begins, run.completion_ms - now_ms[:, None])
    spent: FloatArray = horizon_ms * (np.exp(-begins / horizon_ms) - np.exp(-ends / horizon_ms)).sum(axis=1)
    return spent


def advantages(runs: Sequence[Experience], *, horizons: float = 3.0) -> list[FloatArray]:
    """How much less every decision cost than the other runs of the same sequence did from the same instant on.

    Parameters
    ----------
    runs : sequence of Experience
        At least two runs of one case.
    horizons : float
        Horizon of the cost in mean completion times.

    Returns
    -------
    list of ndarray
        Per run, shape ``(D,)`` each; in units of their own standard deviation.

    References
    ----------
    A baseline per sequence of arrivals: Mao et al. (2019), Variance reduction for reinforcement learning in
    input-driven environments, ICLR, arXiv 1807.02264.
    """
    horizon_ms = horizons * float(np.mean([one.run.completion_times_ms for one in runs]))
    times = [np.array([decision.now_ms for decision in one.decisions], dtype=float) for one in runs]
    found = []
    for own, now_ms in zip(runs, times):
        others = [cost_to_go(other.run, now_ms, horizon_ms) for other in runs if other is not own]
        found.append(np.mean(others, axis=0) - cost_to_go(own.run, now_ms, horizon_ms))
    spread = float(np.concatenate(found).std())
    return [values / spread if spread > 0.0 else values for values in found]
