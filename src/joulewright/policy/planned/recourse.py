"""From planned power to the power of a step whose load and renewables turned out otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from joulewright.model import Battery
from joulewright.physics.battery import power_range_mw
from joulewright.policy.decision import SitePower
from joulewright.policy.observation import GeneratorState, SiteObservation

COVERS = ("grid", "battery")
_TOLERANCE_MW = 1e-7
_WORTH_RUNNING = 0.5


@dataclass(frozen=True, kw_only=True)
class SetPoint:
    """Planned power of a site in one step [MW].

    Attributes
    ----------
    charge_mw, discharge_mw : mapping of str to float
        By battery.
    generator_mw : mapping of str to float
        Output of generators that are to run.
    import_mw, export_mw, unserved_mw : float
        Exchange with the grid and load left unserved.
    used_share : mapping of str to float
        Part of the available power to use, by renewable plant that is to be curtailed; others are used in full.
    """

    charge_mw: Mapping[str, float] = field(default_factory=dict)
    discharge_mw: Mapping[str, float] = field(default_factory=dict)
    generator_mw: Mapping[str, float] = field(default_factory=dict)
    import_mw: float = 0.0
    export_mw: float = 0.0
    unserved_mw: float = 0.0
    used_share: Mapping[str, float] = field(default_factory=dict)


REST = SetPoint()


class Settled(NamedTuple):
    """Decision on a site's power and the import less export that is expected of it [MW]."""

    power: SitePower
    net_import_mw: float


def site_power(observed: SiteObservation, point: SetPoint, *, step_h: float, cover: str) -> Settled:
    """Power of a site that follows a plan and meets what deviates from it.

    Batteries and generators do what is planned. With ``cover="grid"`` the grid takes every deviation unless import
    would exceed its limit or a peak that is already paid for, export would exceed its limit, or batteries would feed
    more into the grid than planned; with ``cover="battery"`` import and export stay as planned. Whatever the grid
    is not to take, batteries take within their power and energy. A plan that asks a generator for less than half its
    minimum load lets it rest, unless the grid cannot carry the load then.

    Parameters
    ----------
    observed : SiteObservation
        The site with the load of the step.
    point : SetPoint
        What is planned.
    step_h : float
        Length of the step [h].
    cover : {"grid", "battery"}
        What takes deviations first.

    Examples
    --------
    2 MW of discharge are planned for a load of 5 MW that turns out to be 1 MW: nothing is exported.

    >>> import numpy as np
    >>> from joulewright.model import Site
    >>> cell = Battery(name="b", energy_mwh=10, charge_limit_mw=5, discharge_limit_mw=5,
    ...                charge_efficiency=1.0, discharge_efficiency=1.0, initial_energy_mwh=5)
    >>> one = np.ones(1)
    >>> site = Site(name="a", pue=one, fixed_it_power_mw=one, fixed_facility_power_mw=one, batteries=(cell,))
    >>> seen = SiteObservation(site=site, import_limit_mw=9.0, export_limit_mw=9.0, import_price_per_mwh=50.0,
    ...                        export_price_per_mwh=20.0, carbon_kg_per_mwh=0.0, energy_mwh={"b": 5.0}, load_mw=1.0)
    >>> plan = SetPoint(discharge_mw={"b": 2.0}, import_mw=3.0)
    >>> dict(site_power(seen, plan, step_h=1.0, cover="grid").power.discharge_mw)
    {'b': 1.0}
    """
    generated = _generated(observed, point, step_h, threshold=_WORTH_RUNNING)
    limits = {name: share * observed.renewable_mw.get(name, 0.0) for name, share in point.used_share.items()}
    renewable = sum(min(power, limits.get(name, power)) for name, power in observed.renewable_mw.items())
    charge, discharge = _possible(observed, point, step_h)
    load, battery = (
        observed.load_mw - point.unserved_mw,
        sum(charge.values()) - sum(discharge.values()),
    )
    if load - renewable - sum(generated.values()) + battery > observed.import_limit_mw + _TOLERANCE_MW:
        generated = _generated(observed, point, step_h, threshold=0.0)
    need = load - renewable - sum(generated.values())
    net = need + battery
    low, high = _wanted_range(observed, point, need, cover)
    if net > high + _TOLERANCE_MW:
        net -= _shift(observed, (discharge, charge), net - high, step_h=step_h, give=True)
    elif net < low - _TOLERANCE_MW:
        net += _shift(observed, (charge, discharge), low - net, step_h=step_h, give=False)
    power = SitePower(
        charge_mw=charge,
        discharge_mw=discharge,
        generator_mw=generated,
        import_limit_mw=point.import_mw if point.unserved_mw > _TOLERANCE_MW else None,
        renewable_limit_mw=limits,
    )
    return Settled(power, net)


def _possible(observed: SiteObservation, point: SetPoint, step_h: float) -> tuple[dict[str, float], dict[str, float]]:
    """Planned charge and discharge as far as the stored energy allows; rounding is left to the battery."""
    charge, discharge = dict(point.charge_mw), dict(point.discharge_mw)
    for battery in observed.site.batteries:
        for powers, most in zip((charge, discharge), _most(observed, battery, step_h), strict=True):
            if powers.get(battery.name, 0.0) > most + _TOLERANCE_MW:
                powers[battery.name] = most
    return charge, discharge


def _generated(observed: SiteObservation, point: SetPoint, step_h: float, *, threshold: float) -> dict[str, float]:
    """Output of generators as they can run; one is off if its plan is below this part of its minimum load."""
    output = {}
    for unit in observed.site.generators:
        state = observed.generators.get(unit.name, GeneratorState(on=False, hours=math.inf, output_mw=0.0))
        able = state.output_range(unit, usable_mw=observed.usable_mw.get(unit.name, unit.capacity_mw), step_h=step_h)
        wanted = point.generator_mw.get(unit.name)
        runs = wanted is not None and wanted >= threshold * unit.min_load_mw
        if able.may_run and (runs or not able.may_stop):
            output[unit.name] = min(max(wanted or 0.0, able.low_mw), able.high_mw)
    return output


def _wanted_range(observed: SiteObservation, point: SetPoint, need_mw: float, cover: str) -> tuple[float, float]:
    """Import less export that deviations may lead to [MW]."""
    planned = point.import_mw - point.export_mw
    if cover == "battery":
        return max(planned, -observed.export_limit_mw), min(planned, observed.import_limit_mw)
    paid = min(observed.peak_mw.values(), default=observed.import_limit_mw)
    high = min(observed.import_limit_mw, max(point.import_mw, paid))
    low = -min(observed.export_limit_mw, max(point.export_mw, -need_mw, 0.0))
    return low, high


def _shift(
    observed: SiteObservation,
    powers: tuple[dict[str, float], dict[str, float]],
    amount_mw: float,
    *,
    step_h: float,
    give: bool,
) -> float:
    """Take ``amount_mw`` off the second flow, then add it to the first one, in place; what was shifted [MW]."""
    more, less = powers
    left = amount_mw
    for name, power in less.items():
        part = min(power, left)
        less[name], left = power - part, left - part
    for battery in observed.site.batteries:
        if left <= 0.0 or less.get(battery.name, 0.0) > 0.0:
            continue
        part = min(left, max(0.0, _most(observed, battery, step_h)[give] - more.get(battery.name, 0.0)))
        more[battery.name], left = more.get(battery.name, 0.0) + part, left - part
    return amount_mw - left


def _most(observed: SiteObservation, battery: Battery, step_h: float) -> tuple[float, float]:
    """Largest charge and discharge in the step [MW]."""
    energy = observed.energy_mwh.get(battery.name, battery.initial_energy_mwh)
    charge, discharge = power_range_mw(battery, energy, step_h=step_h)
    return float(charge), float(discharge)
