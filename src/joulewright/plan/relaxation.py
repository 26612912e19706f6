"""Single changes of a scenario: how much of each makes a plan possible."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import highspy
import numpy as np

from joulewright.errors import InfeasibleError
from joulewright.model import Scenario
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.explanation import Fix, figure
from joulewright.plan.formulation import build
from joulewright.plan.program import Program
from joulewright.plan.solver import pass_program

Answer = Literal["yes", "no", "unknown"]
_INTEGER_S = 6.0
_GROWTH = (1.0, 1.1, 1.3, 1.7, 2.5, 4.0)
_MOST_STEPS = 4096.0
_LARGE = 20_000


def _none() -> IntArray:
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Slack:
    """How a change enters the linear relaxation.

    Attributes
    ----------
    rows : IntArray
        Rows that the amount widens.
    coefficient : float
        With which coefficient it enters them: -1 for an upper side, +1 for a lower side.
    bounded : IntArray
        Columns whose upper bound it raises.
    opened : IntArray
        Columns whose upper bound is dropped because another row implies it.
    separate : bool
        True for an amount per row, whose sum counts.
    per_unit : float
        Units of the change per unit of slack.
    """

    rows: IntArray = field(default_factory=_none)
    coefficient: float = -1.0
    bounded: IntArray = field(default_factory=_none)
    opened: IntArray = field(default_factory=_none)
    separate: bool = False
    per_unit: float = 1.0


@dataclass(frozen=True, eq=False)
class Relaxation:
    """A change of one number of the scenario.

    Attributes
    ----------
    kind, target, unit, key : str
        As in :class:`~joulewright.plan.explanation.Fix`.
    words : str
        The change with ``{}`` for its amount.
    change : callable
        The changed scenario, from a scenario and an amount.
    slack : Slack or None
        Its place in the linear relaxation; None means that only trying helps.
    step, largest : float
        Amount to begin with where only trying helps, and largest amount.
    amount_matters : bool
        False for a change that is either made or not.
    """

    kind: str
    target: str
    unit: str
    key: str
    words: str
    change: Callable[[Scenario, float], Scenario]
    slack: Slack | None = None
    step: float = 1.0
    largest: float = float("inf")
    amount_matters: bool = True

    def text(self, amount: float) -> str:
        """The change in words."""
        return self.words.format(figure(amount))


@dataclass(eq=False)
class Trial:
    """Asks whether changed scenarios have a plan, within a time limit.

    Attributes
    ----------
    scenario : Scenario
        What is to be changed.
    without : frozenset of str
        Flexibilities that are switched off.
    seconds : float
        Time after which nothing more is tried [s].
    """

    scenario: Scenario
    without: frozenset[str]
    seconds: float
    _begin: float = field(default_factory=time.monotonic)

    @property
    def over(self) -> bool:
        """Whether time has run out."""
        return time.monotonic() - self._begin >= self.seconds

    def feasible(self, scenario: Scenario) -> Answer:
        """Whether the scenario has an integral plan; ``unknown`` if only the relaxation could be settled in time."""
        try:
            joint = build(scenario, without=self.without)
        except InfeasibleError:
            return "no"
        return integer_feasible(joint.program)

    def smallest(self, relaxation: Relaxation, program: Program | None) -> Fix | None:
        """The smallest amount of a change that helps, or None.

        With a program whose relaxation is infeasible the search begins at the amount that the relaxation needs.
        """
        if not relaxation.amount_matters and program is None:
            return self._offered(relaxation, 0.0)
        if program is None or relaxation.slack is None:
            return self._searched(relaxation)
        amounts = shortage(program, relaxation.slack)
        if amounts is None:
            return None
        least = float(amounts[0].sum()) * relaxation.slack.per_unit
        for factor in _GROWTH if relaxation.amount_matters else (1.0,):
            amount = round_up(least * factor)
            if amount > relaxation.largest or self.over:
                return None
            fix = self._offered(relaxation, amount)
            if fix is not None:
                return fix
        return None

    def together(self, relaxations: list[Relaxation], program: Program) -> Fix | None:
        """Changes of one kind at several places at once, their sum as small as can be, or None."""
        slacks = [item.slack for item in relaxations if item.slack is not None]
        amounts = shortage(program, *slacks) if len(slacks) == len(relaxations) > 1 else None
        if amounts is None or self.over:
            return None
        changed, texts = self.scenario, []
        for item, slack, found in zip(relaxations, slacks, amounts, strict=True):
            amount = round_up(float(found.sum()) * slack.per_unit)
            if amount > 0.0:
                changed = item.change(changed, amount)
                texts.append(item.text(amount))
        answer = self.feasible(changed) if texts else "no"
        if answer == "no":
            return None
        first = relaxations[0]
        return _fix(replace(first, target="several", key="", words=" with ".join(texts)), 0.0, answer)

    def _searched(self, relaxation: Relaxation) -> Fix | None:
        """Double the amount until it helps, then halve the interval down to a step."""
        low, high, found = 0.0, relaxation.step, None
        while found is None:
            if self.over or low >= min(relaxation.largest, _MOST_STEPS * relaxation.step):
                return None
            high = min(high, relaxation.largest)
            found = self._offered(relaxation, high)
            if found is None:
                low, high = high, 2.0 * high
        while high - low > relaxation.step * 1.001 and not self.over:
            middle = low + relaxation.step * round((high - low) / relaxation.step / 2.0)
            better = self._offered(relaxation, middle)
            low, high, found = (low, middle, better) if better else (middle, high, found)
        return found

    def _offered(self, relaxation: Relaxation, amount: float) -> Fix | None:
        answer = self.feasible(relaxation.change(self.scenario, amount))
        return None if answer == "no" else _fix(relaxation, amount, answer)


def _fix(relaxation: Relaxation, amount: float, answer: Answer) -> Fix:
    return Fix(
        kind=relaxation.kind,
        target=relaxation.target,
        amount=amount,
        unit=relaxation.unit,
        key=relaxation.key,
        text=relaxation.text(amount) + ("" if answer == "yes" else "*"),
        applicability="verified" if answer == "yes" else "relaxation-only",
    )


def integer_feasible(program: Program, seconds: float = _INTEGER_S) -> Answer:
    """Whether a program has an integral solution, found within the time; its costs are left out."""
    free = replace(program, cost=np.zeros_like(program.cost), offset=0.0)
    relaxed = pass_program(free, options=value_options(program, 2.0 * seconds))
    relaxed.run()
    if relaxed.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return "no"
    if not program.integer.any():
        return "yes"
    highs = pass_program(free, integer=True, options={"time_limit": seconds, "mip_max_improving_sols": 1})
    highs.run()
    if highs.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
        return "yes"
    return "no" if highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible else "unknown"


def value_options(program: Program, seconds: float = float("inf")) -> dict[str, object]:
    """Solver options for a relaxation of which only the value or the status matters."""
    large = program.value.size > _LARGE
    return {"solver": "ipm" if large else "choose", "run_crossover": "off" if large else "on", "time_limit": seconds}


def shortage(program: Program, *slacks: Slack, seconds: float = 2.0 * _INTEGER_S) -> list[FloatArray] | None:
    """Amounts of smallest sum with which the linear relaxation is feasible, per slack.

    None if none are, or if they are not found within the time [s].
    """
    free = replace(program, cost=np.zeros_like(program.cost), offset=0.0)
    highs = pass_program(free, options=value_options(program, seconds))
    infinite, column = highspy.kHighsInf, program.cost.size
    sizes = []
    for slack in slacks:
        groups = [np.array([row]) for row in slack.rows] if slack.separate else [slack.rows]
        for rows in groups:
            coefficients = np.full(rows.size, slack.coefficient)
            highs.addCol(slack.per_unit, 0.0, infinite, rows.size, rows.astype(np.int32), coefficients)
        for bounded in slack.bounded:
            entries = np.array([bounded, column], np.int32)
            highs.addRow(-infinite, float(program.upper[bounded]), 2, entries, np.array([1.0, -1.0]))
        for opened in (*slack.bounded, *slack.opened):
            highs.changeColBounds(int(opened), float(program.lower[opened]), infinite)
        sizes.append(len(groups))
        column += len(groups)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    found = np.maximum(0.0, np.asarray(highs.getSolution().col_value)[program.cost.size :])
    return list(np.split(found, np.cumsum(sizes)[:-1]))


def lifted(program: Program, slack: Slack) -> Program:
    """The program without the limits that the slack widens."""
    lower, upper, column_upper = program.row_lower.copy(), program.row_upper.copy(), program.upper.copy()
    if slack.coefficient < 0.0:
        upper[slack.rows] = np.inf
    else:
        lower[slack.rows] = -np.inf
    column_upper[np.concatenate([slack.bounded, slack.opened])] = np.inf
    return replace(program, row_lower=lower, row_upper=upper, upper=column_upper)


def round_up(value: float, digits: int = 3) -> float:
    """The value rounded up to some significant digits.

    Examples
    --------
    >>> round_up(4.1201), round_up(0.0), round_up(1234.5)
    (4.13, 0.0, 1240.0)
    """
    if value <= 0.0:
        return 0.0
    scale = 10.0 ** (np.floor(np.log10(value)) - digits + 1)
    return float(f"{np.ceil(value / scale - 1e-9) * scale:.{digits}g}")
