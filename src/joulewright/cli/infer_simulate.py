"""What ``jw infer simulate`` does: read requests, serve them, write, show."""

from __future__ import annotations

from typing import Any

import click

from joulewright.cli.infer_files import check_target, conclude, write_run
from joulewright.cli.infer_options import DeploymentOptions, OutputOptions, ServingGiven
from joulewright.cli.output import Output
from joulewright.physics.inference.deployment import Deployment, coefficients
from joulewright.sim.processes.inference import (
    Autoscaling,
    Disaggregation,
    LatencyObjectives,
    PrefixCache,
    ServiceBudget,
    ServingOptions,
)
from joulewright.study.inference_deployment import read_catalogues
from joulewright.study.inference_intensity import IntensityReading, read_any_intensity
from joulewright.study.inference_requests import read_trace
from joulewright.study.inference_serving import ServingChoice, study_serving
from joulewright.study.inference_settings import record_of


def serve(
    trace: str,
    accelerator: str,
    *,
    given: DeploymentOptions,
    serving: ServingGiven,
    files: OutputOptions,
    output: Output,
) -> int:
    """Serve the requests, write and show what it took; the exit status."""
    check_target(files)
    options = serving_options(serving)
    reading = IntensityReading(
        column=serving.column,
        unit=serving.unit,
        time_zone=serving.time_zone,
        max_gap_h=serving.max_gap,
        start=serving.start,
    )
    carbon = read_any_intensity(serving.intensity, reading, bin_s=serving.bin)
    catalogues = read_catalogues(files.models, files.own_accelerators)
    deployment = given.choice(accelerator).deploy(catalogues)
    requests = read_trace(trace, longest_tokens=_longest(deployment), first=serving.first)
    router: Any = serving.router
    choice = ServingChoice(
        replicas=serving.replicas, router=router, options=options, end_s=serving.end, water_l_per_kwh=serving.wue
    )
    study = study_serving(requests, deployment, choice, carbon=carbon)
    facts = study.document()
    written = write_run("simulate", facts, study.tables(), files)
    if output.json:
        return conclude(facts, written, output)
    from joulewright.report.infer_terminal import serving_tables

    output.data(study.standing.sentence())
    return conclude(facts, written, output, tables=serving_tables(facts))


def serving_options(given: ServingGiven) -> ServingOptions:
    """Options of the simulator.

    Raises
    ------
    ScenarioError
        If a setting is unknown or out of range.
    click.UsageError
        If the prefix cache is no number of blocks.
    """
    cache = None
    if given.prefix_cache is not None:
        if given.prefix_cache != "all" and not given.prefix_cache.isdecimal():
            raise click.UsageError(f"--prefix-cache {given.prefix_cache!r} is neither a number of blocks nor all")
        cache = PrefixCache(blocks=None if given.prefix_cache == "all" else int(given.prefix_cache))
    scaling, pools, budget = (
        None if text is None else record_of(kind, text, of=option, without=("schedule", "decode_engine"))
        for kind, text, option in (
            (Autoscaling, given.autoscale, "--autoscale"),
            (Disaggregation, given.disaggregate, "--disaggregate"),
            (ServiceBudget, given.budget, "--budget"),
        )
    )
    return ServingOptions(
        max_sequences=given.max_sequences,
        token_budget=given.token_budget,
        block_tokens=given.block_tokens,
        idle="unloaded" if given.idle == "unloaded" else "loaded",
        prefix_hit_fraction=given.prefix_hits,
        prefix_cache=cache,
        waiting_limit=given.waiting_limit,
        bin_s=given.bin,
        disaggregation=pools if isinstance(pools, Disaggregation) else None,
        autoscaling=scaling if isinstance(scaling, Autoscaling) else None,
        budget=budget if isinstance(budget, ServiceBudget) else None,
        objectives=LatencyObjectives(ttft_s=given.ttft, tpot_s=given.tpot, e2e_s=given.e2e),
    )


def _longest(deployment: Deployment) -> int:
    """Tokens of a request that context and cache of a replica hold."""
    return int(min(deployment.model.context_tokens, coefficients(deployment).kv_capacity_tokens))
