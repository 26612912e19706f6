"""Running totals of a run: the ledger settles block after block, so that no series is kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from joulewright.account.entry import ADDITIVE_UNITS, LedgerRow
from joulewright.account.ledger import Ledger, intensity_rows
from joulewright.account.site_rows import excess_row, site_rows
from joulewright.account.work_rows import job_rows, ratio_rows, service_rows
from joulewright.model import (
    GridConnection,
    JobSchedule,
    Scenario,
    Schedule,
    ServiceSchedule,
    Site,
    SiteSchedule,
    scenario_window,
)
from joulewright.sim.rows import Block, Layout

_Key = tuple[str, str, str]


class RunningTotals:
    """Ledger rows of a run that is settled block by block.

    Parameters
    ----------
    scenario : Scenario
        The facts as they turn out.
    layout : Layout
        What the rows of a block hold.

    Notes
    -----
    Every block is settled as a horizon of its own that begins with the stored energy, the running generators and the
    metered peaks that the one before left. Energy, costs and carbon then add up; a demand charge is paid for what each
    block adds to the peak; peaks, shares, means and what a budget is exceeded by are formed at the end.
    """

    def __init__(self, scenario: Scenario, layout: Layout) -> None:
        self._scenario, self._layout = scenario, layout
        self._rows: dict[_Key, LedgerRow] = {}
        self._delay: dict[str, float] = {}
        self._sites = list(scenario.sites)

    def add(self, block: Block) -> None:
        """Settle some steps; blocks come in order and without gaps."""
        window = scenario_window(self._scenario, block.first, block.first + block.steps)
        for position, cut in enumerate(window.sites):
            before = self._sites[position]
            site = _continued(cut, before)
            flows = self._layout.site_schedule(
                position, block, [battery.initial_energy_mwh for battery in before.batteries]
            )
            self._merge(site_rows(window, site, flows, self._layout.site_load(position, block)))
            self._sites[position] = _after(before, site, flows)
        services = self._layout.services(block)
        rows = list(service_rows(window, _work_only(services=services)))
        self._add_delay(rows)
        self._merge(row for row in rows if row.section != "service")

    def summary(self, jobs: Mapping[str, JobSchedule]) -> dict[str, float | None]:
        """Figures of :meth:`joulewright.account.Ledger.summary`, with what came of the training jobs."""
        scenario = self._scenario
        rows = [*self._rows.values(), *job_rows(scenario, _work_only(jobs=jobs))]
        for site in scenario.sites:
            rows += excess_row(scenario, site.name, self._carbon_kg(site.name), site.carbon_budget_kg)
        total_kg = math.fsum(self._carbon_kg(site.name) for site in scenario.sites)
        rows += excess_row(scenario, "", scenario.carbon.used_kg + total_kg, scenario.carbon.budget_kg)
        rows += intensity_rows(scenario, rows)
        asked, served = (
            math.fsum(self._value("", "tokens", f"{item}/{service.name}") for service in scenario.inference)
            for item in ("asked", "served")
        )
        rows += ratio_rows("", asked, served, math.fsum(self._delay.values()))
        series = f"{scenario.carbon.kind}-{scenario.carbon.scope}"
        return Ledger(planner="", currency=scenario.currency, carbon_series=series, rows=tuple(rows)).summary()

    def _merge(self, rows: Iterable[LedgerRow]) -> None:
        for row in rows:
            key = (row.site, row.section, row.item)
            known = self._rows.get(key)
            self._rows[key] = row if known is None else replace(row, value=_merged(known, row))

    def _add_delay(self, rows: list[LedgerRow]) -> None:
        """Tokens times latency of every service [Mtoken ms]."""
        served = {row.item: row.value for row in rows if row.section == "tokens"}
        for row in rows:
            kind, _, service = row.item.partition("/")
            if row.section == "service" and kind == "mean latency" and service:
                tokens = served[f"served/{service}"]
                self._delay[service] = self._delay.get(service, 0.0) + row.value * tokens

    def _carbon_kg(self, site: str) -> float:
        return math.fsum(
            row.value for (where, section, _), row in self._rows.items() if where == site and section == "carbon"
        )

    def _value(self, *key: str) -> float:
        row = self._rows.get((key[0], key[1], key[2]))
        return 0.0 if row is None else row.value


def _merged(known: LedgerRow, row: LedgerRow) -> float:
    if row.section == "battery" and row.item.startswith("stored at end"):
        return row.value
    return known.value + row.value if row.unit in ADDITIVE_UNITS else max(known.value, row.value)


def _continued(cut: Site, before: Site) -> Site:
    """A site on the steps of a block, in the state that the block before left; budgets are settled at the end."""
    states = {generator.name: generator.initially_on for generator in before.generators}
    grid = cut.grid
    if grid is not None and before.grid is not None:
        peaks = [window.peak_so_far_mw for window in before.grid.demand_windows]
        grid = _with_peaks(grid, peaks)
    return replace(
        cut,
        grid=grid,
        batteries=before.batteries,
        generators=tuple(replace(unit, initially_on=states[unit.name]) for unit in cut.generators),
        carbon_budget_kg=None,
    )


def _after(before: Site, site: Site, flows: SiteSchedule) -> Site:
    """The site as it stands after a block: ``site`` holds the steps of the block."""
    grid = before.grid
    if grid is not None and site.grid is not None:
        imported = flows.grid_import_mw
        peaks = [
            max(window.peak_so_far_mw, float(imported[window.members].max(initial=0.0)))
            for window in site.grid.demand_windows
        ]
        grid = _with_peaks(grid, peaks)
    return replace(
        before,
        grid=grid,
        batteries=tuple(
            replace(battery, initial_energy_mwh=float(flows.batteries[battery.name].energy_mwh[-1]))
            for battery in before.batteries
        ),
        generators=tuple(
            replace(unit, initially_on=bool(flows.generators[unit.name].on[-1])) for unit in before.generators
        ),
    )


def _with_peaks(grid: GridConnection, peaks_mw: list[float]) -> GridConnection:
    windows = tuple(
        replace(window, peak_so_far_mw=peak) for window, peak in zip(grid.demand_windows, peaks_mw, strict=True)
    )
    return replace(grid, demand_windows=windows)


def _work_only(
    *, jobs: Mapping[str, JobSchedule] | None = None, services: Mapping[str, ServiceSchedule] | None = None
) -> Schedule:
    return Schedule(planner="", jobs=jobs or {}, services=services or {}, sites={})
