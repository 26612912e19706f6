"""What ``jw infer configure`` and ``pack`` do: choose how to serve, write, show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from joulewright.cli.infer_files import check_target, conclude, write_run
from joulewright.cli.infer_options import OutputOptions
from joulewright.cli.output import Output
from joulewright.study.inference_configuration import study_configuration
from joulewright.study.inference_deployment import read_catalogues
from joulewright.study.inference_need import read_need, request_of
from joulewright.study.inference_slices import mix_of, study_slices

_SPACE = ("accelerators", "precisions", "max_sequences", "token_budgets", "power_caps_fraction", "clock_fractions",
          "gpus_available", "constants")  # fmt: skip
_WEIGHING = ("minimise", "intensity", "requests", "seed", "column", "unit", "time_zone", "max_gap_h", "start")
_TABLES = {
    "service": ("model", "rate_per_s", "input_tokens", "output_tokens", "lengths", "ttft_s", "tpot_s", "quantile"),
    "space": (*_SPACE, "tensor_parallel", "slices"),
    "weighing": (*_WEIGHING, "price_per_kwh"),
}
_NEEDED = (("--model", "service", "model"), ("--rate", "service", "rate_per_s"),
           ("--accelerator", "space", "accelerators"))  # fmt: skip


def choose(need: Path | None, given: Mapping[str, Any], files: OutputOptions, output: Output) -> int:
    """Find, write and show the configurations; the exit status.

    Raises
    ------
    click.UsageError
        If there is neither a file nor a model and a rate.
    """
    check_target(files)
    document = _asked({} if need is None else read_need(need), given, _TABLES)
    for option, table, name in _NEEDED:
        if isinstance(document[table], Mapping) and name not in document[table]:
            raise click.UsageError(f"{option} is missing; give it, or a TOML file with {name} in the table {table}")
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


def pack(mix: Path, given: Mapping[str, Any], files: OutputOptions, output: Output) -> int:
    """Find, write and show slices for several services; the exit status."""
    check_target(files)
    document = _asked(read_need(mix), given, {"space": _SPACE, "weighing": _WEIGHING})
    catalogues = read_catalogues(files.models, files.own_accelerators)
    study = study_slices(mix_of(document, catalogues), catalogues=catalogues)
    facts = study.document()
    written = write_run("pack", facts, study.tables(), files)
    if output.json:
        return conclude(facts, written, output)
    from joulewright.report.infer_slices_terminal import slices_sentence, slices_tables

    output.data(slices_sentence(facts))
    return conclude(facts, written, output, tables=slices_tables(facts))


def _asked(
    document: Mapping[str, Any], given: Mapping[str, Any], tables: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    """Tables of a file with the options over them."""
    found = dict(document)
    for table, names in tables.items():
        own = {name: given[name] for name in names if given.get(name) not in (None, ())}
        if isinstance(found.get(table, {}), Mapping):
            found[table] = {**found.get(table, {}), **own}
    return found
