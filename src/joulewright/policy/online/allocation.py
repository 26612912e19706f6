"""Shares of work over several places whose distances cost: pseudo-cost minimisation, and its exact optimum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewright.errors import PolicyError
from joulewright.model.timeline import FloatArray
from joulewright.plan.program import Builder, Term
from joulewright.policy.online.conversion import check_rate
from joulewright.policy.online.curve import ConversionCurve
from joulewright.policy.online.exact import slot_label, solve
from joulewright.policy.online.guarantee import Guarantee, checked_prices


class AllocationState(NamedTuple):
    """Slots left, share of the work done, and where the share of one slot stands: running and resting by place.

    ``progress`` is where the threshold curve stands; advice may keep it behind ``done``.
    """

    slots_left: int
    done: float
    progress: float
    running: FloatArray
    resting: FloatArray


class Allocation(NamedTuple):
    """Shares done at each place in a slot, shape ``(S,)``, and what moving and toggling cost."""

    shares: FloatArray
    moving_cost: float


class AllocationResult(NamedTuple):
    """Shares by slot and place, shape ``(T, S)``, and the cost with all moves and the last stop."""

    cost: float
    shares: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Places with the cost of moving a share between them and of starting or stopping it.

    Attributes
    ----------
    distances : FloatArray
        Cost of moving one share of work, shape ``(S, S)``; a metric [price].
    toggle_cost : float
        tau: cost of each start and each stop [price].

    Examples
    --------
    >>> Places(distances=np.zeros((1, 1)), toggle_cost=3.0).reach
    3.0
    """

    distances: FloatArray
    toggle_cost: float = 0.0

    def __post_init__(self) -> None:
        far = np.asarray(self.distances, dtype=float)
        if far.ndim != 2 or far.shape[0] != far.shape[1] or not np.all(np.isfinite(far)):
            raise PolicyError(f"distances have shape {far.shape}; give finite costs between all places, shape (S, S)")
        slack = 1e-9 * max(1.0, float(far.max(initial=0.0)))
        through = (far[:, :, None] + far[None, :, :]).min(axis=1)
        if far.min() < 0.0 or np.abs(far - far.T).max() > slack or np.abs(np.diag(far)).max() > 0.0:
            raise PolicyError("distances must be at least 0, symmetric and 0 on the diagonal")
        if (far - through).max() > slack:
            start, end = np.unravel_index(int((far - through).argmax()), far.shape)
            raise PolicyError(
                f"distance {far[start, end]:g} from place {start} to {end} is longer than a way around "
                f"({through[start, end]:g}); give shortest distances"
            )
        if not self.toggle_cost >= 0.0:
            raise PolicyError(f"toggle_cost is {self.toggle_cost:g}; it must be at least 0")

    @property
    def count(self) -> int:
        """Number of places."""
        return int(np.shape(self.distances)[0])

    @property
    def reach(self) -> float:
        """D: most that it costs to bring a resting share to any place and start it [price]."""
        return float(np.max(self.distances)) + self.toggle_cost


@dataclass(frozen=True, kw_only=True, eq=False)
class PseudoCostAllocation:
    """PCM on the metric itself: spatiotemporal online allocation with a deadline.

    Attributes
    ----------
    low, high : float
        L and U of the price at any place [price].
    places : Places
        Distances and toggling cost, D + tau < U - L.
    rate : float
        Largest share of the work in one slot.
    origin : int
        Place where the work rests before the first slot.

    Notes
    -----
    Each slot minimises price, moving and toggling cost less the integral of psi over the work done in it. Every share
    goes to the place that is best for it; shares are taken in the order of what they cost until psi has fallen to that
    cost, which is the exact minimum. With one place and tau = beta this is RORO. The published algorithm works on a
    random tree that embeds the metric and is O(log S) eta-competitive in expectation [not checked here]; this one uses
    the metric directly. Guarantee: ``ratio()``, ours, by the argument of
    :meth:`joulewright.policy.online.ConversionCurve.provable_ratio`. It grows with the diameter D, not with log S.

    Information used: prices up to now at all places, the bounds, the rate and the deadline.

    References
    ----------
    Lechowicz et al. (2024), arXiv:2408.07831.

    Examples
    --------
    Place 1 is cheap and one unit of cost away: worth the move.

    >>> places = Places(distances=np.array([[0.0, 1.0], [1.0, 0.0]]))
    >>> rule = PseudoCostAllocation(low=10.0, high=50.0, places=places)
    >>> rule.run([[40.0, 10.0], [40.0, 40.0]]).shares.round(3)
    array([[0., 1.],
           [0., 0.]])
    """

    low: float
    high: float
    places: Places
    rate: float = 1.0
    origin: int = 0
    sources: ClassVar[tuple[str, ...]] = ("lechowicz2024soad",)

    def __post_init__(self) -> None:
        check_rate(self.rate)
        if not 0 <= self.origin < self.places.count:
            raise PolicyError(f"origin is {self.origin}; places are 0 to {self.places.count - 1}")
        self.curve.value(0.0)

    @cached_property
    def curve(self) -> ConversionCurve:
        """The threshold curve psi, in the form with psi(1) = L + D."""
        return ConversionCurve(low=self.low, high=self.high, distance=self.places.reach, toggle=self.places.toggle_cost)

    def init(self, slots: int) -> AllocationState:
        """State before the first of ``slots`` slots.

        Raises
        ------
        PolicyError
            If the work does not fit.
        """
        if slots * self.rate < 1.0 - 1e-9:
            raise PolicyError(f"{slots} slots at a rate of {self.rate:g} do not hold the work; move the deadline")
        resting = np.zeros(self.places.count)
        resting[self.origin] = self.rate
        return AllocationState(slots, 0.0, 0.0, np.zeros(self.places.count), resting)

    def step(self, prices: ArrayLike, state: AllocationState) -> tuple[AllocationState, Allocation]:
        """Decide one slot from the price at each place, shape ``(S,)``.

        Raises
        ------
        PolicyError
            If there is not one finite price per place, or the deadline has passed.
        """
        now = self.checked(prices, state)
        plan = pseudo_cost_plan(now, state, self.curve, self.places)
        taken = self.forced(state)
        return self.apply(plan, state, plan.wanted if taken is None else plan.fill(taken))

    def checked(self, prices: ArrayLike, state: AllocationState) -> FloatArray:
        """The prices of one slot, shape ``(S,)``."""
        if state.slots_left < 1:
            raise PolicyError("the deadline has passed: 0 slots are left; begin anew with init()")
        values = checked_prices(prices)
        if values.size != self.places.count:
            raise PolicyError(f"{values.size} prices for {self.places.count} places; give one per place")
        return values

    def forced(self, state: AllocationState) -> float | None:
        """Share that must be done in this slot because only the needed slots are left, or None."""
        left = 1.0 - state.done
        return min(self.rate, left) if (state.slots_left - 1) * self.rate < left - 1e-9 * self.rate else None

    def apply(self, plan: Plan, state: AllocationState, taken: FloatArray) -> tuple[AllocationState, Allocation]:
        """State and allocation when ``taken`` of each source runs, shape ``(2 S,)``."""
        count = self.places.count
        shares = np.zeros(count)
        np.add.at(shares, plan.target, taken)
        rest = plan.mass - taken
        resting = rest[:count] + rest[count:]
        toggled = self.places.toggle_cost * float(rest[:count].sum())
        moving = float(np.dot(taken, plan.moving)) + toggled
        done = state.done + float(shares.sum())
        after = AllocationState(state.slots_left - 1, done, state.progress + float(shares.sum()), shares, resting)
        return after, Allocation(shares, moving)

    def run(self, prices: ArrayLike) -> AllocationResult:
        """Shares and cost over prices of shape ``(T, S)``; the deadline is their end."""
        return run_allocation(self, np.asarray(prices, dtype=float))

    def ratio(self) -> float:
        """The provable competitive ratio."""
        return self.curve.provable_ratio(self.rate)

    def guarantee(self) -> Guarantee:
        """Provable ratio; the published one rests on a tree that is not used here."""
        holds = "low <= price <= high at every place, the same rate limit in every slot, at rest before and after"
        return Guarantee(published=None, provable=self.ratio(), holds=holds, sources=self.sources)


class Plan(NamedTuple):
    """What each source of work (running, then resting, by place) would do; arrays of shape ``(2 S,)``.

    Attributes
    ----------
    mass : FloatArray
        Share that stands there.
    target : NDArray[np.int64]
        Place where it would run.
    moving : FloatArray
        Cost of bringing one share there and starting it [price].
    slope : FloatArray
        What one share costs more running than resting [price].
    wanted : FloatArray
        Share that minimises the pseudo-cost.
    """

    mass: FloatArray
    target: NDArray[np.int64]
    moving: FloatArray
    slope: FloatArray
    wanted: FloatArray

    def fill(self, amount: float) -> FloatArray:
        """The cheapest ``amount`` of the sources."""
        order = np.argsort(self.slope, kind="stable")
        before = np.concatenate(([0.0], np.cumsum(self.mass[order])[:-1]))
        taken = np.zeros(self.mass.size)
        taken[order] = np.clip(amount - before, 0.0, self.mass[order])
        return taken


def pseudo_cost_plan(prices: FloatArray, state: AllocationState, curve: ConversionCurve, places: Places) -> Plan:
    """Minimum of price, moving and toggling cost less the integral of psi, from the state's progress on."""
    reach = prices[None, :] + np.asarray(places.distances, dtype=float)
    target = reach.argmin(axis=1)
    rows = np.arange(places.count)
    best, far = reach[rows, target], np.asarray(places.distances, dtype=float)[rows, target]
    toggle = places.toggle_cost
    mass = np.concatenate((state.running, state.resting))
    moving = np.concatenate((far, far + toggle))
    slope = np.concatenate((best - toggle, best + toggle))
    order = np.argsort(slope, kind="stable")
    wanted = np.zeros(mass.size)
    taken, limit = 0.0, max(1.0 - state.done, 0.0)
    for source, goal in zip(order, curve.progress(slope[order])):
        share = min(max(float(goal) - state.progress - taken, 0.0), float(mass[source]), limit - taken)
        wanted[source] = share
        taken += share
        if share < mass[source]:
            break
    return Plan(mass, np.tile(target, 2), moving, slope, wanted)


def run_allocation(rule: PseudoCostAllocation, prices: FloatArray) -> AllocationResult:
    """Run a rule over prices of shape ``(T, S)`` and add up its cost, the last stop included."""
    state, cost, rows = rule.init(prices.shape[0]), 0.0, []
    for now in prices:
        state, done = rule.step(now, state)
        cost += float(np.dot(now, done.shares)) + done.moving_cost
        rows.append(done.shares)
    cost += rule.places.toggle_cost * float(state.running.sum())
    return AllocationResult(cost, np.array(rows))


def exact_allocation(prices: ArrayLike, places: Places, *, rate: float = 1.0, origin: int = 0) -> AllocationResult:
    """Exact optimum over several places by linear programming.

    Parameters
    ----------
    prices : array
        Shape ``(T, S)`` [price].
    places : Places
        Distances and toggling cost.
    rate, origin : float, int
        As in :class:`PseudoCostAllocation`.

    Notes
    -----
    Columns: flows between places of running and of resting shares, starts and stops at each place, and the shares that
    run and rest, in every slot.

    Examples
    --------
    >>> places = Places(distances=np.array([[0.0, 1.0], [1.0, 0.0]]))
    >>> exact_allocation([[40.0, 10.0], [40.0, 40.0]], places).cost  # 10 and one move
    11.0
    """
    check_rate(rate)
    values = np.asarray(prices, dtype=float)
    if values.ndim != 2 or values.shape[1] != places.count or not np.all(np.isfinite(values)):
        raise PolicyError(f"prices have shape {values.shape}; give finite ones of shape (T, {places.count})")
    slots, count = values.shape
    if slots * rate < 1.0 - 1e-9:
        raise PolicyError(f"{slots} slots at a rate of {rate:g} do not hold the work; move the deadline")
    builder = Builder()
    shape = (slots, count)
    moves = np.broadcast_to(np.asarray(places.distances, dtype=float), (slots, count, count))
    runs = builder.variable("running", shape, slot_label, upper=rate, cost=values)
    rests = builder.variable("resting", shape, slot_label, upper=rate)
    starts, stops = (
        builder.variable(name, shape, slot_label, upper=rate, cost=places.toggle_cost) for name in ("start", "stop")
    )
    last = builder.variable("last_stop", 1, slot_label, upper=rate, cost=places.toggle_cost)
    rows = np.arange(slots * count).reshape(shape)
    for block, sign in ((runs, 1.0), (rests, -1.0)):
        flow = builder.variable("flow", (slots, count, count), slot_label, upper=rate, cost=moves)
        arrive = [
            Term(rows, block.index, 1.0),
            Term(rows, starts.index, -sign),
            Term(rows, stops.index, sign),
            Term(rows[:, None, :], flow.index, -1.0),
        ]
        builder.add_rows("arrive", slots * count, slot_label, arrive, lower=0.0, upper=0.0)
        before = np.zeros(shape)
        before[0, origin] = rate if block is rests else 0.0
        leave = [Term(rows[:, :, None], flow.index, 1.0), Term(rows[1:], block.index[:-1], -1.0)]
        builder.add_rows("leave", slots * count, slot_label, leave, lower=before.ravel(), upper=before.ravel())
    ending = [Term(0, last.index, 1.0), Term(0, runs.index[-1], -1.0)]
    builder.add_rows("last_stop", 1, slot_label, ending, lower=0.0, upper=0.0)
    builder.add_rows("work", 1, slot_label, [Term(0, runs.index.ravel(), 1.0)], lower=1.0, upper=1.0)
    found = solve(builder.compile())
    return AllocationResult(found.objective, runs.values(found.values))


def with_ratio(curve: ConversionCurve, ratio: float) -> ConversionCurve:
    """The same curve for another ratio."""
    return replace(curve, fixed_ratio=ratio)
