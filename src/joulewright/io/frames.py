"""A schedule as tidy tables: jobs, routing and set points by step, and series by site."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from joulewright.account import site_load
from joulewright.model import (
    InferenceService,
    Scenario,
    Schedule,
    Segment,
    ServiceSchedule,
    Site,
    SiteSchedule,
    TrainingJob,
)
from joulewright.model.timeline import FloatArray
from joulewright.physics.serving import serving_draw

INSTANT = pl.Datetime("us", "UTC")

_JOB_SCHEMA: Mapping[str, Any] = {
    "job": pl.String,
    "kind": pl.String,
    "status": pl.String,
    "segment": pl.Int64,
    "site": pl.String,
    "fleet": pl.String,
    "accelerator": pl.String,
    "accelerators": pl.Float64,
    "start": INSTANT,
    "end": INSTANT,
    "work_end": INSTANT,
    "power_mw": pl.Float64,
    "lost_h": pl.Float64,
}
_ROUTING_SCHEMA: Mapping[str, Any] = {
    "service": pl.String,
    "region": pl.String,
    "site": pl.String,
    "fleet": pl.String,
    "point": pl.Int64,
    "start": INSTANT,
    "end": INSTANT,
    "token_s": pl.Float64,
    "accelerators": pl.Float64,
    "power_mw": pl.Float64,
}
_SET_POINT_SCHEMA: Mapping[str, Any] = {
    "site": pl.String,
    "component": pl.String,
    "quantity": pl.String,
    "start": INSTANT,
    "end": INSTANT,
    "power_mw": pl.Float64,
    "on": pl.Boolean,
}


def jobs_frame(scenario: Scenario, schedule: Schedule) -> pl.DataFrame:
    """One row for each uninterrupted run of a job, and one for each job that never runs.

    Accelerators are held from ``start`` to ``end``; the work and its power end at ``work_end``. In a plan the first
    two are step boundaries; what was simulated starts and ends between them. ``power_mw`` is the IT power of all
    accelerators of the run [MW]; ``lost_h`` is the work that a failure at the end of the run undid [h].
    """
    rows = [
        row
        for job in scenario.training
        for row in (_job_rows(scenario, schedule, job) if job.name in schedule.jobs else [])
    ]
    return pl.DataFrame(rows, schema=_JOB_SCHEMA)


def _job_rows(scenario: Scenario, schedule: Schedule, job: TrainingJob) -> list[dict[str, Any]]:
    segments = schedule.jobs[job.name].segments
    if not segments:
        return [{"job": job.name, "kind": job.kind, "status": "rejected"}]
    return [
        {"job": job.name, "kind": job.kind, "status": "planned", "segment": number, **_segment(scenario, job, segment)}
        for number, segment in enumerate(segments, start=1)
    ]


def _segment(scenario: Scenario, job: TrainingJob, segment: Segment) -> dict[str, Any]:
    timeline, fleet = scenario.timeline, scenario.site(segment.site).fleet(segment.fleet)

    def part(fraction: float) -> timedelta:
        """The part of a step that a segment does not use, in whole seconds."""
        return timedelta(seconds=math.floor(timeline.step_s * (1.0 - fraction) + 1e-6))

    stop = timeline.at(segment.stop_step)
    work_end = stop - part(segment.last_fraction)
    return {
        "site": segment.site,
        "fleet": segment.fleet,
        "accelerator": fleet.accelerator,
        "accelerators": segment.accelerators,
        "start": timeline.at(segment.first_step) + part(segment.first_fraction),
        "end": work_end if segment.frees_at_end else stop,
        "work_end": work_end,
        "power_mw": segment.accelerators * job.power_on(fleet),
        "lost_h": segment.lost_h,
    }


def routing_frame(scenario: Scenario, schedule: Schedule) -> pl.DataFrame:
    """One row for each step of every route that is ever used: tokens served, busy accelerators, their IT power [MW]."""
    services = {service.name: service for service in scenario.inference}
    blocks = []
    for name, entry in schedule.services.items():
        draws = _point_draws(scenario, services[name], entry)
        for route, token_s in zip(entry.routes, entry.served_token_s, strict=True):
            if not np.any(token_s):
                continue
            together, whole, whole_mw = draws[route.site, route.fleet, route.point]
            # Its share by tokens of what all regions take at that operating point.
            share = np.divide(token_s, together, out=np.zeros(together.size), where=together > 0.0)
            accelerators, power_mw = share * whole, share * whole_mw
            where = {"service": name, "region": route.region, "site": route.site, "fleet": route.fleet}
            drawn = {"token_s": token_s, "accelerators": accelerators, "power_mw": power_mw}
            blocks.append({**where, "point": route.point, **drawn})
    return _by_step(scenario, blocks, _ROUTING_SCHEMA)


def _point_draws(
    scenario: Scenario, service: InferenceService, entry: ServiceSchedule
) -> dict[tuple[str, str, int], tuple[FloatArray, FloatArray, FloatArray]]:
    """Tokens of all regions at each operating point of each fleet, and accelerators and power that they take."""
    together: dict[tuple[str, str, int], FloatArray] = {}
    for route, token_s in zip(entry.routes, entry.served_token_s, strict=True):
        key = (route.site, route.fleet, route.point)
        together[key] = together[key] + token_s if key in together else token_s
    found = {}
    for (site, name, point), token_s in together.items():
        if not np.any(token_s):
            continue
        fleet = scenario.site(site).fleet(name)
        at_points = np.zeros((len(service.points_on(fleet)), token_s.size))
        at_points[point] = token_s
        draw = serving_draw(service, fleet, at_points, whole_replicas=entry.whole_replicas)
        found[site, name, point] = (token_s, *draw)
    return found


def set_points_frame(scenario: Scenario, schedule: Schedule) -> pl.DataFrame:
    """One row for each step of every controllable flow; ``on`` is the commitment of generators.

    ``quantity`` is ``import``, ``export``, ``unserved`` (component ``grid`` or ``load``), ``renewable``, ``charge``,
    ``discharge`` or ``generation``; all power is non-negative [MW].
    """
    blocks = [block for name, entry in schedule.sites.items() for block in _flows(name, entry)]
    return _by_step(scenario, blocks, _SET_POINT_SCHEMA)


def _flows(site: str, entry: SiteSchedule) -> Iterator[dict[str, Any]]:
    def flow(component: str, quantity: str, power_mw: FloatArray, on: Any = None) -> dict[str, Any]:
        return {"site": site, "component": component, "quantity": quantity, "power_mw": power_mw, "on": on}

    yield flow("grid", "import", entry.grid_import_mw)
    yield flow("grid", "export", entry.grid_export_mw)
    yield flow("load", "unserved", entry.unserved_mw)
    for plant, used_mw in entry.renewable_used_mw.items():
        yield flow(plant, "renewable", used_mw)
    for name, battery in entry.batteries.items():
        yield flow(name, "charge", battery.charge_mw)
        yield flow(name, "discharge", battery.discharge_mw)
    for name, generator in entry.generators.items():
        yield flow(name, "generation", generator.output_mw, generator.on)


def series_frame(scenario: Scenario, schedule: Schedule) -> pl.DataFrame:
    """One row for each site and step: load, flows, stored energy, prices and carbon intensities.

    Columns end in their unit; money is in the currency of the scenario. Stored energy is that at the end of the step.
    """
    currency = scenario.currency.lower()
    blocks = [
        {"site": site.name, **site_series(scenario, schedule, site, currency=currency)} for site in scenario.sites
    ]
    names = dict.fromkeys(name for block in blocks for name in block)
    schema: dict[str, Any] = {name: pl.String if name == "site" else pl.Float64 for name in names}
    return _by_step(scenario, blocks, {"site": pl.String, "start": INSTANT, "end": INSTANT, **schema})


def site_series(scenario: Scenario, schedule: Schedule, site: Site, *, currency: str) -> dict[str, FloatArray]:
    """Load, flows, stored energy, prices and carbon intensities of a site by column name, each of shape ``(T,)``."""
    entry, load = schedule.sites[site.name], site_load(scenario, schedule, site)
    zero = np.zeros(scenario.timeline.steps)
    available = sum((plant.available_mw for plant in site.renewables), zero)
    used = sum(entry.renewable_used_mw.values(), zero)
    batteries = entry.batteries.values()
    found = {
        "facility_load_mw": load.facility_mw,
        "it_load_mw": load.it_mw,
        "training_mw": load.training_mw,
        "inference_mw": load.inference_mw,
        "idle_mw": load.idle_mw,
        "fixed_it_mw": load.fixed_it_mw,
        "grid_import_mw": entry.grid_import_mw,
        "grid_export_mw": entry.grid_export_mw,
        "unserved_mw": entry.unserved_mw,
        "renewable_available_mw": available,
        "renewable_used_mw": used,
        "curtailed_mw": available - used,
        "generation_mw": sum((generator.output_mw for generator in entry.generators.values()), zero),
        "charge_mw": sum((battery.charge_mw for battery in batteries), zero),
        "discharge_mw": sum((battery.discharge_mw for battery in batteries), zero),
        "stored_energy_mwh": sum((battery.energy_mwh[1:] for battery in batteries), zero),
        "accelerators_in_use": sum(load.accelerators_in_use.values(), zero),
        "pue": site.pue,
    }
    if site.grid is not None:
        found["import_limit_mw"] = site.grid.import_limit_mw
        found["export_limit_mw"] = site.grid.export_limit_mw
        found[f"import_price_{currency}_per_mwh"] = site.grid.import_price_per_mwh
        found[f"export_price_{currency}_per_mwh"] = site.grid.export_price_per_mwh
        for series in site.grid.carbon_intensities:
            found[f"{series.kind}_{series.scope}_carbon_intensity_kg_per_mwh"] = series.kg_per_mwh
    return found


def _by_step(scenario: Scenario, blocks: list[dict[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
    """Stack blocks of scalars and arrays of shape ``(T,)``, each with the start and end of its steps."""
    starts = scenario.timeline.starts().astype("datetime64[us]")
    step = np.timedelta64(scenario.timeline.step_s, "s")
    times = pl.DataFrame({"start": starts, "end": starts + step}).with_columns(pl.all().dt.replace_time_zone("UTC"))
    frames = [times.with_columns(**{name: _column(item) for name, item in block.items()}) for block in blocks]
    whole = pl.concat(frames, how="diagonal_relaxed") if frames else times.clear()
    missing = [pl.lit(None).alias(name) for name in schema if name not in whole.columns]
    return whole.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in schema.items())


def _column(item: Any) -> pl.Series | pl.Expr:
    return pl.Series(item) if isinstance(item, np.ndarray) else pl.lit(item)
