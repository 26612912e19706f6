"""What every command of ``jw infer`` does before and after its work: check the target, write, show, say."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from joulewright.cli.infer_options import OutputOptions
from joulewright.cli.options import check_writable
from joulewright.cli.output import Output, plain
from joulewright.study.inference_folder import infer_manifest, refuse_infer_target, write_infer_folder

if TYPE_CHECKING:
    from rich.table import Table


def check_target(options: OutputOptions) -> None:
    """Refuse early a folder that could not be written.

    Raises
    ------
    DataError
        If it is a file, holds something else or may not be written to.
    """
    if options.folder is not None:
        check_writable(options.folder, purpose="the run")
        refuse_infer_target(options.folder)


def write_run(
    kind: str,
    facts: Mapping[str, Any],
    tables: Mapping[str, pl.DataFrame],
    options: OutputOptions,
    *,
    calibration: Mapping[str, Any] | None = None,
) -> list[str]:
    """Write the folder that was asked for, with its report; the paths written."""
    if options.folder is None:
        return []
    manifest, report = infer_manifest(kind, plain(facts), command=sys.argv), None
    if options.report:
        from joulewright.report.infer_page import render_infer_report

        report = render_infer_report(manifest, tables)
    folder = write_infer_folder(options.folder, manifest, tables, report=report, calibration=calibration)
    return [str(folder), *([] if report is None else [str(folder / "report.html")])]


def conclude(
    facts: Mapping[str, Any], written: Sequence[str | Path], output: Output, *, tables: Sequence[Table] = ()
) -> int:
    """Show tables, notes and what was written; the exit status."""
    for table in tables:
        output.show(table)
    for note in facts.get("notes", ()):
        output.say(f"note: {note}")
    for path in written:
        output.say(f"written: {path}")
    return output.document({**facts, "written": [str(path) for path in written]})
