"""What happens in one hour of a plan, and which limits bind there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from joulewright.account import site_load
from joulewright.model import Battery, Scenario, Schedule, Site, SiteSchedule
from joulewright.plan.reduction import reduce_scenario
from joulewright.plan.result import Duals, PlanResult

_NEAR = 1e-6
_SHOWN_MW = 0.0005


@dataclass(frozen=True, kw_only=True)
class Binding:
    """A limit that is reached in this hour.

    Attributes
    ----------
    what : str
        E.g. ``import limit of 60 MW``.
    shadow_price : float or None
        What one more unit would be worth, in ``unit``; None where the plan has no price for it.
    unit : str
        E.g. ``USD/MW``.
    """

    what: str
    shadow_price: float | None = None
    unit: str = ""

    def __str__(self) -> str:
        if self.shadow_price is None or abs(self.shadow_price) < 1e-9:
            return self.what
        return f"{self.what} (one more is worth {self.shadow_price:,.2f} {self.unit})"


@dataclass(frozen=True, kw_only=True)
class SiteHour:
    """One site in one step. All flows in MW.

    Attributes
    ----------
    site : str
        Name.
    supply_mw, use_mw : mapping of str to float
        Where power comes from and goes to; both sides add up to the same.
    curtailed_mw : float
        Renewable power that is not used.
    stored_mwh : mapping of str to float
        Energy in each battery at the end of the step [MWh].
    power_price_per_mwh, import_price_per_mwh, export_price_per_mwh : float or None
        Marginal price of power in the plan, and prices of the grid [currency/MWh].
    carbon_kg_per_mwh : float or None
        Deciding carbon intensity of import [kg/MWh].
    running : mapping of str to float
        Accelerators held by each training job.
    serving : mapping of str to float
        Tokens per second served of each inference service [token/s].
    binding : tuple of Binding
        Limits that are reached.
    """

    site: str
    supply_mw: Mapping[str, float]
    use_mw: Mapping[str, float]
    curtailed_mw: float
    stored_mwh: Mapping[str, float]
    power_price_per_mwh: float | None
    import_price_per_mwh: float | None
    export_price_per_mwh: float | None
    carbon_kg_per_mwh: float | None
    running: Mapping[str, float]
    serving: Mapping[str, float]
    binding: tuple[Binding, ...]


@dataclass(frozen=True, kw_only=True)
class HourExplanation:
    """Balance, prices and binding limits of one step.

    Attributes
    ----------
    start, end : str
        The step (ISO 8601).
    currency : str
        Of all money.
    sites : tuple of SiteHour
        In file order.
    binding : tuple of Binding
        Limits of the whole system, such as the carbon budget.
    """

    start: str
    end: str
    currency: str
    sites: tuple[SiteHour, ...]
    binding: tuple[Binding, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return asdict(self)

    def __str__(self) -> str:
        begin, end = datetime.fromisoformat(self.start), datetime.fromisoformat(self.end)
        lines = [f"{begin:%d %b %Y %H:%M} to {end:%H:%M} UTC"]
        lines += [line for site in self.sites for line in _site_lines(site, self.currency)]
        lines += [f"everywhere: {item}" for item in self.binding]
        return "\n".join(lines)


def explain_hour(scenario: Scenario, result: PlanResult, step: int) -> HourExplanation:
    """Balance, prices and binding limits of one step of a plan.

    Parameters
    ----------
    scenario : Scenario
        The facts.
    result : PlanResult
        A plan of this scenario.
    step : int
        Step number.

    Raises
    ------
    IndexError
        If the horizon has no such step.
    ValueError
        If the result holds no plan.
    """
    timeline, schedule = scenario.timeline, result.schedule
    if schedule is None:
        raise ValueError(f"the search ended as {result.status!r} without a plan, so there is nothing to explain")
    if not 0 <= step < timeline.steps:
        raise IndexError(f"step {step} lies outside the horizon; allowed are 0 to {timeline.steps - 1}")
    scenario = reduce_scenario(scenario, frozenset(result.options.get("without", ())))
    return HourExplanation(
        start=timeline.at(step).isoformat(),
        end=timeline.at(step + 1).isoformat(),
        currency=scenario.currency,
        sites=tuple(_site(scenario, schedule, site, (step, result.duals)) for site in scenario.sites),
        binding=tuple(_budgets(scenario, result)),
    )


def _site(scenario: Scenario, schedule: Schedule, site: Site, parts: tuple[int, Duals | None]) -> SiteHour:
    step, duals = parts
    flows, load = schedule.sites[site.name], site_load(scenario, schedule, site)
    series = scenario.deciding_intensity(site)
    held = {
        name: segment.accelerators
        for name, entry in schedule.jobs.items()
        for segment in entry.segments
        if segment.site == site.name and segment.first_step <= step < segment.stop_step
    }
    used = {name: float(values[step]) for name, values in flows.renewable_used_mw.items()}
    available = {plant.name: float(plant.available_mw[step]) for plant in site.renewables}
    it_mw = float(load.it_mw[step])
    supply = {
        "import": float(flows.grid_import_mw[step]),
        **used,
        **{name: float(unit.output_mw[step]) for name, unit in flows.generators.items()},
        **{f"{name} discharge": float(unit.discharge_mw[step]) for name, unit in flows.batteries.items()},
        "unserved": float(flows.unserved_mw[step]),
    }
    use = {
        "training": float(load.training_mw[step]),
        "inference": float(load.inference_mw[step]),
        "idle accelerators": float(load.idle_mw[step]),
        "other IT": float(load.fixed_it_mw[step]),
        "cooling and other": float(load.facility_mw[step]) - it_mw,
        **{f"{name} charge": float(unit.charge_mw[step]) for name, unit in flows.batteries.items()},
        "export": float(flows.grid_export_mw[step]),
    }
    return SiteHour(
        site=site.name,
        supply_mw=supply,
        use_mw=use,
        curtailed_mw=max(0.0, sum(available.values()) - sum(used.values())),
        stored_mwh={name: max(0.0, float(unit.energy_mwh[step + 1])) for name, unit in flows.batteries.items()},
        power_price_per_mwh=None if duals is None else float(duals.power_price_per_mwh[site.name][step]),
        import_price_per_mwh=None if site.grid is None else float(site.grid.import_price_per_mwh[step]),
        export_price_per_mwh=None if site.grid is None else float(site.grid.export_price_per_mwh[step]),
        carbon_kg_per_mwh=None if series is None else float(series.kg_per_mwh[step]),
        running=held,
        serving=_served(schedule, site, step),
        binding=tuple(_limits(scenario, schedule, site, parts)),
    )


def _served(schedule: Schedule, site: Site, step: int) -> dict[str, float]:
    total: dict[str, float] = {}
    for name, service in schedule.services.items():
        here = np.array([route.site == site.name for route in service.routes], bool)
        rate = float(service.served_token_s[here, step].sum())
        if rate >= 0.5:
            total[name] = rate
    return total


def _limits(scenario: Scenario, schedule: Schedule, site: Site, parts: tuple[int, Duals | None]) -> Iterator[Binding]:
    step, duals = parts
    flows, money = schedule.sites[site.name], scenario.currency
    load = site_load(scenario, schedule, site)
    if site.grid is not None:
        yield from _grid_limits(scenario, site, flows, parts)
    for fleet in site.fleets:
        if _reached(load.accelerators_in_use[fleet.name][step], fleet.available[step]):
            prices = None if duals is None else duals.accelerator_price_per_h.get(f"{site.name}/{fleet.name}")
            price = None if prices is None else float(prices[step])
            words = f"all {fleet.available[step]:,.0f} accelerators of {fleet.name}"
            yield Binding(what=words, shadow_price=price, unit=f"{money}/h")
    if site.it_limit_mw is not None and _reached(load.it_mw[step], site.it_limit_mw[step]):
        yield Binding(what=f"IT limit of {site.it_limit_mw[step]:g} MW")
    for battery in site.batteries:
        yield from _battery_limits(battery, flows, step)
    for unit in site.generators:
        plan, most = flows.generators[unit.name], unit.capacity_mw * unit.availability[step]
        if plan.on[step] and _reached(plan.output_mw[step], most):
            yield Binding(what=f"{unit.name} gives all of its {most:g} MW")
        elif plan.on[step] and unit.min_load_mw and _reached(unit.min_load_mw, plan.output_mw[step]):
            yield Binding(what=f"{unit.name} runs at its least load of {unit.min_load_mw:g} MW")


def _grid_limits(
    scenario: Scenario, site: Site, flows: SiteSchedule, parts: tuple[int, Duals | None]
) -> Iterator[Binding]:
    step, duals = parts
    grid, money = site.grid, f"{scenario.currency}/MW"
    if grid is None:
        return
    pairs = [
        ("import", flows.grid_import_mw, grid.import_limit_mw),
        ("export", flows.grid_export_mw, grid.export_limit_mw),
    ]
    for word, flow, limit in pairs:
        if flow[step] > _NEAR and _reached(flow[step], limit[step]):
            price = None
            if duals is not None:
                prices = duals.import_limit_price_per_mw if word == "import" else duals.export_limit_price_per_mw
                price = float(prices[site.name][step])
            yield Binding(what=f"{word} limit of {limit[step]:g} MW", shadow_price=price, unit=money)
    for window in grid.demand_windows:
        peak = max(window.peak_so_far_mw, float(flows.grid_import_mw[window.members].max(initial=0.0)))
        if window.members[step] and flows.grid_import_mw[step] > _NEAR and _reached(flows.grid_import_mw[step], peak):
            yield Binding(what=f"import is at the peak of {peak:g} MW that {window.name} bills")


def _battery_limits(battery: Battery, flows: SiteSchedule, step: int) -> Iterator[Binding]:
    plan = flows.batteries[battery.name]
    energy = float(plan.energy_mwh[step + 1])
    if _reached(energy, battery.energy_mwh):
        yield Binding(what=f"{battery.name} is full with {battery.energy_mwh:g} MWh")
    elif _reached(battery.min_energy_mwh, energy):
        yield Binding(what=f"{battery.name} is down to {battery.min_energy_mwh:g} MWh")
    for word, flow, limit in (
        ("charges", plan.charge_mw[step], battery.charge_limit_mw),
        ("discharges", plan.discharge_mw[step], battery.discharge_limit_mw),
    ):
        if flow > _NEAR and _reached(flow, limit):
            yield Binding(what=f"{battery.name} {word} at its limit of {limit:g} MW")


def _budgets(scenario: Scenario, result: PlanResult) -> Iterator[Binding]:
    carbon, duals, ledger = scenario.carbon, result.duals, result.ledger
    if ledger is None:
        return
    if carbon.budget_kg is not None and _reached(carbon.used_kg + ledger.carbon_kg, carbon.budget_kg):
        price = None if duals is None else duals.carbon_price_per_t
        yield _budget("", carbon.budget_kg, price, scenario.currency)
    for site in scenario.sites:
        limit = site.carbon_budget_kg
        if limit is not None and _reached(ledger.total("carbon", site=site.name), limit):
            price = None if duals is None else duals.site_carbon_price_per_t.get(site.name)
            yield _budget(f" at {site.name}", limit, price, scenario.currency)


def _budget(where: str, limit_kg: float, price: float | None, money: str) -> Binding:
    return Binding(what=f"carbon budget of {limit_kg / 1000.0:,.1f} t{where}", shadow_price=price, unit=f"{money}/t")


def _reached(value: float, limit: float) -> bool:
    return bool(value >= limit - _NEAR * max(1.0, abs(limit)))


def _site_lines(site: SiteHour, money: str) -> Iterator[str]:
    prices = {
        "power": (site.power_price_per_mwh, f"{money}/MWh"),
        "import": (site.import_price_per_mwh, f"{money}/MWh"),
        "export": (site.export_price_per_mwh, f"{money}/MWh"),
        "carbon": (site.carbon_kg_per_mwh, "kg/MWh"),
    }
    known = [f"{key} {value:,.2f} {unit}" for key, (value, unit) in prices.items() if value is not None]
    yield f"{site.site}: {', '.join(known)}"
    for word, flows in (("supply", site.supply_mw), ("use", site.use_mw)):
        parts = [f"{key} {value:,.3f}" for key, value in flows.items() if abs(value) >= _SHOWN_MW]
        yield f"  {word} {np.sum(list(flows.values())):,.3f} MW = " + (" + ".join(parts) or "nothing")
    if site.curtailed_mw >= _SHOWN_MW:
        yield f"  curtailed {site.curtailed_mw:,.3f} MW"
    if site.stored_mwh:
        yield "  stored " + ", ".join(f"{key} {value:,.2f} MWh" for key, value in site.stored_mwh.items())
    if site.running:
        yield "  trains " + ", ".join(f"{key} ({value:,.0f} accelerators)" for key, value in site.running.items())
    if site.serving:
        yield "  serves " + ", ".join(f"{key} ({value:,.0f} token/s)" for key, value in site.serving.items())
    for item in site.binding:
        yield f"  binds: {item}"
