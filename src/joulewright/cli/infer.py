"""``jw infer``: what serving a language model takes, in time, power and carbon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from joulewright.cli.infer_options import (
    DeploymentOptions,
    OutputOptions,
    ServingGiven,
    catalogue_options,
    configure_options,
    deployment_options,
    file_options,
    length_options,
    pack_options,
    serving_options,
    taken,
)
from joulewright.cli.options import common
from joulewright.cli.output import current


@click.group(name="infer")
def command() -> None:
    """Serve language models: simulate, choose and calibrate latency, power and energy."""


@command.command(name="simulate")
@click.argument("trace", metavar="TRACE")
@click.option("--accelerator", required=True, metavar="NAME", help="Name in the catalogue; 2xH100-SXM shares each "
              "layer between two.")  # fmt: skip
@deployment_options
@serving_options
@catalogue_options
@file_options
@common
def simulate(trace: str, accelerator: str, **given: Any) -> int:
    """Serve the requests of TRACE with continuous batching.

    TRACE is a file (Azure, Mooncake, vLLM log, CSV or Parquet with arrival_s, input_tokens, output_tokens) or
    poisson:rate=5,input=500,output=250,requests=10000,seed=1 with the kinds poisson, even and bursts. A file of
    requests per second or per step over time is demand:FILE,input=500,output=250,seed=1, and a constant rate
    demand:rate=5,hours=24.
    """
    from joulewright.cli.infer_simulate import serve

    deployment, serving = taken(DeploymentOptions, given), taken(ServingGiven, given)
    files = taken(OutputOptions, given)
    return serve(trace, accelerator, given=deployment, serving=serving, files=files, output=current())


@command.command(name="curve")
@click.option("--accelerator", "accelerators", required=True, multiple=True, metavar="NAME", help="Name in the "
              "catalogue, or 2xH100-SXM. Repeatable.")  # fmt: skip
@click.option("--max-sequences", type=click.IntRange(min=1), default=256, show_default=True)
@click.option("--token-budget", type=click.IntRange(min=1), default=2048, show_default=True)
@click.option("--points", type=click.IntRange(2, 100_000), default=200, show_default=True, help="Rates to look at.")
@length_options
@deployment_options
@catalogue_options
@file_options
@common
def curve(accelerators: tuple[str, ...], **given: Any) -> int:
    """Find power, energy per token and latencies against rate and batch in steady state.

    Several accelerators stand side by side.
    """
    from joulewright.cli.infer_curve import find_curves

    deployment, files = taken(DeploymentOptions, given), taken(OutputOptions, given)
    return find_curves(accelerators, deployment, asked=given, files=files, output=current())


@command.command(name="configure")
@click.argument("need", required=False, type=click.Path(path_type=Path))
@configure_options
@catalogue_options
@file_options
@common
def configure(need: Path | None, **given: Any) -> int:
    """Choose accelerators, parallelism, limits, caps and replicas for a service.

    NEED is a TOML file with the tables service, space and weighing; options replace what it says. Every configuration
    that is returned was simulated hour by hour and keeps the objectives.
    """
    from joulewright.cli.infer_configure import choose

    files = taken(OutputOptions, given)
    return choose(need, given, files, current())


@command.command(name="pack")
@click.argument("mix", metavar="MIX", type=click.Path(path_type=Path))
@pack_options
@catalogue_options
@file_options
@common
def pack(mix: Path, **given: Any) -> int:
    """Cut accelerators into slices for several services.

    MIX is a TOML file with a table [[service]] for each, and the tables space and weighing; options replace what these
    two say. Every slice that is returned was simulated at its share of the busiest hour and keeps the objectives.
    """
    from joulewright.cli.infer_configure import pack as cut

    files = taken(OutputOptions, given)
    return cut(mix, given, files, current())


@command.command(name="calibrate")
@click.argument("measurements", type=click.Path(path_type=Path))
@click.option("--accelerator", metavar="NAME", help="Only runs on this one.")
@click.option("--name", default="calibrated", show_default=True, help="Name of the fitted set.")
@click.option("--held-out/--no-held-out", default=True, help="Find the error on runs that were not fitted, with one "
              "fit for each model.")  # fmt: skip
@catalogue_options
@file_options
@common
def calibrate(measurements: Path, accelerator: str | None, name: str, held_out: bool, **given: Any) -> int:
    """Fit the constants of an accelerator to measured runs.

    MEASUREMENTS is a CSV file with model, accelerator, sequences, output_tokens, iteration_s (or iteration_ms) and
    power_w (or total_power_w), or rows of the ML.ENERGY benchmark. -o writes a folder with calibration.json, or that
    file alone where the name ends in .json; --constants of simulate, curve and validate takes both.
    """
    from joulewright.cli.infer_calibrate import fit

    files = taken(OutputOptions, given)
    return fit(measurements, accelerator, name=name, held_out=held_out, files=files, output=current())


@command.command(name="validate")
@click.argument("measurements", type=click.Path(path_type=Path))
@click.option("--constants", metavar="NAME|PATH", help="A set, or a calibration; the best known set when absent.")
@click.option("--references", metavar="CSV", type=click.Path(path_type=Path), help="Further measured runs that "
              "predictions may lean on.")  # fmt: skip
@click.option("--leave-out", type=click.Choice(["none", "model", "batch"]), default="none", show_default=True,
              help="What predictions of a run may lean on: none of the measurements, those of other models, or those "
              "of other batches.")  # fmt: skip
@click.option("--accelerator", metavar="NAME", help="Only runs on this one.")
@catalogue_options
@file_options
@common
def validate(measurements: Path, constants: str | None, references: Path | None, **given: Any) -> int:
    """Compare predictions with measured runs, group by group.

    MEASUREMENTS as in jw infer calibrate. No run is predicted from itself.
    """
    from joulewright.cli.infer_calibrate import compare

    files = taken(OutputOptions, given)
    return compare(measurements, constants, references, **given, files=files, output=current())
