"""Which of several candidates to use for the next job, from what they would have cost, or did cost, before."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewright.errors import PolicyError
from joulewright.model.timeline import FloatArray


class SelectionState(NamedTuple):
    """Costs of each candidate so far, shape ``(N,)``; under bandit feedback estimates of them."""

    totals: FloatArray


class Choice(NamedTuple):
    """Candidates used, shape ``(J,)``, their total cost and that of the best fixed candidate."""

    chosen: NDArray[np.int64]
    cost: float
    best_fixed: float

    @property
    def regret(self) -> float:
        """Cost above that of the best fixed candidate in hindsight."""
        return self.cost - self.best_fixed


@dataclass(frozen=True, kw_only=True)
class FollowTheLeader:
    """Use the candidate that was cheapest over all jobs before; every candidate is replayed on every job.

    Attributes
    ----------
    candidates : int
        Number of candidates.

    Notes
    -----
    Ties go to the first candidate. Information used: costs of all candidates on jobs whose window has passed.
    Guarantee: the regret is at most the sum, over the changes of leader, of the largest difference of costs in one job;
    against an adversary it can grow with the number of jobs. With one candidate this is that candidate.

    Examples
    --------
    >>> FollowTheLeader(candidates=2).run([[3.0, 1.0], [3.0, 1.0], [3.0, 1.0]]).chosen
    array([0, 1, 1])
    """

    candidates: int
    sources: ClassVar[tuple[str, ...]] = ("bubeck2012",)

    def __post_init__(self) -> None:
        _check_count(self.candidates)

    def init(self) -> SelectionState:
        """State before the first job."""
        return SelectionState(np.zeros(self.candidates))

    def choose(self, state: SelectionState) -> int:
        """Candidate for the next job."""
        return int(np.argmin(state.totals))

    def update(self, costs: ArrayLike, state: SelectionState) -> SelectionState:
        """State after the costs of all candidates on a job, shape ``(N,)``."""
        return SelectionState(state.totals + _checked_costs(costs, self.candidates)[0])

    def run(self, costs: ArrayLike) -> Choice:
        """Choices over jobs with costs of shape ``(J, N)``; each job sees those before it."""
        table = _checked_costs(costs, self.candidates)
        before = np.cumsum(np.vstack((np.zeros(self.candidates), table[:-1])), axis=0)
        return _choice(table, np.argmin(before, axis=1))


@dataclass(frozen=True, kw_only=True)
class BanditSelection:
    """Use candidates at random, with weights that fall with the costs seen; only the one used is observed (EXP3).

    Attributes
    ----------
    candidates : int
        Number of candidates N.
    jobs : int
        Number of jobs J, which sets the learning rate sqrt(2 ln N / (J N)).
    largest_cost : float
        Costs lie within 0 and this.

    Notes
    -----
    Guarantee: for any costs fixed in advance the expected cost is at most that of the best fixed candidate plus
    ``largest_cost sqrt(2 J N ln N)`` (:meth:`regret_bound`).

    References
    ----------
    Auer et al. (2002), doi:10.1137/S0097539701398375; Bubeck and Cesa-Bianchi (2012), theorem 3.1,
    doi:10.1561/2200000024.

    Examples
    --------
    >>> rule = BanditSelection(candidates=2, jobs=200, largest_cost=1.0)
    >>> found = rule.run(np.tile([1.0, 0.0], (200, 1)), seed=0)
    >>> found.regret < rule.regret_bound()
    True
    """

    candidates: int
    jobs: int
    largest_cost: float
    sources: ClassVar[tuple[str, ...]] = ("auer2002", "bubeck2012")

    def __post_init__(self) -> None:
        _check_count(self.candidates)
        if self.jobs < 1 or not self.largest_cost > 0.0:
            raise PolicyError(
                f"jobs is {self.jobs} and largest_cost {self.largest_cost:g}; they must be at least 1 and above 0"
            )

    @property
    def learning_rate(self) -> float:
        """sqrt(2 ln N / (J N)), per unit of scaled cost."""
        return math.sqrt(2.0 * math.log(self.candidates) / (self.jobs * self.candidates))

    def regret_bound(self) -> float:
        """Largest expected cost above that of the best fixed candidate."""
        return self.largest_cost * math.sqrt(2.0 * self.jobs * self.candidates * math.log(self.candidates))

    def init(self) -> SelectionState:
        """State before the first job."""
        return SelectionState(np.zeros(self.candidates))

    def weights(self, state: SelectionState) -> FloatArray:
        """Probability of each candidate, shape ``(N,)``."""
        raised = np.exp(-self.learning_rate * (state.totals - state.totals.min()))
        return np.asarray(raised / raised.sum())

    def choose(self, state: SelectionState, generator: np.random.Generator) -> int:
        """Candidate for the next job, drawn by weight."""
        drawn = int(np.searchsorted(np.cumsum(self.weights(state)), generator.random()))
        return min(drawn, self.candidates - 1)

    def update(self, used: int, cost: float, state: SelectionState) -> SelectionState:
        """State after the cost of the candidate that was used.

        Raises
        ------
        PolicyError
            If the cost lies outside 0 to ``largest_cost``.
        """
        if not 0.0 <= cost <= self.largest_cost * (1.0 + 1e-12):
            raise PolicyError(f"cost {cost:g} lies outside 0 to largest_cost = {self.largest_cost:g}")
        totals = state.totals.copy()
        totals[used] += cost / self.largest_cost / self.weights(state)[used]
        return SelectionState(totals)

    def run(self, costs: ArrayLike, *, seed: int) -> Choice:
        """Choices over jobs with costs of shape ``(J, N)``, of which only the chosen ones are looked at."""
        table = _checked_costs(costs, self.candidates)
        generator, state = np.random.default_rng(seed), self.init()
        chosen = np.empty(table.shape[0], dtype=np.int64)
        for job, row in enumerate(table):
            chosen[job] = self.choose(state, generator)
            state = self.update(int(chosen[job]), float(row[chosen[job]]), state)
        return _choice(table, chosen)


def _choice(table: FloatArray, chosen: NDArray[np.int64]) -> Choice:
    paid = float(table[np.arange(table.shape[0]), chosen].sum())
    return Choice(np.asarray(chosen, dtype=np.int64), paid, float(table.sum(axis=0).min()))


def _check_count(candidates: int) -> None:
    if candidates < 1:
        raise PolicyError(f"candidates is {candidates}; give at least one")


def _checked_costs(costs: ArrayLike, candidates: int) -> FloatArray:
    table = np.atleast_2d(np.asarray(costs, dtype=float))
    if table.shape[1] != candidates or not np.all(np.isfinite(table)):
        raise PolicyError(f"costs have shape {table.shape}; give finite costs of {candidates} candidates per job")
    return table
