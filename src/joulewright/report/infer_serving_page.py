"""Report of a serving simulation: latencies, power over time, energy by phase and tenant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from joulewright.model.timeline import FloatArray
from joulewright.report.boxes import Finding, finding_list, sentence_list, tile
from joulewright.report.document import Masthead, Section, badge
from joulewright.report.figure import Chart, Figures, LegendEntry, panel
from joulewright.report.infer_charts import (
    Axis,
    distribution,
    elapsed_axis,
    flag_findings,
    predictor_finding,
    provenance,
    spans_decades,
    xy_chart,
    xy_series,
)
from joulewright.report.infer_facts import budget_uses, fleet_text, run_facts, settings_facts
from joulewright.report.infer_figures import duration, grams, joules, kilowatt_hours, optional
from joulewright.report.infer_terminal import (
    LATENCY_NAMES,
    energy_header,
    energy_rows,
    latency_rows,
    tenant_header,
    tenant_rows,
)
from joulewright.report.markup import Child, Markup, element, table
from joulewright.report.numbers import number, percent, plural, quantity, whole

Tables = Mapping[str, pl.DataFrame]
Document = Mapping[str, Any]
_PHASES = {"host": "fixed", "decode": "inference", "prefill": "training", "idle": "work", "loading": "solar",
           "off": "export"}  # fmt: skip
"""Colour of each phase, in the order in which they are piled up."""
_PIECES = 480
_LEAST_PART = 1e-6
"""Parts of a bin below this are rounding."""
_WIDTHS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
_TABLE_ROWS = 24
_MOST_TENANTS = 100


def serving_masthead(document: Document) -> Masthead:
    """Top of the page."""
    requests, deployment = document["requests"], document["deployment"]
    facts = (
        f"{deployment['model']} on {fleet_text(document)}, {document['router']}",
        f"{plural(requests['requests'], 'request')} over {duration(requests['span_s'])}: {requests['source']}",
        *(f"{name.capitalize()}: {text}" for name, text in settings_facts(document)),
    )
    made_up = [what for what, is_so in (("requests", requests["kind"] != "file"),
               ("carbon intensity", (document["carbon_intensity"] or {}).get("synthetic"))) if is_so]  # fmt: skip
    badges = [badge(f"made-up {' and '.join(made_up)}", "warn")] if made_up else [badge("recorded requests", "good")]
    return Masthead(kind="serving simulation", name=deployment["model"], facts=facts, badges=badges)


def serving_sections(document: Document, tables: Tables, figures: Figures) -> list[Section]:
    """Every section in reading order."""
    trust = "How far the figures can be trusted."
    tenants = document["tenants"]
    return [
        Section(name="decision", title="Result", content=_result(document)),
        Section(name="validity", title="Validity", content=_validity(document), lead=trust),
        Section(name="latency", title="Latency", content=_latency(document, tables, figures)),
        Section(name="power", title="Power over time", content=_power(document, tables, figures)),
        Section(name="energy", title="Energy", content=_energy(document, figures)),
        Section(name="tenants", title="Tenants", content=_tenants(document) if len(tenants) > 1 else []),
        Section(name="sources", title="Provenance", content=provenance(document, _sources(document))),
    ]


def _result(document: Document) -> list[Markup]:
    figures = document["figures"]
    per_token = _total(document)["per_output_token_j"]
    served, offered = document["served"], figures["requests"]
    answered = (
        f"{whole(served)} of {plural(int(offered), 'request')}"
        if served != offered
        else f"All {whole(offered)} requests"
        if served > 1
        else "The one request"
    )
    energy = "" if per_token is None else f" with {joules(per_token)} per output token"
    text = (
        f"{answered} {'is' if offered == 1 else 'are'} answered by {fleet_text(document)}{energy}, "
        f"{quantity(figures['mean_power_w'], 'W')} on average."
    )
    lead = "Energy holds accelerators, idle ones included, and their share of the servers."
    return [
        element("p", text, class_="headline"),
        element("p", lead, class_="lead"),
        element("dl", list(_tiles(document)), class_="tiles"),
    ]


def _tiles(document: Document) -> Iterator[Markup]:
    figures, total = document["figures"], _total(document)
    for row in document["latencies"]:
        note = None if row["p99_s"] is None else f"99 % within {duration(row['p99_s'])}"
        yield tile(LATENCY_NAMES[row["latency"]].capitalize(), optional(row["mean_s"], duration), note)
    yield tile("Energy", kilowatt_hours(total["energy_kwh"]), f"mean {quantity(figures['mean_power_w'], 'W')}")
    yield tile("Per output token", optional(total["per_output_token_j"], joules))
    if total["carbon_g"] is not None:
        mean = document["carbon_intensity"]["mean_g_per_kwh"]
        yield tile("Carbon", grams(total["carbon_g"]), f"at {quantity(mean, 'g/kWh')} on average")
    if total["water_l"] is not None:
        yield tile("Water", quantity(total["water_l"], "L"))
    if _has_objectives(document):
        yield tile("Objectives met", optional(figures["met_fraction"], percent), "of all requests")
    if document["cached_fraction"] is not None:
        yield tile("Found in the cache", percent(document["cached_fraction"]), "of the prompt tokens")
    for name, used, text in budget_uses(document):
        yield tile(f"{name.capitalize()} budget", used, text)


def _has_objectives(document: Document) -> bool:
    return any(value is not None for value in document["options"]["objectives"].values())


def _total(document: Document) -> Mapping[str, Any]:
    found: Mapping[str, Any] = document["energy"][-1]
    return found


def _validity(document: Document) -> list[Markup]:
    standings = [item for item in (document["standing"], document["decode_standing"]) if item is not None]
    distinct = list({item["constants"]: item for item in standings}.values())
    findings = [predictor_finding(item) for item in distinct] + list(_findings(document))
    findings += [finding for item in distinct for finding in flag_findings(item)]
    notes = list(document["notes"])
    return [finding_list(findings), *([sentence_list(notes)] if notes else [])]


def _findings(document: Document) -> Iterator[Finding]:
    requests, over = document["requests"], document["overload"]
    if requests["kind"] == "generated":
        yield Finding(mood="warn", title="The requests are made up", text=f"Drawn from {requests['source']}.")
    elif requests["kind"] == "demand":
        text = f"Arrivals and lengths are drawn; their rate is that of {requests['source']}."
        yield Finding(mood="warn", title="The requests are drawn from a demand", text=text)
    else:
        yield Finding(mood="good", title="Recorded requests", text=f"From {requests['source']}.")
    refused = sum(document["refusals"].values())
    if over is None and not refused:
        yield Finding(mood="good", title="Capacity suffices", text="Replicas are not busy all the time with a backlog.")
    elif over is not None:
        yield Finding(
            mood="bad",
            title="Demand is above capacity",
            text=f"{percent(over['served_fraction'])} of the requests are answered when the last arrives; about "
            f"{whole(over['needed_replicas'])} replicas would keep up. Latencies grow with the length of the trace.",
        )
    if refused:
        reasons = ", ".join(f"{whole(count)} {reason}" for reason, count in document["refusals"].items())
        share = percent(refused / document["figures"]["requests"])
        title = f"{plural(refused, 'request')} refused"
        text = f"{share} of all, by reason: {reasons}." + (
            " Times are those of the others." if document["served"] else ""
        )
        yield Finding(mood="warn" if document["served"] else "bad", title=title, text=text)


def _latency(document: Document, tables: Tables, figures: Figures) -> list[Markup]:
    charts = []
    limits = document["options"]["objectives"]
    for key, title in LATENCY_NAMES.items():
        values, share = _latencies(document, tables, key)
        if values.size == 0:
            continue
        unit, factor = ("ms", 1e3) if float(np.interp(50.0, share, values)) < 0.5 else ("s", 1.0)
        shown = (values * factor).tolist()
        # A line over one value, or over equal ones, has no length or no width.
        series = [xy_series("inference", title, shown, share, mode="line" if len(set(shown)) > 1 else "points")]
        limit = limits[f"{key}_s"]
        if limit is not None:
            series.append(xy_series("generator", "objective", [limit * factor] * 2, [0.0, 100.0], dashed=True))
        levels = [(level, float(np.interp(level, share, values))) for level in (1, 10, 25, 50, 75, 90, 95, 99, 100)]
        charts.append(
            xy_chart(
                f"cdf-{key}",
                (Axis(name=title.capitalize(), unit=unit, log=spans_decades(shown)), Axis(name="Requests", unit="%")),
                series,
                figures,
                title=title.capitalize(),
                table=table(
                    f"Share of the requests with at most this {title}",
                    ["Share", title.capitalize()],
                    [[f"{level} %", duration(value)] for level, value in levels],
                ),
            )
        )
    if not charts:
        return [element("p", "No request was answered.")]
    listed = table("Latency of answered requests", ["", "Mean", "p50", "p90", "p99"], latency_rows(document))
    return [element("div", charts, class_="figures pairs"), listed]


def _latencies(document: Document, tables: Tables, key: str) -> tuple[FloatArray, FloatArray]:
    """Latencies from the least to the greatest [s] and the share of requests up to each [%], shape ``(P,)``."""
    if "requests" in tables:
        values, share = distribution(tables["requests"][f"{key}_s"].drop_nulls().to_numpy())
        return np.array(values), np.array(share)
    pairs = np.array(document["distributions"][key], dtype=np.float64).reshape(-1, 2)
    return pairs[:, 1], 100.0 * pairs[:, 0]


def _power(document: Document, tables: Tables, figures: Figures) -> list[Markup]:
    series = tables["series"]
    bin_s = float(document["options"]["bin_s"])
    width = piece_bins(series.height)
    step_s, pieces = bin_s * width, -(-series.height // width)
    last = 1.0 - (series.height - (document["span_s"][1] - document["span_s"][0]) / bin_s)
    powers = {name: _thinned(series[f"{name}_w"].to_numpy(), width, last) for name in _PHASES}
    used = {name: values for name, values in powers.items() if values.max(initial=0.0) > 0.0}
    total = np.asarray(sum(used.values(), np.zeros(pieces)))
    unit, factor = _power_unit(float(total.max(initial=0.0)))
    layers = [figures.series(_PHASES[name], name, values * factor, area=1.0) for name, values in used.items()]
    panels = [panel("Power", unit, height=230, series=layers)]
    header, columns = ["Time", "Power"], []
    if "requests" in tables:
        running = _in_system(tables["requests"], step_s, pieces)
        above = [figures.series("price", "requests in the system", running)]
        panels.append(panel("Requests in the system", "requests", height=110, series=above))
        header, columns = [*header, "Requests in the system"], [running]
    rows = [
        [duration(step * step_s), quantity(float(total[step]), "W"), *(number(float(item[step])) for item in columns)]
        for step in np.linspace(0, pieces - 1, min(pieces, _TABLE_ROWS)).round().astype(int)
    ]
    chart = Chart(
        name="power",
        kind="lanes",
        title="Power by phase" + (", and requests in the system" if columns else ""),
        label="Power of all replicas by phase piled up over time"
        + (", and requests that wait or run." if columns else "."),
        caption=f"Means over {duration(step_s)}. Replicas without work draw idle power; the share of the servers is "
        "host. The time since the beginning of the trace is on the axis.",
        views=[{"name": "", "axis": elapsed_axis(step_s, pieces), "panels": panels}],
        legend=[LegendEntry(key=_PHASES[name], name=name) for name in used],
        table=table("Power over time", header, rows),
    )  # fmt: skip
    return [figures.add(chart)]


def piece_bins(bins: int) -> int:
    """Bins that are drawn as one, so that few enough remain and their edges are round times.

    Examples
    --------
    >>> piece_bins(400), piece_bins(3500), piece_bins(10**9)
    (1, 10, 2083334)
    """
    return next((width for width in _WIDTHS if bins <= width * _PIECES), -(-bins // _PIECES))


def _thinned(values: FloatArray, width: int, last: float = 1.0) -> FloatArray:
    """Means of ``width`` values each; the last group may be shorter, and of the last bin only a part be in the run."""
    first = np.arange(0, values.size, width)
    sizes = np.minimum(width, values.size - first).astype(np.float64)
    sizes[-1] -= 1.0 - min(max(last, 0.0), 1.0) if last > _LEAST_PART else 0.0
    means: FloatArray = np.add.reduceat(values, first) / sizes
    return means


def _in_system(requests: pl.DataFrame, step_s: float, pieces: int) -> FloatArray:
    """Mean number of answered requests between arrival and end in each piece."""
    known = requests.drop_nulls("finish_s")
    edges: FloatArray = np.arange(pieces + 1, dtype=np.float64) * step_s
    gone = [_time_since(known[name].to_numpy(), edges) for name in ("arrival_s", "finish_s")]
    found: FloatArray = (np.diff(gone[0]) - np.diff(gone[1])) / step_s
    return np.maximum(found, 0.0)


def _time_since(times: FloatArray, edges: FloatArray) -> FloatArray:
    """Sum over events of the time since each, at every edge."""
    ordered = np.sort(times)
    count = np.searchsorted(ordered, edges, side="right")
    sums: FloatArray = count * edges - np.concatenate([[0.0], np.cumsum(ordered)])[count]
    return sums


def _power_unit(most_w: float) -> tuple[str, float]:
    return next(item[1:] for item in ((2e6, "MW", 1e-6), (5e3, "kW", 1e-3), (-1.0, "W", 1.0)) if most_w > item[0])


def _energy(document: Document, figures: Figures) -> list[Markup]:
    rows = [row for row in document["energy"][:-1] if row["energy_kwh"] > 0.0]
    most = max((row["energy_kwh"] for row in rows), default=0.0)
    unit, factor = ("Wh", 1e3) if most < 1.0 else ("kWh", 1.0)
    names = [row["phase"] for row in rows]
    shown = [row["energy_kwh"] * factor for row in rows]
    chart = Chart(
        name="energy",
        kind="bars",
        title=f"Energy by phase [{unit}]",
        label=f"Bars of the energy of each phase in {unit}.",
        caption="A step's energy is split between prompts and answers by the bytes and operations of each; weights and "
        "the power without traffic are shared by tokens.",
        views=[{"name": "", "categories": names, "series": [
            {"key": "inference", "name": "Energy", "values": shown, "keys": [_PHASES[name] for name in names]}]}],
        settings={"unit": unit},
        table=table("Energy, carbon and water by phase", energy_header(document), energy_rows(document)),
        opened=True,
    )  # fmt: skip
    return [figures.add(chart)] if rows else [element("p", "No energy was used.")]


def _tenants(document: Document) -> list[Markup]:
    rows = tenant_rows(document)
    left = f"; the first {_MOST_TENANTS} of {whole(len(rows))}" if len(rows) > _MOST_TENANTS else ""
    caption = f"Tenants: requests, mean latencies and the energy of their steps{left}"
    return [table(caption, tenant_header(document), rows[:_MOST_TENANTS])]


def _sources(document: Document) -> Iterator[tuple[str, Child]]:
    requests, carbon, deployment = document["requests"], document["carbon_intensity"], document["deployment"]
    yield "Requests", requests["source"]
    if requests["sha256"]:
        yield "SHA-256 of the requests", requests["sha256"]
    if carbon is not None:
        yield "Carbon intensity", carbon["source"]
        if carbon["sha256"]:
            yield "SHA-256 of the intensity", carbon["sha256"]
    yield "Model", f"{deployment['model']}, {deployment['precision']}, {number(deployment['weight_gb'])} GB of weights"
    yield "Cache", f"{whole(deployment['kv_capacity_tokens'])} tokens, {deployment['kv_precision']}"
    yield from ((name.capitalize(), text) for name, text in run_facts(document))
