"""A short window whose numbers change in place: what planning again and again needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import highspy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewright.account import coefficients
from joulewright.errors import SolverError
from joulewright.model import Battery, Scenario, Site
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.plan.constraints.assignment import steps_beyond
from joulewright.plan.constraints.grid import exchange_coefficients
from joulewright.plan.formulation import build
from joulewright.plan.model import JointProgram
from joulewright.plan.program import Block, Program, find_block
from joulewright.plan.reduction import reduce_scenario
from joulewright.plan.solver import LinearSolution, pass_program, read_solution

_ROUNDING_MWH = 1e-6


class RollingWindow:
    """The linear relaxation of the joint model of a short window, changed in place and solved again.

    The model is built and handed to HiGHS once. The setters change costs and bounds there, and every solve starts
    from the last basis, so the next window costs a few simplex iterations. A solution equals that of a model built
    anew from the changed numbers; labels of rows and columns stay those of the scenario it was built from.

    Parameters
    ----------
    scenario : Scenario
        The window: its sites, its work and its first numbers.
    without : frozenset of str
        Flexibilities to switch off, as in :class:`joulewright.plan.options.PlanOptions`.
    options : mapping, optional
        Options of HiGHS.

    Attributes
    ----------
    joint : JointProgram
        The program as first built; its blocks say where each family is in a solution.

    Raises
    ------
    InfeasibleError
        If a required job has no possible start or demand that must be served has no site.

    Examples
    --------
    Two hours of 1 MW at 50 and 70 per MWh cost 120; at half the price they cost 60.

    >>> from datetime import UTC, datetime
    >>> from joulewright.model import GridConnection, Timeline
    >>> grid = GridConnection(
    ...     import_limit_mw=np.full(2, 2.0), export_limit_mw=np.zeros(2),
    ...     import_price_per_mwh=np.array([50.0, 70.0]), export_price_per_mwh=np.zeros(2))
    >>> site = Site(name="a", grid=grid, pue=np.ones(2), fixed_it_power_mw=np.zeros(2),
    ...             fixed_facility_power_mw=np.ones(2))
    >>> hours = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=2)
    >>> window = RollingWindow(Scenario(name="two hours", timeline=hours, sites=(site,)))
    >>> window.solve().objective
    120.0
    >>> window.set_prices("a", import_price_per_mwh=[25.0, 35.0])
    >>> window.solve().objective
    60.0
    """

    def __init__(
        self, scenario: Scenario, *, without: frozenset[str] = frozenset(), options: Mapping[str, Any] | None = None
    ) -> None:
        self._scenario = reduce_scenario(scenario, without)
        self.joint: JointProgram = build(self._scenario, without=without)
        self._offset = self.joint.program.offset
        # Any: changeRowsBounds is missing in the stubs of highspy 1.15.
        self._highs: Any = pass_program(_without_derived_bounds(self.joint.program), options=dict(options or {}))
        self._sites = {
            site.name: _site_state(self.joint, position) for position, site in enumerate(self._scenario.sites)
        }

    def set_prices(
        self,
        site: str,
        *,
        import_price_per_mwh: ArrayLike | None = None,
        export_price_per_mwh: ArrayLike | None = None,
    ) -> None:
        """Change what a site pays and earns for energy.

        Parameters
        ----------
        site : str
            Its name.
        import_price_per_mwh, export_price_per_mwh : array_like, optional
            New prices [currency/MWh], scalar or shape ``(T,)``; None leaves a price as it is.

        Raises
        ------
        ValueError
            If there is no such site, the site has no such flow, or the values do not fit.
        """
        state = self._state(site)
        given = {"import_price_per_mwh": import_price_per_mwh, "export_price_per_mwh": export_price_per_mwh}
        prices = {name: self._series(name, values) for name, values in given.items() if values is not None}
        columns = {name: state.column(f"grid_{name.partition('_')[0]}") for name in prices}
        changed, unit = self._priced(state.site, prices)
        cost, revenue = exchange_coefficients(self._scenario, unit)
        for name, chosen in columns.items():
            values = cost if name.startswith("import") else -revenue
            self._expect(self._highs.changeColsCost(chosen.size, chosen, values), name)
        if state.beyond is not None:
            start, other, energy_mwh = state.beyond
            costs = other + energy_mwh * coefficients.beyond_cost_per_it_mwh(self._scenario, changed)
            self._expect(self._highs.changeColsCost(start.size, start, costs), "start")
        state.site = changed

    def set_limits(
        self, site: str, *, import_limit_mw: ArrayLike | None = None, export_limit_mw: ArrayLike | None = None
    ) -> None:
        """Change how much a site may import and export.

        Parameters
        ----------
        site : str
            Its name.
        import_limit_mw, export_limit_mw : array_like, optional
            New limits [MW], not negative, scalar or shape ``(T,)``; None leaves a limit as it is.

        Raises
        ------
        ValueError
            If there is no such site, the site has no such flow, or the values do not fit.
        """
        state = self._state(site)
        given = {"import_limit_mw": import_limit_mw, "export_limit_mw": export_limit_mw}
        limits = {name: self._series(name, values, least=0.0) for name, values in given.items() if values is not None}
        columns = {name: state.column(f"grid_{name.partition('_')[0]}") for name in limits}
        for name, limit in limits.items():
            self._cap(columns[name], limit)

    def set_renewables(self, site: str, available_mw: ArrayLike) -> None:
        """Change the available power of all solar and wind plants of a site together [MW], shape ``(T,)``.

        Raises
        ------
        ValueError
            If there is no such site, it has no such plant, or the values do not fit.
        """
        columns = self._state(site).column("renewable_used")
        self._cap(columns, self._series("available_mw", available_mw, least=0.0))

    def set_load(self, site: str, fixed_facility_power_mw: ArrayLike) -> None:
        """Change the facility load of a site that is outside the plan, after PUE [MW], shape ``(T,)``.

        Raises
        ------
        ValueError
            If there is no such site, or the values do not fit.
        """
        state = self._state(site)
        fixed = state.other_load_mw + self._series("fixed_facility_power_mw", fixed_facility_power_mw, least=0.0)
        self._expect(self._highs.changeRowsBounds(fixed.size, state.balance, fixed, fixed), "balance")
        if state.unserved is not None:
            low = np.full(fixed.size, -np.inf)
            self._expect(self._highs.changeRowsBounds(fixed.size, state.unserved, low, fixed), "unserved_limit")

    def set_initial_energy(self, site: str, battery: str, energy_mwh: float) -> None:
        """Change the stored energy at the start [MWh], and with it what must be left at the end.

        Energy that a solver left 1e-6 MWh outside the battery's range is taken as the limit.

        Raises
        ------
        ValueError
            If there is no such battery, or the energy is outside its range.
        """
        state = self._state(site)
        if battery not in state.batteries:
            raise ValueError(f"site {site!r} has no battery {battery!r}; it has {sorted(state.batteries)}")
        unit, columns, before = state.batteries[battery]
        if not unit.min_energy_mwh - _ROUNDING_MWH <= energy_mwh <= unit.energy_mwh + _ROUNDING_MWH:
            allowed = f"{unit.min_energy_mwh:g} to {unit.energy_mwh:g} MWh"
            raise ValueError(f"initial energy of {site}/{battery} is {energy_mwh!r} MWh; allowed are {allowed}")
        energy_mwh = min(max(energy_mwh, unit.min_energy_mwh), unit.energy_mwh)
        value = unit.terminal_value_per_mwh
        last = energy_mwh if value is None else unit.min_energy_mwh
        lower, upper = np.array([energy_mwh, last]), np.array([energy_mwh, unit.energy_mwh])
        self._expect(self._highs.changeColsBounds(2, columns, lower, upper), "energy")
        if value is not None:
            self._offset += value * (energy_mwh - before)
            self._expect(self._highs.changeObjectiveOffset(self._offset), "offset")
        state.batteries[battery] = _Stored(unit, columns, energy_mwh)

    def solve(self) -> LinearSolution:
        """Solve with the present numbers, from the last basis.

        Returns
        -------
        LinearSolution
            Values of ``joint.program``'s columns, duals of its rows; the objective is minus the benefit.

        Raises
        ------
        SolverError
            If HiGHS fails. An infeasible window is no failure: look at ``status``.
        """
        self._expect(self._highs.run(), "model")
        return read_solution(self._highs)

    def _state(self, site: str) -> _SiteState:
        if site not in self._sites:
            raise ValueError(f"there is no site {site!r}; the window has {sorted(self._sites)}")
        return self._sites[site]

    def _series(self, name: str, values: ArrayLike, *, least: float = -np.inf) -> FloatArray:
        found, shape = np.asarray(values, dtype=float), (self.joint.inputs.steps,)
        if found.shape not in ((), shape):
            raise ValueError(f"{name} has shape {found.shape}; the window has {shape[0]} steps")
        if not (np.isfinite(found).all() and (found >= least).all()):
            raise ValueError(
                f"{name} ranges from {found.min()} to {found.max()}; it must be finite and at least {least}"
            )
        return found if found.shape else np.full(shape, found)

    def _cap(self, columns: NDArray[np.int32], upper: FloatArray) -> None:
        self._expect(self._highs.changeColsBounds(columns.size, columns, np.zeros(columns.size), upper), "limits")

    def _priced(self, site: Site, prices: Mapping[str, Any]) -> tuple[Site, coefficients.GridCoefficients]:
        changed = site if site.grid is None else replace(site, grid=replace(site.grid, **prices))
        unit = coefficients.grid_coefficients(self._scenario, changed)
        if unit is None:
            raise ValueError(f"site {site.name!r} has no grid connection; its prices {sorted(prices)} cannot change")
        return changed, unit

    def _expect(self, status: highspy.HighsStatus, what: str) -> None:
        if status == highspy.HighsStatus.kError:
            raise SolverError(f"HiGHS {self._highs.version()} refuses {what!r} of the window")


class _Beyond(NamedTuple):
    """Starts of jobs that run on after the window: columns, cost without that energy, and the energy [MWh]."""

    columns: NDArray[np.int32]
    other_cost: FloatArray
    energy_mwh: FloatArray


class _Stored(NamedTuple):
    """A battery, the columns of its first and last stored energy, and the first one now [MWh]."""

    battery: Battery
    columns: NDArray[np.int32]
    initial_mwh: float


@dataclass(eq=False)
class _SiteState:
    """A site as it is now and where its numbers are in the program."""

    site: Site
    flows: dict[str, NDArray[np.int32]]
    balance: NDArray[np.int32]
    unserved: NDArray[np.int32] | None
    other_load_mw: FloatArray
    batteries: dict[str, _Stored]
    beyond: _Beyond | None

    def column(self, family: str) -> NDArray[np.int32]:
        """Columns of a flow, one per step."""
        if family not in self.flows:
            raise ValueError(
                f"site {self.site.name!r} has no {family} in this window, which was built without it or with a limit "
                f"of 0 in every step; it has {sorted(self.flows)}"
            )
        return self.flows[family]


def _site_state(joint: JointProgram, position: int) -> _SiteState:
    program, site = joint.program, joint.inputs.scenario.sites[position]
    flows = {
        family: block.index.astype(np.int32)
        for family in ("grid_import", "grid_export", "renewable_used")
        if (block := find_block(program.variables, family, site.name)) is not None
    }
    balance = joint.program.rows["balance"][position]
    unserved = find_block(program.rows, "unserved_limit", site.name)
    energy: list[Block] = program.variables.get("energy", [])
    names = {block.label(0).rpartition(",")[0]: block.index[[0, -1]].astype(np.int32) for block in energy}
    return _SiteState(
        site=site,
        flows=flows,
        balance=balance.index.astype(np.int32),
        unserved=None if unserved is None else unserved.index.astype(np.int32),
        other_load_mw=balance.values(program.row_lower) - site.fixed_facility_power_mw,
        batteries={
            battery.name: _Stored(battery, names[f"{site.name}/{battery.name}"], battery.initial_energy_mwh)
            for battery in site.batteries
        },
        beyond=_beyond(joint, site),
    )


def _beyond(joint: JointProgram, site: Site) -> _Beyond | None:
    starts, inputs = joint.starts, joint.inputs
    if starts is None:
        return None
    over = steps_beyond(inputs.steps, starts.step + starts.length, starts.last_fraction)
    fleets = [index.position for index in inputs.fleets if index.site.name == site.name]
    chosen: IntArray = np.flatnonzero((over > 0.0) & np.isin(starts.fleet, fleets))
    if not chosen.size:
        return None
    columns = starts.block.index[chosen].astype(np.int32)
    energy_mwh = (over * inputs.step_h * starts.gpus * starts.power_mw)[chosen]
    paid = energy_mwh * coefficients.beyond_cost_per_it_mwh(inputs.scenario, site)
    return _Beyond(columns, joint.program.cost[columns] - paid, energy_mwh)


def _without_derived_bounds(program: Program) -> Program:
    """The program without upper bounds that follow from numbers which may change; rows bound these columns."""
    upper = program.upper.copy()
    for family in ("peak", "excess_carbon", "unserved_power"):
        for block in program.variables.get(family, []):
            upper[block.index.ravel()] = np.inf
    return replace(program, upper=upper)
