"""How much of the load is met by carbon-free supply, step by step and over the horizon."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from joulewright.model import Battery, BatterySchedule, MarketFactors, Site, SiteSchedule
from joulewright.model.timeline import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class CleanSupply:
    """Carbon-free supply of a site and what the rest of its load is made of.

    Attributes
    ----------
    clean_mwh : FloatArray
        On-site carbon-free supply, charging taken out and discharge added [MWh], shape ``(T,)``.
    rest_share : FloatArray
        Carbon-free share of everything else that supplies the site, shape ``(T,)``.
    """

    clean_mwh: FloatArray
    rest_share: FloatArray


def clean_supply(
    site: Site, flows: SiteSchedule, *, market: MarketFactors, load_mwh: FloatArray, step_h: float
) -> CleanSupply:
    """Split the supply of a site into carbon-free and other energy.

    Notes
    -----
    Renewable power counts where it is used on site. Import is carbon-free as far as certificates of the
    step cover it, and beyond that with the grid's declared share; generators never are. Batteries charge
    from what renewables leave over the load first; the rest of the charge has the mix of import and
    generators.
    """
    steps = load_mwh.size
    zero = np.zeros(steps)
    renewable = step_h * sum(flows.renewable_used_mw.values(), zero)
    generated = step_h * sum((plan.output_mw for plan in flows.generators.values()), zero)
    charged = step_h * sum((plan.charge_mw for plan in flows.batteries.values()), zero)
    discharged = step_h * sum((plan.discharge_mw for plan in flows.batteries.values()), zero)
    imported = step_h * flows.grid_import_mw
    matched = np.minimum(imported, market.certificates_mwh)
    grid_share = zero if market.carbon_free_fraction is None else market.carbon_free_fraction
    imported_clean = matched + (imported - matched) * grid_share
    from_surplus = np.minimum(charged, np.maximum(renewable - load_mwh, 0.0))
    bought_share = _ratio(imported_clean, imported + generated)
    charged_share = _ratio(from_surplus + (charged - from_surplus) * bought_share, charged)
    released = zero
    for battery in site.batteries:
        plan = flows.batteries[battery.name]
        released = released + stored_clean_mwh(battery, plan, charged_share=charged_share, step_h=step_h)
    return CleanSupply(
        clean_mwh=renewable - from_surplus + released,
        rest_share=_ratio(imported_clean, imported + generated + discharged - released),
    )


def carbon_free_share(load_mwh: FloatArray, clean_mwh: FloatArray, rest_share: FloatArray) -> float:
    """24/7 carbon-free score: clean supply of each step capped at its load, the rest at the share of its supply.

    Parameters
    ----------
    load_mwh, clean_mwh : FloatArray
        Load and carbon-free supply of each step [MWh], shape ``(T,)``.
    rest_share : FloatArray
        Carbon-free share of what supplies the rest, shape ``(T,)``.

    Returns
    -------
    float
        Share of the load that is carbon-free, in [0, 1]; 0.0 without load.

    Examples
    --------
    >>> carbon_free_share(np.array([10.0, 10.0]), np.array([12.0, 5.0]), np.array([0.3, 0.5]))
    0.875
    """
    covered = np.minimum(load_mwh, clean_mwh)
    return _of_load(covered + (load_mwh - covered) * rest_share, load_mwh)


def self_matched_hourly(load_mwh: FloatArray, renewable_mwh: FloatArray) -> float:
    """Share of the load met by on-site renewables of the same step, without storage; arrays of shape ``(T,)``.

    Examples
    --------
    >>> self_matched_hourly(np.array([10.0, 10.0]), np.array([12.0, 5.0]))
    0.75
    """
    return _of_load(np.minimum(load_mwh, renewable_mwh), load_mwh)


def self_matched_annual(load_mwh: FloatArray, renewable_mwh: FloatArray) -> float:
    """Share of the load met by on-site renewables when only the sums over the horizon are compared.

    Examples
    --------
    >>> self_matched_annual(np.array([10.0, 10.0]), np.array([12.0, 5.0]))
    0.85
    """
    return min(1.0, _of_load(renewable_mwh, load_mwh))


def stored_clean_mwh(
    battery: Battery, plan: BatterySchedule, *, charged_share: FloatArray, step_h: float
) -> FloatArray:
    """Carbon-free energy that a battery gives back in each step [MWh], shape ``(T,)``.

    The store mixes: a discharge carries the clean share of the stored energy at that moment, losses
    shrink both parts alike, and energy stored before the horizon counts as not carbon-free.
    ``charged_share`` is the clean share of the charge of each step, shape ``(T,)``.
    """
    clean, released = 0.0, np.zeros(charged_share.size)
    for step, share in enumerate(charged_share.tolist()):
        charged = step_h * battery.charge_efficiency * float(plan.charge_mw[step])
        stored = float(plan.energy_mwh[step]) + charged
        mixed = (clean + charged * share) / stored if stored > 0.0 else 0.0
        released[step] = mixed * step_h * float(plan.discharge_mw[step])
        clean = mixed * float(plan.energy_mwh[step + 1])
    return released


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Part over whole, 0 where there is no whole."""
    return np.divide(part, whole, out=np.zeros(part.size), where=whole > 0.0)


def _of_load(met_mwh: FloatArray, load_mwh: FloatArray) -> float:
    load = math.fsum(load_mwh.tolist())
    return math.fsum(met_mwh.tolist()) / load if load > 0.0 else 0.0
