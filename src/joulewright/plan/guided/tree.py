"""Branch and bound on the joint program in which every bound is a Lagrangian bound.

The plans are split in two again and again. The bound of each part is recomputed from row duals, so the lowest of all
parts is a bound on every plan, whatever tolerances the solver has. Columns whose reduced cost in a part exceeds what is
left between its bound and the best plan are held there: with them moved, no plan of the part is better.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

import highspy
import numpy as np
from numpy.typing import NDArray

from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.guided.board import JobBoard
from joulewright.plan.guided.branching import WHOLE, Side, Split, splits
from joulewright.plan.guided.rounding import RoundingRule, round_columns
from joulewright.plan.guided.workbench import Workbench, lagrangian

Box = tuple[NDArray[np.signedinteger], NDArray[np.signedinteger]]

SHORT_SOLVES = {"threads": 1, "simplex_dual_edge_weight_strategy": 1}
"""HiGHS options for solves of few iterations from a given basis: exact steepest edge weights would cost more."""
_TRIES, _TRUSTED = 3, 4
_LEAST = 1e-3
_NEAR, _ROUND_EVERY = 0.05, 15
_RULE = RoundingRule(0.85, 0.1)


@dataclass(frozen=True, eq=False)
class Part:
    """A part of the plans.

    Attributes
    ----------
    box : pair of IntArray
        Bounds of the integer columns in it.
    bound : float
        No plan of the part has a lower objective.
    basis : HighsBasis
        Basis of the solution of its relaxation.
    divided : IntArray
        Integer columns that are fractional in it; none if the part holds no better plan.
    values : FloatArray
        Their values; the values of all columns where the solution is integral.
    """

    box: Box
    bound: float
    basis: highspy.HighsBasis
    divided: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    values: FloatArray = field(default_factory=lambda: np.empty(0))

    @property
    def whole(self) -> bool:
        """Whether the solution is integral."""
        return self.values.size > self.divided.size


@dataclass(eq=False)
class Record:
    """What splits of one key did to the bound: their number and the sum of the increases on either side."""

    times: int = 0
    rise: FloatArray = field(default_factory=lambda: np.zeros(2))

    @property
    def mean(self) -> FloatArray:
        """Mean increase on either side [currency]."""
        return self.rise / max(1, self.times)


class Tree:
    """A branch and bound search that can be stopped and taken up again at any time.

    Parameters
    ----------
    board : JobBoard
        Jobs of the program.
    benches : list of Workbench
        One or two; with two, both sides of a split are solved side by side.
    basis : HighsBasis
        Basis of the root relaxation.
    objective : callable
        Objective of the best plan known.
    offer : callable, optional
        Called with the values of every integral solution found. Without it none is looked for beyond the relaxations.
    margin : float
        Parts are dropped once their bound is within this distance of the best plan [currency].
    """

    def __init__(
        self,
        board: JobBoard,
        benches: list[Workbench],
        basis: highspy.HighsBasis,
        *,
        objective: Callable[[], float],
        offer: Callable[[FloatArray], None] | None = None,
        margin: float,
    ) -> None:
        self.board, self.benches, self.program = board, benches, benches[0].program
        self.integers: IntArray = np.flatnonzero(self.program.integer).astype(np.int64)
        self.parts, self._taken = 1, 0
        self._objective, self._offer, self._margin = objective, offer, margin
        self._heap: list[tuple[float, int, Part]] = []
        self._order = count()
        self._ended = float("inf")
        self._records: dict[str, Record] = {}
        whole = np.rint([self.program.lower[self.integers], self.program.upper[self.integers]])
        # Every open part keeps its box, so the type is the smallest that holds it.
        lower, upper = whole.astype(np.int8 if np.abs(whole).max(initial=0.0) <= 127 else np.int32)
        box = lower, upper
        self._keep(self._relax(benches[0], Part(box, -float("inf"), basis)))

    @property
    def work(self) -> float:
        """Work units so far."""
        return sum(bench.work for bench in self.benches)

    @property
    def bound(self) -> float:
        """No plan has a lower objective."""
        lowest = self._heap[0][0] if self._heap else float("inf")
        return min(lowest, self._ended, self._cutoff())

    @property
    def done(self) -> bool:
        """Whether no split can raise the bound any more."""
        return not self._heap or self._heap[0][0] >= self._ended

    def run(self, stop: Callable[[], bool]) -> None:
        """Split parts, the one with the lowest bound first, until that cannot raise the bound or ``stop`` says so."""
        self._heap = [entry for entry in self._heap if entry[0] < self._cutoff()]
        heapq.heapify(self._heap)
        while not self.done and not stop():
            part: Part | None = heapq.heappop(self._heap)[2]
            if part is not None and self._offer is not None and self._taken % _ROUND_EVERY == 0:
                self._round(part, self._offer)
            self._taken += 1
            while part is not None:
                part = self._split(part)
                if part is not None and stop():
                    self._keep(part)
                    return

    def _cutoff(self) -> float:
        return self._objective() - self._margin

    def _keep(self, part: Part) -> None:
        """Put a part on the heap, or close it: an integral solution is offered, what is no better is dropped."""
        if part.whole:
            self._ended = min(self._ended, part.bound)
            if self._offer is not None:
                self._offer(part.values)
        elif part.bound < self._cutoff():
            heapq.heappush(self._heap, (part.bound, next(self._order), part))

    def _round(self, part: Part, offer: Callable[[FloatArray], None]) -> None:
        """Round the relaxation of a part to a plan."""
        bench = self.benches[0]
        self._enter(bench, part)
        relaxed = bench.solve()
        rounded = round_columns(bench, self.integers, relaxed, _RULE, self._cutoff()) if relaxed.optimal else None
        if rounded is not None:
            offer(rounded.values)

    def _split(self, part: Part) -> Part | None:
        """Replace a part by its sides; returns the one to go on with at once, if its bound is among the lowest."""
        if part.bound >= self._cutoff():
            return None
        ways = self._ordered(part)
        if not ways:
            # Fractions within the solver's tolerances alone: the part is left whole, with its bound.
            self._ended = min(self._ended, part.bound)
            return None
        children = sorted(self._best_split(part, ways), key=lambda child: child.bound)
        lowest = min([self.bound, *(child.bound for child in children)])
        near = lowest + _NEAR * (self._cutoff() - lowest)
        go_on = children[0] if children and not children[0].whole and children[0].bound <= near else None
        for child in children:
            if child is not go_on:
                self._keep(child)
        return go_on

    def _best_split(self, part: Part, ways: list[Split]) -> list[Part]:
        """Sides of the best of a few splits; one side alone, or none, where the other holds no better plan."""
        best: list[Part] = []
        best_score = -1.0
        for number, split in enumerate(ways):
            record = self._records.setdefault(split.key, Record())
            if number and (number >= _TRIES or record.times >= _TRUSTED):
                break
            children = self._sides(part, split)
            rise = np.minimum([child.bound for child in children], self._cutoff()) - part.bound
            record.times += 1
            record.rise += rise
            alive = [child for child in children if child.bound < self._cutoff()]
            if len(alive) < 2:
                return alive
            if _score(rise) > best_score:
                best, best_score = alive, _score(rise)
        return best

    def _ordered(self, part: Part) -> list[Split]:
        """Splits by what is known of them, best first; those without a record count as the mean of the others."""
        known = [record.mean for record in self._records.values() if record.times]
        usual = _score(np.mean(known, axis=0)) if known else 1.0

        def promise(split: Split) -> float:
            record = self._records.get(split.key)
            return usual * (0.5 + split.divided) if record is None or not record.times else _score(record.mean)

        values, lower, upper = np.zeros(self.program.cost.size), self.program.lower.copy(), self.program.upper.copy()
        values[part.divided] = part.values
        lower[self.integers], upper[self.integers] = part.box
        return sorted(splits(self.program, self.board, values, (lower, upper)), key=promise, reverse=True)

    def _sides(self, part: Part, split: Split) -> list[Part]:
        narrowed = [self._narrowed(part, side) for side in split.sides]
        self.parts += len(narrowed)
        if len(self.benches) < 2:
            return [self._relax(self.benches[0], side) for side in narrowed]
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(self._relax, self.benches[:2], narrowed))

    def _narrowed(self, part: Part, side: Side) -> Part:
        lower, upper = part.box[0].copy(), part.box[1].copy()
        place = np.searchsorted(self.integers, side.columns)
        lower[place] = np.maximum(lower[place], np.rint(side.lower).astype(lower.dtype))
        upper[place] = np.minimum(upper[place], np.rint(side.upper).astype(upper.dtype))
        return Part((lower, upper), part.bound, part.basis)

    def _enter(self, bench: Workbench, part: Part) -> None:
        bench.restore(part.basis)
        bench.fix(self.integers, part.box[0].astype(float), part.box[1].astype(float))

    def _relax(self, bench: Workbench, part: Part) -> Part:
        """The part with its bound and its splits, and the columns held whose reduced cost is too high."""
        nothing = Part(part.box, float("inf"), part.basis)
        if np.any(part.box[0] > part.box[1]):
            return nothing
        self._enter(bench, part)
        cutoff, bound = self._cutoff(), part.bound
        for limit in (cutoff, float("inf")):
            solution = bench.solve(limit)
            if solution.status == "Infeasible":
                return nothing
            own, reduced = lagrangian(self.program, solution.row_duals, box=(bench.lower, bench.upper))
            bound = max(bound, own)
            if solution.optimal or bound >= cutoff:
                break
        if bound >= cutoff or not solution.optimal:
            return Part(part.box, bound, part.basis)
        # The room belongs to the duals that the reduced costs come from, not to the best bound so far.
        box = hold_costly(part.box, reduced[self.integers], cutoff - own)
        values = solution.values[self.integers]
        divided = self.integers[np.abs(values - np.rint(values)) > WHOLE]
        return Part(box, bound, bench.basis(), divided, solution.values[divided] if divided.size else solution.values)


def hold_costly(box: Box, reduced: FloatArray, room: float) -> Box:
    """Integer bounds narrowed so that no column moves from a bound at a reduced cost of more than ``room``.

    ``L + |d_j| k`` is a lower bound on every solution in which column ``j`` is ``k`` away from the side that its
    reduced cost ``d_j`` prefers (Nemhauser and Wolsey 1988, section II.5.2), with ``L`` the Lagrangian bound.

    Parameters
    ----------
    box : pair of IntArray
        Bounds of the integer columns.
    reduced : FloatArray
        Their reduced costs ``d``.
    room : float
        Objective of the best solution known minus the bound.
    """
    steps = np.floor(np.minimum(room / np.maximum(np.abs(reduced), 1e-12), 1e6) + 1e-9).astype(np.int32)
    lower, upper = box
    return (
        np.where(reduced < 0.0, np.maximum(lower, upper - steps), lower).astype(lower.dtype),
        np.where(reduced > 0.0, np.minimum(upper, lower + steps), upper).astype(upper.dtype),
    )


def _score(rise: FloatArray) -> float:
    """Product of the increases on both sides (Achterberg, Koch and Martin 2005, doi 10.1016/j.orl.2004.04.002)."""
    return float(max(rise.min(), _LEAST) * max(rise.max(), _LEAST))
