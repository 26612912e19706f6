"""Carbon figures by reporting method, side by side: Scope 2 and carbon-free matching.

References
----------
GHG Protocol Scope 2 Guidance (2015) and its public consultation of 2025 on hourly matching;
Google, "24/7 Carbon-Free Energy: Methodologies and Metrics" (2021).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from joulewright.account.ledger import Ledger, settle
from joulewright.account.load import site_load
from joulewright.account.matching import carbon_free_share, clean_supply, self_matched_annual, self_matched_hourly
from joulewright.model import CarbonScope, MarketFactors, Scenario, Schedule, Site
from joulewright.model.timeline import FloatArray

if TYPE_CHECKING:
    import polars

_SCOPES: tuple[CarbonScope, ...] = ("direct", "lifecycle")
_STORAGE_RULE = (
    "charging takes the on-site surplus first; the store mixes; energy stored before the horizon is not counted"
)


@dataclass(frozen=True, kw_only=True)
class MethodFigure:
    """One carbon figure under one method.

    Attributes
    ----------
    site : str
        Where; empty for all sites together.
    method : str
        E.g. ``market-based hourly``.
    value : float or None
        The figure; None where the scenario lacks a factor it needs.
    unit : str
        ``kg`` or ``fraction``.
    note : str
        The rule applied, or what is missing.
    weight_mwh : float
        Load that a fraction refers to [MWh]; 0 for kilograms.
    """

    site: str
    method: str
    value: float | None
    unit: str
    note: str = ""
    weight_mwh: float = 0.0


def carbon_methods(scenario: Scenario, schedule: Schedule) -> tuple[MethodFigure, ...]:
    """Every method for every site, then for all sites together.

    Raises
    ------
    KeyError
        If the schedule does not fit the scenario.

    Notes
    -----
    With grid import ``E``, deliverable certificates ``C`` and ``m = min(E, C)`` of each step,

        location-based       sum E EF_grid
        market-based annual  max(0, sum E - sum C) EF_residual + min(sum E, sum C) EF_instrument
        market-based hourly  sum (m EF_instrument + (E - m) EF_residual)

    where the annual figure weights a varying residual factor with the import. Unmatched volume without a
    residual factor leaves the figure open: the location-based factor never takes its place. Export lowers
    none of them. On-site generation is Scope 1 and shown apart. Fractions of several sites are weighted
    with their load.
    """
    ledger = settle(scenario, schedule)
    figures = [figure for site in scenario.sites for figure in _site_figures(scenario, schedule, site, ledger)]
    methods = dict.fromkeys((figure.method, figure.unit) for figure in figures)
    return (*figures, *(_combined(method, unit, figures) for method, unit in methods))


def methods_frame(figures: tuple[MethodFigure, ...]) -> polars.DataFrame:
    """Figures as a polars frame, one row each."""
    import polars

    columns = {part.name: [getattr(figure, part.name) for figure in figures] for part in fields(MethodFigure)}
    return polars.DataFrame(columns, schema_overrides={"value": polars.Float64})


def location_based_kg(import_mwh: FloatArray, grid_kg_per_mwh: FloatArray) -> float:
    """Location-based carbon of import [kg]; both arrays of shape ``(T,)``.

    Examples
    --------
    >>> location_based_kg(np.array([10.0, 10.0]), np.array([420.0, 220.0]))
    6400.0
    """
    return math.fsum((import_mwh * grid_kg_per_mwh).tolist())


def market_based_annual_kg(import_mwh: FloatArray, market: MarketFactors) -> float | None:
    """Market-based carbon with certificates of the whole horizon [kg]; None without a residual factor it needs."""
    volume = math.fsum(import_mwh.tolist())
    matched = min(volume, math.fsum(market.certificates_mwh.tolist()))
    if volume <= matched:
        return matched * market.instrument_kg_per_mwh
    if market.residual_kg_per_mwh is None:
        return None
    residual = location_based_kg(import_mwh, market.residual_kg_per_mwh) / volume
    return (volume - matched) * residual + matched * market.instrument_kg_per_mwh


def market_based_hourly_kg(import_mwh: FloatArray, market: MarketFactors) -> float | None:
    """Market-based carbon with certificates matched step by step [kg]; None without a residual factor it needs."""
    matched = np.minimum(import_mwh, market.certificates_mwh)
    matched_kg = market.instrument_kg_per_mwh * math.fsum(matched.tolist())
    unmatched = import_mwh - matched
    if not unmatched.any():
        return matched_kg
    if market.residual_kg_per_mwh is None:
        return None
    return matched_kg + location_based_kg(unmatched, market.residual_kg_per_mwh)


def _site_figures(scenario: Scenario, schedule: Schedule, site: Site, ledger: Ledger) -> Iterator[MethodFigure]:
    import_mwh = scenario.timeline.step_h * schedule.sites[site.name].grid_import_mw
    own_kg = ledger.total("carbon", "generator", site.name) + ledger.total("carbon", "start-up", site.name)
    yield MethodFigure(site=site.name, method="scope 1 on-site generation", value=own_kg, unit="kg")
    for scope in _SCOPES:
        yield _location_based(site, import_mwh, scope)
    market = None if site.grid is None else site.grid.market
    market = MarketFactors(certificates_mwh=np.zeros_like(import_mwh)) if market is None else market
    for name, method in (("annual", market_based_annual_kg), ("hourly", market_based_hourly_kg)):
        kg = method(import_mwh, market)
        note = "" if kg is not None else "no residual-mix factor is given for the import that no certificate covers"
        yield MethodFigure(site=site.name, method=f"market-based {name}", value=kg, unit="kg", note=note)
    yield from _matching_figures(scenario, schedule, site, market)


def _location_based(site: Site, import_mwh: FloatArray, scope: CarbonScope) -> MethodFigure:
    series = None if site.grid is None else site.grid.carbon_intensity("average", scope)
    if series is not None:
        value: float | None = location_based_kg(import_mwh, series.kg_per_mwh)
        note = series.source
    else:
        value = None if import_mwh.any() else 0.0
        note = f"no average-{scope} intensity is given" if value is None else ""
    return MethodFigure(site=site.name, method=f"location-based {scope}", value=value, unit="kg", note=note)


def _matching_figures(
    scenario: Scenario, schedule: Schedule, site: Site, market: MarketFactors
) -> Iterator[MethodFigure]:
    step_h, flows = scenario.timeline.step_h, schedule.sites[site.name]
    load_mwh = step_h * (site_load(scenario, schedule, site).facility_mw - flows.unserved_mw)
    renewable_mwh = step_h * sum(flows.renewable_used_mw.values(), np.zeros(scenario.timeline.steps))
    weight = math.fsum(load_mwh.tolist())

    def figure(method: str, value: float, note: str) -> MethodFigure:
        share = value if weight > 0.0 else None
        return MethodFigure(
            site=site.name, method=method, value=share, unit="fraction", note=note, weight_mwh=max(weight, 0.0)
        )

    supply = clean_supply(site, flows, market=market, load_mwh=load_mwh, step_h=step_h)
    score = carbon_free_share(load_mwh, supply.clean_mwh, supply.rest_share)
    grid = (
        "" if market.carbon_free_fraction is not None else "; the grid's carbon-free share is not given and counts as 0"
    )
    yield figure("24/7 carbon-free score", score, _STORAGE_RULE + grid)
    yield figure("self-matched hourly", self_matched_hourly(load_mwh, renewable_mwh), "on-site supply without storage")
    yield figure("self-matched annual", self_matched_annual(load_mwh, renewable_mwh), "sums over the horizon")


def _combined(method: str, unit: str, figures: list[MethodFigure]) -> MethodFigure:
    """One figure for all sites: kilograms add up, fractions are weighted with their load."""
    parts = [figure for figure in figures if figure.method == method]
    weight = math.fsum(part.weight_mwh for part in parts)
    value: float | None = None
    note = ""
    if unit == "kg":
        missing = [part.site for part in parts if part.value is None]
        value = None if missing else math.fsum(part.value or 0.0 for part in parts)
        note = f"no figure for {', '.join(missing)}" if missing else ""
    elif weight > 0.0:
        value = math.fsum((part.value or 0.0) * part.weight_mwh for part in parts) / weight
    return MethodFigure(site="", method=method, value=value, unit=unit, note=note, weight_mwh=weight)
