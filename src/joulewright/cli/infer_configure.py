"""What ``jw infer configure`` does: choose how to serve, write, show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from joulewright.cli.infer_files import check_target, conclude, write_run
from joulewright.cli.infer_options import OutputOptions
from joulewright.cli.output import Output
from joulewright.study.inference_configuration import read_need, request_of, study_configuration
from joulewright.study.inference_deployment import read_catalogues
from joulewright.study.inference_requests import IntensityReading

_TABLES = {
    "service": ("model", "rate_per_s", "input_tokens", "output_tokens", "lengths", "ttft_s", "tpot_s", "quantile"),
    "space": ("accelerators", "tensor_parallel", "precisions", "max_sequences", "token_budgets", "power_caps_fraction",
              "clock_fractions", "slices", "gpus_available"),
    "weighing": ("minimise", "intensity", "price_per_kwh", "requests", "seed", "reading"),
}  # fmt: skip
_READING = ("column", "unit", "time_zone", "start")


def choose(need: Path | None, given: Mapping[str, Any], files: OutputOptions, output: Output) -> int:
    """Find, write and show the configurations; the exit status.

    Raises
    ------
    click.UsageError
        If there is neither a file nor a model and a rate.
    """
    check_target(files)
    document: dict[str, Any] = {} if need is None else read_need(need)
    asked = {"rate_per_s": given["rate"], "ttft_s": given["ttft"], "tpot_s": given["tpot"], **given}
    reading = {name: given[name] for name in _READING if given[name] is not None}
    asked["reading"] = IntensityReading(**reading) if reading else None
    for table, names in _TABLES.items():
        own = {name: asked[name] for name in names if asked[name] not in (None, ())}
        document[table] = {**document.get(table, {}), **own}
    for option, table, name in (("--model", "service", "model"), ("--rate", "service", "rate_per_s"),
                                ("--accelerator", "space", "accelerators")):  # fmt: skip
        if name not in document[table]:
            raise click.UsageError(f"{option} is missing; give it, or a TOML file with {name} in the table {table}")
    if reading and "intensity" not in document["weighing"]:
        option = next(iter(reading)).replace("_", "-")
        raise click.UsageError(f"--{option} belongs to --intensity FILE, which is missing")
    catalogues = read_catalogues(files.models, files.own_accelerators)
    request = request_of(document, catalogues)
    study = study_configuration(request.service, request.space, request.weighing, catalogues=catalogues)
    facts = study.document()
    written = write_run("configure", facts, study.tables(), files)
    if output.json:
        return conclude(facts, written, output)
    from joulewright.report.infer_configuration_terminal import configuration_sentence, configuration_tables

    output.data(configuration_sentence(facts))
    return conclude(facts, written, output, tables=configuration_tables(facts))
