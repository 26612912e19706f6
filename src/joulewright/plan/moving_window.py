"""A window that moves with the clock: one program, new numbers in place, solved from the last basis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import highspy
import numpy as np

from joulewright.errors import SolverError
from joulewright.model import InferenceService, Scenario, Site
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.model import JointProgram
from joulewright.plan.ring import Layout, Ring
from joulewright.plan.solver import LinearSolution, pass_program, read_solution
from joulewright.plan.window_arrays import WindowArrays

_OPTIONS = {"threads": 1, "dual_simplex_cost_perturbation_multiplier": 0.0, "simplex_dual_edge_weight_strategy": 1}
# Measured over 150 moves of a three-site window of 48 h: no perturbation and devex prices halve the iterations.


class MovingWindow:
    """The relaxed joint model of a window without jobs, handed to HiGHS once.

    A solution equals that of a model built anew from the same sites and services; labels of rows and columns stay
    those of the scenario it was built from.

    Parameters
    ----------
    scenario : Scenario
        The first window; see :class:`joulewright.plan.window_arrays.WindowArrays`.
    without : frozenset of str
        Rules of the model to switch off: ``routing``.
    options : mapping, optional
        Options of HiGHS.

    Attributes
    ----------
    joint : JointProgram
        The program with its present numbers.

    Examples
    --------
    Two hours of 1 MW at 50 and 70 per MWh cost 120; an hour later they are 70 and 30.

    >>> from dataclasses import replace
    >>> from datetime import UTC, datetime
    >>> from joulewright.model import GridConnection, Timeline
    >>> grid = GridConnection(
    ...     import_limit_mw=np.full(2, 2.0), export_limit_mw=np.zeros(2),
    ...     import_price_per_mwh=np.array([50.0, 70.0]), export_price_per_mwh=np.zeros(2))
    >>> site = Site(name="a", grid=grid, pue=np.ones(2), fixed_it_power_mw=np.zeros(2),
    ...             fixed_facility_power_mw=np.ones(2))
    >>> hours = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=2)
    >>> window = MovingWindow(Scenario(name="two hours", timeline=hours, sites=(site,)))
    >>> window.solve().objective
    120.0
    >>> window.move([replace(site, grid=replace(grid, import_price_per_mwh=np.array([70.0, 30.0])))])
    >>> window.solve().objective
    100.0
    """

    def __init__(
        self, scenario: Scenario, *, without: frozenset[str] = frozenset(), options: Mapping[str, Any] | None = None
    ) -> None:
        self._arrays = WindowArrays(scenario, without=without)
        self.joint: JointProgram = self._arrays.joint
        program = self.joint.program
        self._ring = Ring(program, scenario.timeline.steps)
        self._first = 0
        self._values = program.value[self._ring.layout(0).order]
        # Any: changeRowsBounds is missing in the stubs of highspy 1.15.
        self._highs: Any = pass_program(program, options={**_OPTIONS, **(options or {})})
        self._highs.changeObjectiveOffset(self._arrays.offset)
        self._columns = np.arange(program.cost.size, dtype=np.int32)
        self._rows = np.arange(program.row_lower.size, dtype=np.int32)

    def move(self, sites: Sequence[Site], inference: Sequence[InferenceService] = (), *, steps: int = 0) -> None:
        """Take all numbers from these sites and services, in the order of the first scenario.

        Parameters
        ----------
        sites, inference : sequence
            The window as it is now expected.
        steps : int
            By how many steps the window has moved since the last numbers; it only makes the next solve quicker.

        Raises
        ------
        ValueError
            If a series has another length or a demand window is new.
        SolverError
            If HiGHS refuses a number.
        """
        self._arrays.write(sites, inference)
        before, self._first = self._first, self._first + steps
        program, layout, highs = self.joint.program, self._ring.layout(self._first), self._highs
        columns, rows = layout.columns, layout.rows
        width, height = columns.size, rows.size
        done = [
            highs.changeColsCost(width, self._columns, _placed(program.cost, columns)),
            highs.changeColsBounds(
                width, self._columns, _placed(program.lower, columns), _placed(program.upper, columns)
            ),
            highs.changeRowsBounds(
                height, self._rows, _placed(program.row_lower, rows), _placed(program.row_upper, rows)
            ),
            highs.changeObjectiveOffset(self._arrays.offset),
        ]
        self._change_entries(before, layout)
        if highspy.HighsStatus.kError in done:
            raise SolverError(f"HiGHS {highs.version()} refuses the numbers of the window")

    def _change_entries(self, before: int, layout: Layout) -> None:
        """Set the matrix entries that differ from those of the last numbers."""
        change, old = self._ring.change(before, self._first), self._ring.layout(before)
        values, height = self.joint.program.value[layout.order], max(1, layout.rows.size)
        differs = np.flatnonzero((change.match < 0) | (values != self._values[change.match]))
        keys = np.concatenate([old.keys[change.gone], layout.keys[differs]])
        entries = (keys % height, keys // height, np.concatenate([np.zeros(change.gone.size), values[differs]]))
        for row, column, value in zip(*(part.tolist() for part in entries), strict=True):
            self._highs.changeCoeff(row, column, value)
        self._values = values

    def solve(self) -> LinearSolution:
        """Solve with the present numbers, from the last basis, and from none if that fails.

        Returns
        -------
        LinearSolution
            Values of the program's columns, duals of its rows; the objective is minus the benefit.
        """
        self._highs.run()
        if self._highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            self._highs.clearSolver()
            self._highs.run()
        found, layout = read_solution(self._highs), self._ring.layout(self._first)
        if not found.optimal:
            return found
        return replace(
            found,
            values=found.values[layout.columns],
            reduced_costs=found.reduced_costs[layout.columns],
            row_duals=found.row_duals[layout.rows],
        )


def _placed(natural: FloatArray, places: IntArray) -> FloatArray:
    """Numbers in the order of the ring."""
    found = np.empty(natural.size)
    found[places] = natural
    return found
