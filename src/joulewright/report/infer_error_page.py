"""Reports of calibrations and validations: predicted against measured, errors by group, fitted constants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from joulewright.report.boxes import Finding, finding_list, sentence_list, tile
from joulewright.report.document import Masthead, Section
from joulewright.report.figure import Figures
from joulewright.report.infer_charts import Axis, provenance, xy_chart, xy_series
from joulewright.report.infer_error_terminal import (
    CONSTANT_HEADER,
    ERROR_HEADER,
    GROUP_HEADER,
    constant_rows,
    error_rows,
    group_rows,
)
from joulewright.report.infer_figures import duration, joules
from joulewright.report.markup import Markup, element, table
from joulewright.report.numbers import percent, plural, quantity, signed, whole
from joulewright.report.palette import site_key

Tables = Mapping[str, pl.DataFrame]
Document = Mapping[str, Any]
_MOST_MODELS, _MOST_ROWS = 9, 400
_PLOTS = (
    ("power_w", "power", Axis(name="Power of an accelerator", unit="W"), 1.0),
    ("iteration_s", "time", Axis(name="Step time", unit="ms", log=True), 1e3),
    ("energy_per_output_token_j", "energy", Axis(name="Energy per output token", unit="J", log=True), 1.0),
)
_GOOD = 0.10


def error_masthead(document: Document) -> Masthead:
    """Top of the page."""
    measured = document["measurements"]
    kind = "calibration" if document["kind"] == "calibrate" else "validation"
    models = plural(len(measured["models"]), "model")
    facts = (f"{plural(measured['runs'], 'run')} of {models} on {', '.join(measured['accelerators'])}",
             measured["source"])  # fmt: skip
    return Masthead(kind=f"{kind} of serving predictions", name=_title(document), facts=facts, badges=[])


def _title(document: Document) -> str:
    if document["kind"] == "calibrate":
        return f"{document['name']}: {document['accelerator']}"
    return f"Constants: {document['constants']}"


def error_sections(document: Document, tables: Tables, figures: Figures) -> list[Section]:
    """Every section in reading order."""
    runs = tables["runs"]
    fitted = _constants(document) if document["kind"] == "calibrate" else []
    return [
        Section(name="decision", title="Result", content=_result(document)),
        Section(name="validity", title="Validity", content=_validity(document)),
        Section(name="parity", title="Predicted against measured", content=_parity(document, runs, figures)),
        Section(name="baseline", title="Power from operations alone", content=_baseline(runs, figures)),
        Section(name="groups", title="Errors by group", content=_groups(document)),
        Section(name="constants", title="Constants", content=fitted),
        Section(name="runs", title="Runs", content=[_runs(runs)]),
        Section(name="sources", title="Provenance", content=provenance(document, _sources(document))),
    ]


def _kinds(document: Document) -> list[Mapping[str, Any]]:
    return [row for row in document["groups"] if row["grouping"] == "kind"]


def _result(document: Document) -> list[Markup]:
    kinds = _kinds(document)
    said = [
        f"{_kind_name(row['kind'])}: power {percent(row['power_error'])}, time {percent(row['time_error'])}, energy "
        f"per token {percent(row['energy_error'])} off on average"
        for row in kinds
    ]
    tiles = [
        tile(f"{name}, {_kind_name(row['kind']).lower()}", percent(row[key]), f"{whole(row['runs'])} runs")
        for row in kinds
        for name, key in (("Power", "power_error"), ("Time", "time_error"), ("Energy", "energy_error"))
    ]
    return [
        element("p", f"{'; '.join(said)}.", class_="headline"),
        element("p", "Means of the absolute relative errors.", class_="lead"),
        element("dl", tiles, class_="tiles"),
    ]


def _kind_name(kind: str) -> str:
    return "Dense models" if kind == "dense" else "Models with experts"


def _validity(document: Document) -> list[Markup]:
    findings = [_held_out(document)]
    for row in _kinds(document):
        worst = max(row["power_error"], row["time_error"], row["energy_error"])
        findings.append(
            Finding(
                mood="good" if worst <= _GOOD else "warn",
                title=_kind_name(row["kind"]),
                text=f"Largest of the three errors {percent(worst)}, over {whole(row['runs'])} runs.",
            )
        )
    notes = list(document["notes"])
    return [finding_list(findings), *([sentence_list(notes)] if notes else [])]


def _held_out(document: Document) -> Finding:
    if document["kind"] == "calibrate":
        if document["held_out"]:
            methods = {row["method"] for row in document["errors"]}
            text = f"Every run is predicted by a fit that has not seen it: {', '.join(sorted(methods))}."
            return Finding(mood="good", title="Errors on runs that were not fitted", text=text)
        text = "The runs were fitted, so that other runs will show larger errors."
        return Finding(mood="warn", title="Errors on fitted runs", text=text)
    words = {
        "none": "Predictions use none of the measured runs.",
        "model": "Predictions of a run use no run of its model.",
        "batch": "Predictions of a run use no run of its configuration and batch.",
    }
    return Finding(mood="good", title="No run is predicted from itself", text=words[document["leave_out"]])


def _parity(document: Document, runs: pl.DataFrame, figures: Figures) -> list[Markup]:
    by = "model" if runs["model"].n_unique() <= _MOST_MODELS else "kind"
    names = runs[by].unique(maintain_order=True).to_list()
    charts = []
    for column, name, axis, factor in _PLOTS:
        series = []
        for place, name_of in enumerate(names):
            own = runs.filter(pl.col(by) == name_of)
            series.append(
                xy_series(
                    site_key(place),
                    name_of.split("/")[-1],
                    own[f"measured_{column}"] * factor,
                    own[f"predicted_{column}"] * factor,
                    mode="points",
                    names=[_run_name(row) for row in own.iter_rows(named=True)],
                )
            )
        rows = [
            [f"{level} %", percent(float(runs[f"error_{column}"].abs().quantile(level / 100.0) or 0.0))]
            for level in (10, 25, 50, 75, 90, 95, 100)
        ]
        axes = (_axis(axis, "measured"), _axis(axis, "predicted"))
        charts.append(
            xy_chart(
                f"parity-{name}",
                axes,
                series,
                figures,
                title=axis.name,
                caption="Dashed is what exact predictions would be." if name == "power" else None,
                table=table(f"Absolute relative error: {axis.name.lower()}", ["Share of runs", "Error up to"], rows),
                diagonal=True,
                tall=420,
            )
        )  # fmt: skip
    return [element("p", "Point at a run for its name.", class_="lead"), element("div", charts, class_="figures pairs")]


def _axis(axis: Axis, which: str) -> Axis:
    return Axis(name=f"{axis.name}, {which}", unit=axis.unit, log=axis.log)


def _run_name(row: Mapping[str, Any]) -> str:
    return f"{row['model']} {row['precision']}, {row['gpus']} GPU, {row['sequences']:.4g} sequences, {row['level']}"


def _baseline(runs: pl.DataFrame, figures: Figures) -> list[Markup]:
    """Relative power errors against batch, beside those of a model that knows operations only."""
    known = runs.drop_nulls("mfu_power_w")
    if known.is_empty():
        return []
    series = [
        xy_series("export", "operations alone", known["sequences"], 100.0 * known["error_mfu_power_w"], mode="points"),
        xy_series("inference", "prediction", runs["sequences"], 100.0 * runs["error_power_w"], mode="points"),
    ]
    means = [
        ["prediction", percent(float(runs["error_power_w"].abs().mean() or 0.0))],  # type: ignore[arg-type]
        ["operations alone", percent(float(known["error_mfu_power_w"].abs().mean() or 0.0))],  # type: ignore[arg-type]
    ]
    chart = xy_chart(
        "baseline",
        (Axis(name="Batch", unit="sequences", log=True), Axis(name="Error of power", unit="%")),
        series,
        figures,
        title="Error of power against batch",
        caption="Power from the share of peak operations alone, as earlier work has it, knows nothing of the memory "
        "traffic that decoding mostly is.",
        table=table("Mean absolute error of power", ["Model", "Error"], means),
    )
    return [chart]


def _groups(document: Document) -> list[Markup]:
    groupings = (("level", "By predictor"), ("configuration", "By model, precision, accelerators and workload"))
    return [table(title, GROUP_HEADER, group_rows(document, name), text=(0, 1, 3)) for name, title in groupings]


def _constants(document: Document) -> list[Markup]:
    parts = [table(f"Constants of {document['accelerator']}", CONSTANT_HEADER, constant_rows(document))]
    if document["errors"]:
        parts.insert(0, table("Held-out and fitted errors", ERROR_HEADER, error_rows(document), text=(0, 1)))
    return parts


def _runs(runs: pl.DataFrame) -> Markup:
    left = f"; the first {_MOST_ROWS} of {whole(runs.height)}" if runs.height > _MOST_ROWS else ""
    header = [
        "Model",
        "Row",
        "Accelerators",
        "Batch",
        "Predictor",
        "Time",
        "Error",
        "Power",
        "Error",
        "Energy",
        "Error",
    ]
    rows = []
    for row in runs.head(_MOST_ROWS).iter_rows(named=True):
        cells = [row["model"], str(row["row"]), str(row["gpus"]), f"{row['sequences']:.4g}", row["level"]]
        shows = (("iteration_s", duration), ("power_w", _watts), ("energy_per_output_token_j", joules))
        for name, show in shows:
            error = row[f"error_{name}"]
            cells += [show(row[f"measured_{name}"]), signed(percent(error), error)]
        rows.append(cells)
    return table(f"Measured runs, and how far predictions are off{left}", header, rows, text=(0, 4))


def _watts(value: float) -> str:
    return quantity(value, "W")


def _sources(document: Document) -> list[tuple[str, str]]:
    measured = document["measurements"]
    facts = [("Measurements", measured["source"]), ("SHA-256 of the measurements", measured["sha256"])]
    references = document.get("references")
    if references:
        facts += [("References", references["source"]), ("SHA-256 of the references", references["sha256"])]
    return facts
