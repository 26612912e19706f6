"""What ``jw infer calibrate`` and ``validate`` do: read measured runs, fit or compare, write, show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from joulewright.cli.infer_files import check_target, conclude, write_run
from joulewright.cli.infer_options import OutputOptions
from joulewright.cli.options import check_writable
from joulewright.cli.output import Output
from joulewright.io.language_model_file import write_calibration
from joulewright.study.inference_calibration import read_measured, study_calibration, study_validation
from joulewright.study.inference_deployment import read_catalogues


def fit(
    measurements: Path,
    accelerator: str | None,
    *,
    name: str,
    held_out: bool,
    files: OutputOptions,
    output: Output,
) -> int:
    """Fit constants, write and show them with their errors; the exit status."""
    alone = files.folder is not None and files.folder.suffix == ".json"
    if alone and files.folder is not None:
        check_writable(files.folder.parent, purpose="the folder of the calibration")
    else:
        check_target(files)
    catalogues = read_catalogues(files.models, files.own_accelerators)
    measured = read_measured(measurements, catalogues=catalogues, accelerator=accelerator)
    study = study_calibration(measured, name=name, held_out=held_out)
    facts, written = study.document(), []
    if alone and files.folder is not None:
        write_calibration(files.folder, study.calibration)
        written = [str(files.folder)]
    else:
        written = write_run("calibrate", facts, study.tables(), files, calibration=study.calibration.as_dict())
    if output.json:
        return conclude(facts, written, output)
    from joulewright.report.infer_error_terminal import calibration_tables

    return conclude(facts, written, output, tables=calibration_tables(facts))


def compare(
    measurements: Path,
    constants: str | None,
    references: Path | None,
    *,
    accelerator: str | None,
    leave_out: str,
    files: OutputOptions,
    output: Output,
) -> int:
    """Compare predictions with measured runs, write and show the errors; the exit status."""
    check_target(files)
    catalogues = read_catalogues(files.models, files.own_accelerators)
    measured = read_measured(measurements, catalogues=catalogues, accelerator=accelerator)
    others = None if references is None else read_measured(references, catalogues=catalogues)
    chosen: Any = leave_out
    study = study_validation(measured, constants=constants, references=others, leave_out=chosen)
    facts = study.document()
    written = write_run("validate", facts, study.tables(), files)
    if output.json:
        return conclude(facts, written, output)
    from joulewright.report.infer_error_terminal import validation_tables

    return conclude(facts, written, output, tables=validation_tables(facts))
