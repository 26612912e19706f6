"""``jw data describe``: what a series file, a scenario, a run or the installation contains."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from joulewright.cli.options import common, overrides
from joulewright.cli.output import Output, current
from joulewright.errors import DataError

_MANIFESTS = ("run.json", "study.json", "trajectory.json", "dag.json", "infer.json")


@click.group(name="data")
def command() -> None:
    """Describe a series file, a scenario's input, a run, or the shipped data."""


@command.command(name="describe")
@click.argument("target", metavar="[FILE|SCENARIO|RUN]", required=False, type=click.Path(path_type=Path))
@click.option("--time-zone", help="Zone of time stamps without an offset, e.g. Europe/Berlin.")
@overrides
@common
def describe(target: Path | None, time_zone: str | None, overrides: tuple[str, ...]) -> int:
    """Say what TARGET contains; without one, what ships with joulewright and under which licence."""
    output = current()
    if target is None:
        return _shipped(output)
    if target.is_dir():
        return _run(output, target)
    if target.suffix == ".toml":
        return _scenario(output, target, overrides)
    return _file(output, target, time_zone)


def _shipped(output: Output) -> int:
    from joulewright.io.templates import TEMPLATES

    package = json.loads(files("joulewright.data").joinpath("datapackage.json").read_text(encoding="utf-8"))
    output.data(f"{package['title']}: {package['description']}\n")
    output.table(["file", "content"], [[item["path"], item["title"]] for item in package["resources"]], text_columns=2)
    for heading, rows in (("licences", package["licenses"]), ("sources", package["sources"])):
        output.data(f"{heading}:\n" + "\n".join(f"  {row['title']}" for row in rows))
    output.table(["template of jw init", "content (synthetic series)"], list(TEMPLATES.items()), text_columns=2)
    return output.document({"shipped": package, "templates": dict(TEMPLATES)})


def _file(output: Output, path: Path, time_zone: str | None) -> int:
    from joulewright.cli.series_facts import describe_file

    facts = describe_file(path, time_zone=time_zone)
    time = facts["time"]
    output.data(f"{facts['file']}: {facts['rows']} rows, sha256 {facts['sha256'][:16]}")
    if facts["note"]:
        output.data(f"note: {facts['note']}")
    if time is None:
        output.data(f"no time axis: {facts['time_problem']}")
    else:
        output.data(
            f"time: column {time['column']}, step {time['step']}, {time['first']} to {time['last']}, "
            f"label {time['label']}, zone {time['time_zone']}, {time['missing_rows']} rows missing"
        )
    columns = facts["columns"]
    rows = [[column["name"], column["unit"] or "?", *map(_number, list(column.values())[2:])] for column in columns]
    output.table(["column", "unit", "missing", "min", "mean", "max"], rows)
    return output.document({"series": facts})


def _scenario(output: Output, path: Path, changes: tuple[str, ...]) -> int:
    from joulewright.cli.check import contents
    from joulewright.io.scenario_file import read_scenario

    facts = read_scenario(path, changes)
    what = contents(facts)
    output.data(f"{what['name']}: {what['start']} to {what['end']}, step {what['step_s']} s, {what['currency']}")
    series = [dict(item) for item in facts.provenance.get("series", ())]
    wanted = ("key", "file", "column", "unit", "rows", "interpolated")
    output.table(list(wanted), [[str(item.get(name, "")) for name in wanted] for item in series], text_columns=4)
    return output.document({"scenario": what, "series": series, "provenance": facts.provenance})


def _run(output: Output, path: Path) -> int:
    manifest = next((name for name in _MANIFESTS if (path / name).is_file()), None)
    if manifest is None:
        raise DataError(f"{path} is a folder without run.json, so it is no run; give a file, a scenario or a run")
    document: dict[str, Any] = json.loads((path / manifest).read_text(encoding="utf-8"))
    parts = sorted(item for item in path.rglob("*") if item.is_file())
    for key in ("name", "kind", "command", "written"):
        if key in document:
            output.data(f"{key}: {document[key]}")
    output.table(["file", "bytes"], [[str(item.relative_to(path)), f"{item.stat().st_size:,}"] for item in parts])
    return output.document({"run": document, "files": [str(item.relative_to(path)) for item in parts]})


def _number(value: float | int | None) -> str:
    return "-" if value is None else f"{value:,.6g}"
