"""Power balance, unserved load, renewables and the grid connection (equations 7, 8, 10 and 11)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulewright.check.violation import Judge, Limit, Violation
from joulewright.model import Scenario, Schedule, Site, SiteSchedule
from joulewright.model.timeline import FloatArray


def energy(
    judge: Judge, scenario: Scenario, schedule: Schedule, facility_mw: dict[str, FloatArray]
) -> Iterator[Violation]:
    """Balance and limits of every site; ``facility_mw`` holds the re-derived load, each of shape ``(T,)``."""
    for site in scenario.sites:
        flows, load = schedule.sites[site.name], facility_mw[site.name]
        yield from _signs(judge, site, flows)
        yield from _balance(judge, site, flows, load)
        yield from _unserved(judge, site, flows, load)
        for plant in site.renewables:
            where = f"{site.name}/{plant.name}"
            limit = Limit(constraint="renewable", where=where, quantity="Power used", unit="MW")
            yield from judge.series(limit, flows.renewable_used_mw[plant.name], plant.capacity_mw * plant.per_unit)
        yield from _grid(judge, scenario, site, flows)


def exclusive(
    judge: Judge, where: str, one: tuple[str, FloatArray], other: tuple[str, FloatArray]
) -> Iterator[Violation]:
    """Two opposite flows of shape ``(T,)`` may not both exceed the tolerance in a step (equation 11)."""
    quantity = f"The smaller of {one[0]} and {other[0]}"
    limit = Limit(constraint="exclusivity", where=where, quantity=quantity, unit="MW", absolute=True)
    yield from judge.series(limit, np.minimum(one[1], other[1]), 0.0)


def non_negative(judge: Judge, where: str, flows: dict[str, FloatArray], unit: str = "MW") -> Iterator[Violation]:
    """Flows of shape ``(T,)`` that must not be negative."""
    for name, values in flows.items():
        limit = Limit(constraint="sign", where=where, quantity=name, unit=unit, sense="at least")
        yield from judge.series(limit, values, 0.0)


def _signs(judge: Judge, site: Site, flows: SiteSchedule) -> Iterator[Violation]:
    exchange = {"Import": flows.grid_import_mw, "Export": flows.grid_export_mw, "Unserved load": flows.unserved_mw}
    yield from non_negative(judge, site.name, exchange)
    for name, used in flows.renewable_used_mw.items():
        yield from non_negative(judge, f"{site.name}/{name}", {"Power used": used})


def _balance(judge: Judge, site: Site, flows: SiteSchedule, load_mw: FloatArray) -> Iterator[Violation]:
    supply = flows.grid_import_mw + flows.unserved_mw
    use = load_mw + flows.grid_export_mw
    for used in flows.renewable_used_mw.values():
        supply = supply + used
    for generator in flows.generators.values():
        supply = supply + generator.output_mw
    for battery in flows.batteries.values():
        supply = supply + battery.discharge_mw
        use = use + battery.charge_mw
    limit = Limit(constraint="balance", where=site.name, quantity="Supply", unit="MW", sense="equal", absolute=True)
    yield from judge.series(limit, supply, use)


def _unserved(judge: Judge, site: Site, flows: SiteSchedule, load_mw: FloatArray) -> Iterator[Violation]:
    priced = site.unserved_power_penalty_per_mwh is not None
    quantity = "Unserved load" if priced else "Unserved load without a price"
    limit = Limit(constraint="unserved", where=site.name, quantity=quantity, unit="MW")
    yield from judge.series(limit, flows.unserved_mw, np.maximum(load_mw, 0.0) if priced else 0.0)


def _grid(judge: Judge, scenario: Scenario, site: Site, flows: SiteSchedule) -> Iterator[Violation]:
    grid = site.grid
    limits: tuple[FloatArray | float, FloatArray | float] = (0.0, 0.0)
    if grid is not None:
        limits = (grid.import_limit_mw, grid.export_limit_mw)
    for name, values, bound in zip(
        ("import", "export"), (flows.grid_import_mw, flows.grid_export_mw), limits, strict=True
    ):
        limit = Limit(constraint=f"{name}-limit", where=site.name, quantity=f"Grid {name}", unit="MW")
        yield from judge.series(limit, values, bound)
    yield from exclusive(judge, site.name, ("import", flows.grid_import_mw), ("export", flows.grid_export_mw))
    if grid is not None and grid.ramp_mw_per_h is not None:
        net = flows.grid_import_mw - flows.grid_export_mw
        change = np.abs(np.diff(net, prepend=net[:1]))
        limit = Limit(constraint="grid-ramp", where=site.name, quantity="Change of net import", unit="MW")
        yield from judge.series(limit, change, grid.ramp_mw_per_h * scenario.timeline.step_h)
