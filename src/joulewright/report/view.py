"""What the sections of a report read: a plan or run with its loads, flows, clocks and the span worth zooming into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from joulewright.account import Ledger, SiteLoad, site_load
from joulewright.model import JobRecord, Scenario, Schedule, Site, SiteSchedule
from joulewright.model.timeline import FloatArray
from joulewright.plan.result import Duals, PlanResult
from joulewright.report.clock import Instants, local_starts, offsets, zone_label, zone_of
from joulewright.report.palette import site_key

_LONG_HORIZON_H = 16.0 * 24.0
_WEEK_S = 7 * 86_400
_TINY_MW = 1e-6

SOURCES = (
    ("solar", "Solar used"),
    ("wind", "Wind used"),
    ("generator", "Generators"),
    ("battery", "Battery discharge"),
    ("import", "Grid import"),
    ("unserved", "Unserved load"),
)
"""Colour key and name of what supplies a site, in the order of the stack."""

USES = (
    ("training", "Training"),
    ("inference", "Inference"),
    ("idle", "Idle accelerators"),
    ("fixed", "Fixed load"),
    ("cooling", "Cooling and losses"),
    ("battery", "Battery charge"),
    ("export", "Grid export"),
)
"""Colour key and name of what uses power at a site, in the order of the stack."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Flow:
    """One source or use of power at a site.

    Attributes
    ----------
    key, name : str
        Colour key and label.
    values_mw : FloatArray
        Mean power of each step [MW], shape ``(T,)``, not negative.
    down : bool
        True for a use, drawn below zero.
    """

    key: str
    name: str
    values_mw: FloatArray
    down: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class SiteView:
    """One site of the plan.

    Attributes
    ----------
    site : Site
        The facts.
    key : str
        Colour key.
    repeated : bool
        True when another site before it has the same colour.
    zone : str
        IANA time zone.
    local : Instants
        Wall clock at the start of every step, shape ``(T,)``.
    load : SiteLoad
        Power that the work draws.
    plan : SiteSchedule
        Energy decisions.
    flows : tuple of Flow
        Sources and uses of power, the empty ones left out.
    """

    site: Site
    key: str
    repeated: bool
    zone: str
    local: Instants
    load: SiteLoad
    plan: SiteSchedule
    flows: tuple[Flow, ...]

    @property
    def name(self) -> str:
        """Name of the site."""
        return self.site.name

    @property
    def net_import_mw(self) -> FloatArray:
        """Import less export [MW], shape ``(T,)``; negative while the site exports."""
        return self.plan.grid_import_mw - self.plan.grid_export_mw

    @property
    def residual_mw(self) -> float:
        """Largest distance between the sources and uses of a step [MW]."""
        signed = [-flow.values_mw if flow.down else flow.values_mw for flow in self.flows]
        return float(np.abs(np.sum(signed, axis=0)).max(initial=0.0)) if signed else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportView:
    """A plan or a simulated run prepared for the sections.

    Attributes
    ----------
    scenario, schedule, ledger
        What was done, with its figures.
    result : PlanResult or None
        How the plan was found; None for a simulated run.
    sites : tuple of SiteView
        In file order.
    window : range
        Steps of the detailed charts: the whole horizon, or the worst week of a long one.
    window_reason : str
        How the window was chosen; empty for the whole horizon.
    document : mapping
        The run document (command, versions, input hashes).
    records : mapping of str to JobRecord
        How each job went in a simulated run; empty for a plan.
    """

    scenario: Scenario
    result: PlanResult | None
    schedule: Schedule
    ledger: Ledger
    sites: tuple[SiteView, ...]
    window: range
    window_reason: str
    document: Mapping[str, Any]
    records: Mapping[str, JobRecord] = field(default_factory=dict)

    @property
    def solved(self) -> PlanResult:
        """How the plan was found.

        Raises
        ------
        ValueError
            If this is a simulated run.
        """
        if self.result is None:
            raise ValueError(f"{self.schedule.planner!r} was simulated; there is no result of a planner to show")
        return self.result

    @property
    def duals(self) -> Duals | None:
        """Marginal prices, where a planner found them."""
        return None if self.result is None else self.result.duals

    @property
    def noun(self) -> str:
        """What is shown: ``plan`` or ``run``."""
        return "run" if self.result is None else "plan"

    @property
    def step_h(self) -> float:
        """Length of a step [h]."""
        return self.scenario.timeline.step_h

    @property
    def is_long(self) -> bool:
        """True when the detailed charts show one week of a longer horizon."""
        return bool(self.window_reason)

    @property
    def window_note(self) -> str:
        """Which part of a long horizon the detailed charts show, as a sentence after a space; else empty."""
        if not self.is_long:
            return ""
        first, last = self.scenario.timeline.at(self.window.start), self.scenario.timeline.at(self.window.stop)
        return f" Shown: {first.day} {first:%b %Y} to {last.day} {last:%b %Y}, {self.window_reason}."

    def site(self, name: str) -> SiteView:
        """View of the site of that name.

        Raises
        ------
        KeyError
            If the scenario has no such site.
        """
        for site in self.sites:
            if site.name == name:
                return site
        raise KeyError(f"no site {name!r}; the report has {[site.name for site in self.sites]}")

    def axis(self, site: SiteView | None = None, *, steps: range | None = None) -> dict[str, object]:
        """Time axis of ``steps`` (default: the window) in the site's time, UTC without a site."""
        timeline, span = self.scenario.timeline, self.window if steps is None else steps
        local = timeline.starts() if site is None else site.local
        return {
            "start_ms": int(timeline.at(span.start).timestamp() * 1000),
            "step_s": timeline.step_s,
            "steps": len(span),
            "offsets": offsets(timeline, local, span.start, span.stop),
            "zone": "UTC" if site is None else zone_label(site.zone),
        }

    def cut(self, values: FloatArray) -> FloatArray:
        """Part of a series that lies in the window."""
        return values[self.window.start : self.window.stop]

    def common_zone(self) -> SiteView | None:
        """A site whose clock stands for all sites, or None where their clocks differ."""
        return self.sites[0] if self.sites and len({site.zone for site in self.sites}) == 1 else None


def build_view(
    scenario: Scenario,
    result: PlanResult | None,
    schedule: Schedule,
    ledger: Ledger,
    document: Mapping[str, Any],
    *,
    records: Mapping[str, JobRecord] | None = None,
) -> ReportView:
    """Prepare a plan, or a simulated run without a result, for the report."""
    sites = tuple(_site_view(scenario, schedule, site, position) for position, site in enumerate(scenario.sites))
    window, reason = _window(scenario, sites)
    return ReportView(
        scenario=scenario,
        result=result,
        schedule=schedule,
        ledger=ledger,
        sites=sites,
        window=window,
        window_reason=reason,
        document=document,
        records=records or {},
    )


def _site_view(scenario: Scenario, schedule: Schedule, site: Site, position: int) -> SiteView:
    zone = zone_of(site)
    load, plan = site_load(scenario, schedule, site), schedule.sites[site.name]
    flows = [*_sources(site, plan), *_uses(site, load, plan)]
    return SiteView(
        site=site,
        key=site_key(position),
        repeated=site_key(position) in map(site_key, range(position)),
        zone=zone,
        local=local_starts(scenario.timeline, zone),
        load=load,
        plan=plan,
        flows=tuple(flow for flow in flows if float(np.abs(flow.values_mw).max(initial=0.0)) > _TINY_MW),
    )


def _sources(site: Site, plan: SiteSchedule) -> list[Flow]:
    def renewable(kind: str) -> FloatArray:
        return _total(plan, [plan.renewable_used_mw[plant.name] for plant in site.renewables if plant.kind == kind])

    values = (
        renewable("solar"),
        renewable("wind"),
        _total(plan, [unit.output_mw for unit in plan.generators.values()]),
        _total(plan, [battery.discharge_mw for battery in plan.batteries.values()]),
        plan.grid_import_mw,
        plan.unserved_mw,
    )
    return [Flow(key=key, name=name, values_mw=power) for (key, name), power in zip(SOURCES, values, strict=True)]


def _uses(site: Site, load: SiteLoad, plan: SiteSchedule) -> list[Flow]:
    values = (
        load.training_mw,
        load.inference_mw,
        load.idle_mw,
        load.fixed_it_mw + site.fixed_facility_power_mw,
        load.facility_mw - load.it_mw - site.fixed_facility_power_mw,
        _total(plan, [battery.charge_mw for battery in plan.batteries.values()]),
        plan.grid_export_mw,
    )
    pairs = zip(USES, values, strict=True)
    return [Flow(key=key, name=name, values_mw=power, down=True) for (key, name), power in pairs]


def _total(plan: SiteSchedule, parts: list[FloatArray]) -> FloatArray:
    return sum(parts, np.zeros_like(plan.grid_import_mw))


def _window(scenario: Scenario, sites: tuple[SiteView, ...]) -> tuple[range, str]:
    """The whole horizon, or the week with the most unserved power, else with the highest load net of renewables."""
    timeline = scenario.timeline
    week, day = _WEEK_S // timeline.step_s, max(1, 86_400 // timeline.step_s)
    if timeline.hours <= _LONG_HORIZON_H or week < 1:
        return range(timeline.steps), ""
    zero = np.zeros(timeline.steps)
    unserved = sum((site.plan.unserved_mw for site in sites), zero)
    score, reason = unserved, "the week with the most unserved energy"
    if float(unserved.max()) <= _TINY_MW:
        score = zero
        for site in sites:
            score = score + site.load.facility_mw - sum((p.available_mw for p in site.site.renewables), zero)
        reason = "the week with the highest load net of available solar and wind"
    sums = np.convolve(score, np.ones(week), mode="valid")[::day]
    first = int(np.argmax(sums)) * day
    return range(first, first + week), reason
