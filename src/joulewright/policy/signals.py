"""Names of the signals that change over time, and how to read and replace them in a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from joulewright.model import GridConnection, InferenceService, Scenario, Site
from joulewright.model.timeline import FloatArray


def signal_series(scenario: Scenario) -> dict[str, FloatArray]:
    """Every signal of a scenario by key, each of shape ``(T,)``.

    The keys are ``SITE/import_price_per_mwh``, ``SITE/export_price_per_mwh``, ``SITE/carbon_kg_per_mwh`` (the
    deciding series), ``SITE/import_limit_mw``, ``SITE/export_limit_mw``, ``SITE/PLANT/per_unit``, ``SITE/pue``,
    ``SITE/fixed_it_power_mw``, ``SITE/fixed_facility_power_mw`` and ``SERVICE/REGION/demand_token_s``.
    """
    found: dict[str, FloatArray] = {}
    for site in scenario.sites:
        if site.grid is not None:
            for name in _GRID_SIGNALS:
                found[f"{site.name}/{name}"] = getattr(site.grid, name)
            intensity = scenario.deciding_intensity(site)
            if intensity is not None:
                found[f"{site.name}/carbon_kg_per_mwh"] = intensity.kg_per_mwh
        found.update({f"{site.name}/{plant.name}/per_unit": plant.per_unit for plant in site.renewables})
        found.update({f"{site.name}/{name}": getattr(site, name) for name in _SITE_SIGNALS})
    for service in scenario.inference:
        for region, demand in service.demand_token_s.items():
            found[f"{service.name}/{region}/demand_token_s"] = demand
    return found


def signal_keys(scenario: Scenario) -> tuple[str, ...]:
    """Keys of :func:`signal_series` in a fixed order."""
    return tuple(signal_series(scenario))


def replace_signals(scenario: Scenario, values: Mapping[str, FloatArray]) -> Scenario:
    """A scenario in which the signals named in ``values`` have these series, each of shape ``(T,)``.

    Raises
    ------
    KeyError
        If a key names no signal of the scenario.
    """
    unknown = sorted(set(values) - set(signal_keys(scenario)))
    if unknown:
        raise KeyError(f"no signals {unknown}; the scenario has {list(signal_keys(scenario))}")
    return scenario.with_changes(
        sites=tuple(_site(scenario, site, values) for site in scenario.sites),
        inference=tuple(_service(service, values) for service in scenario.inference),
    )


_GRID_SIGNALS = ("import_price_per_mwh", "export_price_per_mwh", "import_limit_mw", "export_limit_mw")
_SITE_SIGNALS = ("pue", "fixed_it_power_mw", "fixed_facility_power_mw")


def _site(scenario: Scenario, site: Site, values: Mapping[str, FloatArray]) -> Site:
    plants = tuple(
        replace(plant, per_unit=values.get(f"{site.name}/{plant.name}/per_unit", plant.per_unit))
        for plant in site.renewables
    )
    changed = {name: values.get(f"{site.name}/{name}", getattr(site, name)) for name in _SITE_SIGNALS}
    grid = None if site.grid is None else _grid(scenario, site.name, site.grid, values)
    return replace(site, renewables=plants, grid=grid, **changed)


def _grid(scenario: Scenario, name: str, grid: GridConnection, values: Mapping[str, FloatArray]) -> GridConnection:
    carbon = values.get(f"{name}/carbon_kg_per_mwh")
    decides = (scenario.carbon.kind, scenario.carbon.scope)
    intensities = tuple(
        replace(series, kg_per_mwh=carbon) if carbon is not None and (series.kind, series.scope) == decides else series
        for series in grid.carbon_intensities
    )
    changed = {signal: values.get(f"{name}/{signal}", getattr(grid, signal)) for signal in _GRID_SIGNALS}
    return replace(grid, carbon_intensities=intensities, **changed)


def _service(service: InferenceService, values: Mapping[str, FloatArray]) -> InferenceService:
    demand = {
        region: values.get(f"{service.name}/{region}/demand_token_s", series)
        for region, series in service.demand_token_s.items()
    }
    return replace(service, demand_token_s=demand)
