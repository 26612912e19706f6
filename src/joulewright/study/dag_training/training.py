"""Training: first imitate a plain rule, then learn from what draws of the network's own were worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from joulewright.errors import SolverError
from joulewright.model.timeline import FloatArray
from joulewright.policy.dag.learned import Network
from joulewright.study.dag_training.batch import Batch, make_batch
from joulewright.study.dag_training.cases import CHECKING, TrainingCase, training_case
from joulewright.study.dag_training.experience import (
    AbstractRecorder,
    Experience,
    Explorer,
    Teacher,
    advantages,
    experience,
)
from joulewright.study.dag_training.torch_network import Learner

TEACHERS = (1.0, 3.0)
"""Limits on a job, in equal shares of the cluster, of the rules that are imitated; the better one of each case."""
_TOLERANCE = 1e-6
_CHECK_SEED = 1_000_000


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """How long and how fast.

    Attributes
    ----------
    seed : int
        Of everything drawn.
    lessons : int
        Cases whose teacher is imitated, each with ``repeats`` steps.
    steps : int
        Steps on own experience.
    rollouts : int
        Runs of each case per step, at least 2.
    cases_per_step, passes : int
        Cases per step, and passes over their experience.
    check_every, check_cases : int
        Steps between checks, and cases of each; the best network of all checks is kept.
    imitation_rate, rate : float
        Step sizes of both parts; each falls linearly to a tenth.
    entropy : float
        Weight of the entropy at the start, which falls linearly to nothing.
    """

    seed: int = 0
    lessons: int = 300
    repeats: int = 20
    steps: int = 200
    rollouts: int = 6
    cases_per_step: int = 2
    passes: int = 3
    check_every: int = 25
    check_cases: int = 40
    imitation_rate: float = 3e-3
    rate: float = 5e-4
    entropy: float = 0.005

    def __post_init__(self) -> None:
        least = {
            "lessons": 0,
            "repeats": 1,
            "steps": 0,
            "rollouts": 2,
            "cases_per_step": 1,
            "passes": 1,
            "check_every": 1,
        }
        for name, value in {**least, "check_cases": 1, "seed": 0}.items():
            if getattr(self, name) < value:
                raise ValueError(f"{name} of the training is {getattr(self, name)!r}; allowed is {value} or more")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The best network found, and log ratios of mean completion time to the teacher's at every check."""

    network: Network
    checks: tuple[tuple[int, float], ...]

    def about(self, plan: TrainingPlan) -> dict[str, Any]:
        """Facts for the weight file."""
        best = min(value for _, value in self.checks)
        kept = max(step for step, value in self.checks if value == best)
        return {"plan": asdict(plan), "completion_vs_teacher": float(np.exp(best)), "kept_step": kept}


Tell = Callable[[str], None]


def train(plan: TrainingPlan, tell: Tell) -> Trained:
    """Train a network; equal plans give equal weights on one machine with the same versions of torch and numpy.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    SolverError
        If the network in numpy differs from that in torch.
    """
    learner = Learner(plan.seed, plan.imitation_rate)
    _imitate(learner, plan, tell)
    checking = [training_case(_CHECK_SEED, number, CHECKING) for number in range(plan.check_cases)]
    goal = np.array([_mean_log(taught(case)) for case in checking])
    checks: list[tuple[int, float]] = []
    best = learner.network()
    for step in range(plan.steps + 1):
        if step % plan.check_every == 0 or step == plan.steps:
            network = learner.network()
            checks.append((step, float(np.mean(_check(network, checking) - goal))))
            tell(f"step {step}: mean completion time {np.exp(checks[-1][1]):.4f} of the teacher's")
            if checks[-1][1] <= min(value for _, value in checks):
                best = network
        if step < plan.steps:
            _explore(learner, plan, step)
    verify(learner, best, experience(checking[0], Explorer(best, np.random.default_rng(plan.seed))))
    return Trained(network=best, checks=tuple(checks))


def taught(case: TrainingCase) -> Experience:
    """A case under the better of the two rules that are imitated."""
    runs = [experience(case, Teacher(fair_shares=shares)) for shares in TEACHERS]
    return min(runs, key=_mean_log)


def verify(learner: Learner, network: Network, seen: Experience) -> float:
    """Largest difference of scores between numpy and torch over a run; the learner takes the weights of the network.

    Raises
    ------
    SolverError
        If it exceeds 1e-6.
    """
    learner.take(network)
    stages, limits = numpy_scores(network, seen)
    batch = make_batch(seen.decisions)
    found = [values.detach().numpy() for values in learner.scores(batch)]
    allowed = batch.allowed
    worst = max(float(np.abs(found[0] - stages).max()), float(np.abs(found[1][allowed] - limits[allowed]).max()))
    if not worst <= _TOLERANCE:
        raise SolverError(f"scores in numpy and torch differ by {worst:.3g}; allowed is {_TOLERANCE:.0e}")
    return worst


def numpy_scores(network: Network, seen: Experience) -> tuple[FloatArray, FloatArray]:
    """Scores of all frontier rows, shape ``(R,)``, and of the limits of all decisions, shape ``(D, 8)``."""
    stages, limits = [], []
    for decision in seen.decisions:
        observation = decision.observation
        scores, jobs = network.judge(observation, [network.embed(graph) for graph in observation.graphs])
        stages.append(scores)
        job = int(observation.stage_job[decision.stage])
        limits.append(network.limit_scores(jobs[job], jobs=len(jobs)))
    return np.concatenate(stages), np.array(limits)


def _mean_log(seen: Experience) -> float:
    return float(np.log(seen.run.completion_times_ms.mean()))


def _imitate(learner: Learner, plan: TrainingPlan, tell: Tell) -> None:
    random = np.random.default_rng([plan.seed, 11])
    batches: list[Batch] = []
    for number in range(plan.lessons):
        decisions = taught(training_case(plan.seed, number)).decisions
        batches.append(make_batch(decisions))
    for repeat in range(plan.repeats):
        learner.set_rate(_falling(plan.imitation_rate, repeat / plan.repeats))
        likely = [learner.imitate(batches[at]) for at in random.permutation(len(batches)).tolist()]
        if likely:
            tell(f"imitation {repeat + 1}: mean log probability of the teacher's decisions {np.mean(likely):.3f}")


def _falling(rate: float, done: float) -> float:
    return rate * (1.0 - 0.9 * done)


def _explore(learner: Learner, plan: TrainingPlan, step: int) -> None:
    """One step on the experience of several runs of a few cases."""
    left = 1.0 - step / plan.steps
    network = learner.network()
    runs: list[Experience] = []
    gains: list[FloatArray] = []
    for number in range(plan.cases_per_step):
        case = training_case(plan.seed, plan.lessons + step * plan.cases_per_step + number)
        own = [experience(case, _explorer(network, plan, step, (number, turn))) for turn in range(plan.rollouts)]
        runs += own
        gains += advantages(own)
    learner.set_rate(_falling(plan.rate, step / plan.steps))
    batch = make_batch([decision for one in runs for decision in one.decisions])
    learner.reinforce(batch, np.concatenate(gains), entropy=plan.entropy * left, passes=plan.passes)


def _explorer(network: Network, plan: TrainingPlan, step: int, run: tuple[int, int]) -> AbstractRecorder:
    return Explorer(network, np.random.default_rng([plan.seed, 13, step, *run]))


def _check(network: Network, cases: Sequence[TrainingCase]) -> FloatArray:
    """Log of the mean completion time of each case, shape ``(C,)``."""
    found = [
        _mean_log(experience(case, Explorer(network, np.random.default_rng([17, at])))) for at, case in enumerate(cases)
    ]
    return np.array(found)
