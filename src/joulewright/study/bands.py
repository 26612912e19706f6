"""Series of a run averaged over equal pieces of the horizon: small enough to keep for every run of a study."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from joulewright.io.frames import site_series
from joulewright.model import Scenario, Schedule, Site, Timeline
from joulewright.model.timeline import FloatArray
from joulewright.study.result import BAND_QUANTITIES, Band

_BINS_H = (1.0, 24.0, 168.0)
_MOST_BINS = 400
_WEIGHTED = ("import_price_per_mwh", "carbon_kg_per_mwh")
_SHARE = "state_of_charge_fraction"


def bands_of(scenario: Scenario, schedule: Schedule) -> tuple[Band, ...]:
    """Means of the main series by site and over all sites.

    Parameters
    ----------
    scenario : Scenario
        The facts as they turned out.
    schedule : Schedule
        What was done.

    Returns
    -------
    tuple of Band
        In the order of :data:`BAND_QUANTITIES`, all sites together first. Quantities that do not apply are left out.
    """
    timeline = scenario.timeline
    length_h = bin_hours(timeline)
    places: dict[str, dict[str, FloatArray]] = {}
    for site in scenario.sites:
        places[site.name] = _site(scenario, schedule, site)
    places = {"": _together(scenario, places), **places}
    return tuple(
        Band(place=place, quantity=quantity, bin_h=length_h, values=binned(series[quantity], timeline, length_h))
        for quantity in BAND_QUANTITIES
        for place, series in places.items()
        if quantity in series
    )


def bin_hours(timeline: Timeline) -> float:
    """Length of a piece [h]: an hour, a day or a week, at least a step, so that there are at most about 400.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> start = datetime(2022, 1, 1, tzinfo=UTC)
    >>> [bin_hours(Timeline(start=start, step_s=3600, steps=24 * days)) for days in (7, 365, 730)]
    [1.0, 24.0, 168.0]
    """
    fitting = [length for length in _BINS_H if length >= timeline.step_h and timeline.hours / length <= _MOST_BINS]
    return max(fitting[0] if fitting else _BINS_H[-1], timeline.step_h)


def binned(values: FloatArray, timeline: Timeline, bin_h: float) -> FloatArray:
    """Means of a series over pieces of ``bin_h`` hours, shape ``(B,)``; steps belong to the piece they start in.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> day = Timeline(start=datetime(2022, 1, 1, tzinfo=UTC), step_s=1800, steps=5)
    >>> binned(np.array([1.0, 3.0, 5.0, 5.0, 7.0]), day, 1.0).tolist()
    [2.0, 5.0, 7.0]
    """
    pieces = np.floor(np.arange(timeline.steps) * timeline.step_h / bin_h + 1e-9).astype(np.int64)
    firsts = np.flatnonzero(np.diff(pieces, prepend=-1))
    counts = np.diff(firsts, append=timeline.steps)
    return np.asarray(np.add.reduceat(values, firsts) / counts, dtype=np.float64)


def _site(scenario: Scenario, schedule: Schedule, site: Site) -> dict[str, FloatArray]:
    """Quantities of one site, shape ``(T,)`` each."""
    found = site_series(scenario, schedule, site, currency="money")
    series = {name: found[name] for name in BAND_QUANTITIES if name in found}
    entry = schedule.sites[site.name]
    cost = np.zeros(scenario.timeline.steps)
    carbon = np.zeros(scenario.timeline.steps)
    for generator in site.generators:
        output = entry.generators[generator.name].output_mw
        cost = cost + output * generator.fuel_cost_per_mwh
        carbon = carbon + output * generator.emission_kg_per_mwh
    if site.grid is not None:
        series["import_price_per_mwh"] = site.grid.import_price_per_mwh
        cost = cost + entry.grid_import_mw * site.grid.import_price_per_mwh
        cost = cost - entry.grid_export_mw * site.grid.export_price_per_mwh
    intensity = scenario.deciding_intensity(site)
    if intensity is not None:
        series["carbon_kg_per_mwh"] = intensity.kg_per_mwh
        carbon = carbon + entry.grid_import_mw * intensity.kg_per_mwh
    capacity = sum(battery.energy_mwh for battery in site.batteries)
    if capacity > 0.0:
        series[_SHARE] = series["stored_energy_mwh"] / capacity
    return {**series, "energy_cost_per_h": cost, "carbon_kg_per_h": carbon}


def _together(scenario: Scenario, places: Mapping[str, Mapping[str, FloatArray]]) -> dict[str, FloatArray]:
    """Quantities of all sites: sums of flows, means of price and intensity weighted with the load."""
    found: dict[str, FloatArray] = {}
    for quantity in BAND_QUANTITIES:
        having = [series for series in places.values() if quantity in series]
        if not having:
            continue
        rows = np.array([series[quantity] for series in having])
        if quantity in _WEIGHTED:
            loads = np.array([series["facility_load_mw"] for series in having])
            found[quantity] = _weighted(rows, loads)
        elif quantity != _SHARE:
            found[quantity] = rows.sum(axis=0)
    capacity = sum(battery.energy_mwh for site in scenario.sites for battery in site.batteries)
    if capacity > 0.0:
        found[_SHARE] = found["stored_energy_mwh"] / capacity
    return found


def _weighted(rows: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted mean over the first axis; the plain mean where all weights are zero."""
    total = weights.sum(axis=0)
    weights = np.where(total > 0.0, weights, 1.0)
    return np.asarray((rows * weights).sum(axis=0) / weights.sum(axis=0), dtype=np.float64)
