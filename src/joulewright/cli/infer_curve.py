"""What ``jw infer curve`` does: steady states side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joulewright.cli.infer_files import check_target, conclude, write_run
from joulewright.cli.infer_options import DeploymentOptions, OutputOptions
from joulewright.cli.output import Output
from joulewright.physics.inference.steady import RequestShape
from joulewright.study.inference_curve import CurveLimits, study_curves
from joulewright.study.inference_deployment import read_catalogues


def find_curves(
    accelerators: Sequence[str],
    given: DeploymentOptions,
    *,
    asked: Mapping[str, Any],
    files: OutputOptions,
    output: Output,
) -> int:
    """Find, write and show the curves; the exit status."""
    check_target(files)
    shape = RequestShape(**{key: asked[key] for key in ("input_tokens", "output_tokens", "length_factor")})
    limits = CurveLimits(**{key: asked[key] for key in ("max_sequences", "token_budget", "points")})
    catalogues = read_catalogues(files.models, files.own_accelerators)
    study = study_curves([given.choice(name) for name in accelerators], shape, limits=limits, catalogues=catalogues)
    facts = study.document()
    written = write_run("curve", facts, study.tables(), files)
    if output.json:
        return conclude(facts, written, output)
    from joulewright.report.infer_terminal import curve_tables

    return conclude(facts, written, output, tables=curve_tables(facts))
