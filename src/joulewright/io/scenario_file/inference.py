"""Inference services, checked against the regions and sites they refer to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.fields import did_you_mean
from joulewright.io.scenario_file.inference_profile import PROFILE_KEYS, read_profile
from joulewright.io.scenario_file.places import Places, by_accelerator, known_names
from joulewright.io.scenario_file.signals import SignalReader
from joulewright.io.scenario_file.tables import Table
from joulewright.model import InferenceService, Region, ServingPoint
from joulewright.model.timeline import FloatArray


def read_service(
    reader: SignalReader, table: Table, places: Places, regions: Mapping[str, Region | None]
) -> InferenceService | None:
    """An inference service; None after reporting why it cannot be built."""
    document = reader.document
    known_names(document, table, "sites", places.sites)
    demand = _demand(reader, table, regions)
    points = read_profile(reader, table, places) if "profile" in table.given else _given_points(document, table, places)
    if table.wrong or points is None:
        return None
    service = InferenceService(
        name=table.name,
        demand_token_s=demand,
        **points,
        latency_limit_ms=table["latency_limit"],
        sites=table["sites"],
        revenue_per_mtoken=table["revenue"],
        unserved_penalty_per_mtoken=table["unserved_penalty"],
    )
    if places.complete:
        _check_reach(
            document,
            table,
            service,
            places,
            [region for name, region in regions.items() if region is not None and name in demand],
        )
    return service


def _given_points(document: Document, table: Table, places: Places) -> dict[str, Any]:
    """Throughput and power as the file gives them, with exceptions by accelerator."""
    for key in PROFILE_KEYS & set(table.given):
        message = f"inference {table.name!r} gives {key}, which needs a profile"
        document.add("S014", table.at(key), message, help='add profile = "Llama-3.1-8B", or leave it out')
        table.wrong.add(key)
    for key, example in (("throughput", "2400 token/s"), ("active_power", "640 W")):
        if key not in table.given:
            message = f"inference {table.name!r} has no {key}"
            help = f'add {key} = "{example}", or a profile = "Llama-3.1-8B" of a language model'
            document.add("S003", table.path, message, help=help)
            table.wrong.add(key)
    serving = by_accelerator(document, table, "serving", places)
    if table.wrong:
        return {}
    return {
        "serving": _point(table),
        "serving_on": {name: _point(point) for name, point in serving.items() if not point.wrong},
    }


def _demand(reader: SignalReader, table: Table, regions: Mapping[str, Region | None]) -> dict[str, FloatArray]:
    demand: dict[str, FloatArray] = {}
    for region, signal in (table["demand"] or {}).items():
        if region not in regions:
            message = f"inference {table.name!r} has demand of region {region!r}, which does not exist"
            reader.document.add("S008", signal.path, message, help=did_you_mean(region, list(regions)))
            continue
        values = reader.read(signal)
        if values is not None:
            demand[region] = values
    return demand


def _check_reach(
    document: Document, table: Table, service: InferenceService, places: Places, regions: Iterable[Region]
) -> None:
    """Report regions whose demand must be served but which no site can serve."""
    hosts = {site for site, fleet in places.fleets if service.runs_on(fleet)}
    for region in regions:
        reached = any(service.reaches(site, region.latency_ms, region.residency) for site in hosts)
        if reached or service.unserved_penalty_per_mtoken is not None or not service.demand_token_s[region.name].any():
            continue
        message = (
            f"no site with a fleet can serve region {region.name!r} within the latency limit "
            f"{'' if service.latency_limit_ms is None else f'{service.latency_limit_ms:g} ms '}of {service.name!r}; "
            f"latencies are {dict(region.latency_ms)}"
        )
        help = "raise latency_limit, add region latencies, or give unserved_penalty"
        document.add("P011", table.at("latency_limit"), message, help=help)


def _point(table: Table) -> ServingPoint:
    return ServingPoint(throughput_token_s=table["throughput"], active_power_mw=table["active_power"])
