"""Allocation that follows advice as far as a consistency of 1 + epsilon needs, and the robust curve otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import PolicyError
from joulewright.model.timeline import FloatArray
from joulewright.plan.program import Builder, Term
from joulewright.policy.online.allocation import (
    Allocation,
    AllocationResult,
    AllocationState,
    Places,
    PseudoCostAllocation,
    pseudo_cost_plan,
    with_ratio,
)
from joulewright.policy.online.curve import ConversionCurve, advice_ratio
from joulewright.policy.online.exact import slot_label, solve
from joulewright.policy.online.guarantee import Guarantee


class AdviceState(NamedTuple):
    """State of the work, and of the advice: where it stands, its progress and both costs so far."""

    own: AllocationState
    advised: AllocationState
    cost: float
    advised_cost: float


@dataclass(frozen=True, kw_only=True, eq=False)
class AdviceAllocation:
    """ST-CLIP over several places; CLIP with one.

    Attributes
    ----------
    robust : PseudoCostAllocation
        Bounds, places, rate and origin.
    epsilon : float
        Wanted consistency less 1.

    Notes
    -----
    With C the cost so far, z the progress, A the advised progress, a the advised position and x a position on the
    straight way from a to the pseudo-cost minimum (for one place that holds every candidate), the chosen x is the
    farthest with

    ``C + f(x) + |x - x_last| + |x - a| + stop(a) + (1 - z - x) L + max(A - z - x, 0) (U + 2 tau - L) <= (1 + epsilon)
    (ADV + stop(a) + (1 - A) L)``.

    The 2 tau pays for starting and stopping a forced tail, which the published form leaves out. Distances between
    positions are exact (optimal transport); along the way the left side is taken as linear, which is never less. The
    curve has the ratio gamma(epsilon) of
    :func:`joulewright.policy.online.advice_ratio` and advances by the smaller of the robust and the taken share.
    Guarantee: at most 1 + epsilon times the cost of the advice at rate 1. The published robustness is gamma for one
    place and O(log S) gamma for more; it was not checked, and nothing is claimed here.

    Information used: prices up to now, the bounds, the deadline and the advice up to now.

    References
    ----------
    Lechowicz et al. (2024), arXiv:2402.14012 and arXiv:2408.07831.
    """

    robust: PseudoCostAllocation
    epsilon: float
    sources: ClassVar[tuple[str, ...]] = ("lechowicz2024clip", "lechowicz2024soad")

    def __post_init__(self) -> None:
        self.curve.value(0.0)

    @cached_property
    def curve(self) -> ConversionCurve:
        """psi with the ratio gamma(epsilon)."""
        base = self.robust.curve
        return with_ratio(base, advice_ratio(base, self.epsilon))

    def init(self, slots: int) -> AdviceState:
        """State before the first of ``slots`` slots."""
        state = self.robust.init(slots)
        return AdviceState(state, state, 0.0, 0.0)

    def step(self, prices: ArrayLike, advised: ArrayLike, state: AdviceState) -> tuple[AdviceState, Allocation]:
        """Decide one slot from the prices and the advised shares, each of shape ``(S,)``."""
        own, rule = state.own, self.robust
        now = rule.checked(prices, own)
        advice = self._advice(np.asarray(advised, dtype=float), state.advised)
        advised_move = self._distance(state.advised, advice)
        advised_cost = state.advised_cost + float(np.dot(now, advice.running)) + advised_move
        plan = pseudo_cost_plan(now, own, self.curve, rule.places)
        robust, found = rule.apply(plan, own, plan.wanted)
        near = self._capped(advice, 1.0 - own.done)
        forced = rule.forced(own)
        if forced is None:
            part = self._part(now, state, advice=advice, near=near, robust=robust, advised_cost=advised_cost)
            running = near.running + part * (robust.running - near.running)
            resting = near.resting + part * (robust.resting - near.resting)
        else:
            goal, _ = rule.apply(plan, own, plan.fill(forced))
            running, resting = goal.running, goal.resting
        share = float(running.sum())
        gain = min(float(found.shares.sum()), share)
        after = AllocationState(own.slots_left - 1, own.done + share, own.progress + gain, running, resting)
        moved = self._distance(own, after)
        cost = state.cost + float(np.dot(now, running)) + moved
        return AdviceState(after, advice, cost, advised_cost), Allocation(running, moved)

    def run(self, prices: ArrayLike, advice: ArrayLike) -> AllocationResult:
        """Shares and cost for prices and advised shares of shape ``(T, S)``."""
        values, advised = np.asarray(prices, dtype=float), np.asarray(advice, dtype=float)
        if values.shape != advised.shape or abs(advised.sum() - 1.0) > 1e-6 or advised.min() < -1e-9:
            raise PolicyError(
                f"advice has shape {advised.shape} and adds up to {advised.sum():g}; "
                f"give shares of at least 0 that add up to 1, shape {values.shape}"
            )
        state, rows = self.init(values.shape[0]), []
        for now, share in zip(values, advised):
            state, done = self.step(now, share, state)
            rows.append(done.shares)
        last = self.robust.places.toggle_cost * float(state.own.running.sum())
        return AllocationResult(state.cost + last, np.array(rows))

    def consistency(self) -> float:
        """Largest cost over that of the advice, at rate 1."""
        return 1.0 + self.epsilon

    def guarantee(self) -> Guarantee:
        """Published robustness; what is proved is the consistency."""
        holds = (
            f"no robustness is proved; at rate 1 the cost is at most {self.consistency():g} times that of the advice"
        )
        published = self.curve.eta if self.robust.places.count == 1 else None
        return Guarantee(published=published, provable=None, holds=holds, sources=self.sources)

    def _advice(self, advised: FloatArray, before: AllocationState) -> AllocationState:
        """Where the advice stands: what does not run rests where it is, what must come is taken from the nearest."""
        standing = before.running + before.resting
        kept = np.minimum(advised, standing)
        missing, spare = advised - kept, standing - kept
        distances = np.asarray(self.robust.places.distances, dtype=float)
        for place in np.flatnonzero(missing > 0.0):
            for source in np.argsort(distances[:, place], kind="stable"):
                amount = min(missing[place], spare[source])
                spare[source] -= amount
                missing[place] -= amount
        done = before.done + float(advised.sum())
        return AllocationState(before.slots_left - 1, done, done, advised, spare)

    def _capped(self, advice: AllocationState, left: float) -> AllocationState:
        """The advice, cut to the work that is left."""
        total = float(advice.running.sum())
        if total <= left:
            return advice
        kept = advice.running * (left / total)
        return advice._replace(running=kept, resting=advice.resting + advice.running - kept)

    def _part(
        self,
        now: FloatArray,
        state: AdviceState,
        *,
        advice: AllocationState,
        near: AllocationState,
        robust: AllocationState,
        advised_cost: float,
    ) -> float:
        """How far to go from the advice to the robust position: the largest part that keeps the consistency."""
        rule, own = self.robust, state.own
        stop = rule.places.toggle_cost * float(advice.running.sum())
        allowed = (1.0 + self.epsilon) * (advised_cost + stop + (1.0 - advice.done) * rule.low)

        def total(end: AllocationState) -> float:
            share = float(end.running.sum())
            moved = self._distance(own, end) + self._distance(end, advice)
            rest = (1.0 - own.done - share) * rule.low
            return state.cost + stop + float(np.dot(now, end.running)) + moved + rest

        ends = (total(near), total(robust))
        shares = (float(near.running.sum()), float(robust.running.sum()))
        penalty = rule.high + 2.0 * rule.places.toggle_cost - rule.low

        def excess(part: float) -> float:
            share = shares[0] + part * (shares[1] - shares[0])
            late = max(advice.done - own.done - share, 0.0) * penalty
            return ends[0] + part * (ends[1] - ends[0]) + late - allowed

        if excess(1.0) <= 0.0:
            return 1.0
        lower, upper = 0.0, 1.0
        for _ in range(50):
            middle = (lower + upper) / 2.0
            lower, upper = (middle, upper) if excess(middle) <= 0.0 else (lower, middle)
        return lower

    def _distance(self, one: AllocationState, other: AllocationState) -> float:
        """Least cost of moving from one position to another [price]."""
        places = self.robust.places
        if places.count == 1:
            return places.toggle_cost * abs(float(other.running[0] - one.running[0]))
        before, after = (np.concatenate((item.running, item.resting)) for item in (one, other))
        if np.abs(before - after).max() < 1e-15:
            return 0.0
        return transport_cost(before, after, places)


def transport_cost(before: FloatArray, after: FloatArray, places: Places) -> float:
    """Least cost of moving shares from one position to another, by linear programming [price].

    Parameters
    ----------
    before, after : FloatArray
        Shares that run, then shares that rest, by place, shape ``(2 S,)``; equal sums.

    Examples
    --------
    >>> places = Places(distances=np.array([[0.0, 5.0], [5.0, 0.0]]), toggle_cost=1.0)
    >>> before, after = np.array([0.0, 0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0, 0.0])
    >>> round(transport_cost(before, after, places), 9)  # 5 + 1
    6.0
    """
    count = places.count
    cost = np.tile(np.asarray(places.distances, dtype=float), (2, 2))
    cost[:count, count:] += places.toggle_cost
    cost[count:, :count] += places.toggle_cost
    side = np.arange(2 * count)
    builder = Builder()
    flow = builder.variable("flow", (2 * count, 2 * count), slot_label, upper=float(before.sum()), cost=cost)
    goal = after * (before.sum() / after.sum())
    leave, arrive = Term(side[:, None], flow.index, 1.0), Term(side[None, :], flow.index, 1.0)
    builder.add_rows("leave", side.size, slot_label, [leave], lower=before - 1e-12, upper=before + 1e-12)
    builder.add_rows("arrive", side.size, slot_label, [arrive], lower=goal, upper=goal)
    return solve(builder.compile()).objective


def clip_rule(*, low: float, high: float, switching_cost: float, epsilon: float, rate: float = 1.0) -> AdviceAllocation:
    """CLIP for one place: starts and stops cost ``switching_cost`` per share.

    Examples
    --------
    >>> rule = clip_rule(low=100.0, high=300.0, switching_cost=20.0, epsilon=0.5)
    >>> round(rule.curve.eta, 9)
    1.998747561
    """
    places = Places(distances=np.zeros((1, 1)), toggle_cost=switching_cost)
    return AdviceAllocation(robust=PseudoCostAllocation(low=low, high=high, places=places, rate=rate), epsilon=epsilon)
