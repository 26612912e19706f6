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
    LatencyObjectives,
    PrefixCache,
    ServiceBudget,
    ServingOptions,
)
from joulewright.study.inference_deployment import read_catalogues, standing_of
from joulewright.study.inference_intensity import IntensityReading, read_any_intensity
from joulewright.study.inference_requests import read_trace
from joulewright.study.inference_serving import NamedPools, ServingChoice, study_serving
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
    deployment, pools, decode = given.choice(accelerator).deploy(catalogues), options.disaggregation, None
    if isinstance(pools, NamedPools) and pools.decode_accelerator is not None:
        decode = given.beside(pools.decode_accelerator).deploy(catalogues)
    longest = min(_longest(item) for item in (deployment, decode) if item is not None)
    requests = read_trace(trace, longest_tokens=longest, first=serving.first)
    router: Any = serving.router
    choice = ServingChoice(
        replicas=serving.replicas,
        router=router,
        options=options,
        end_s=serving.end,
        decode=decode,
        water_l_per_kwh=serving.wue,
    )
    study = study_serving(requests, deployment, choice, carbon=carbon)
    facts = study.document()
    written = write_run("simulate", facts, study.tables(), files)
    if output.json:
        return conclude(facts, written, output)
    from joulewright.report.infer_terminal import serving_tables

    output.data(study.standing.sentence())
    if decode is not None:
        output.data(f"Answers: {standing_of(decode).sentence()}")
    return conclude(facts, written, output, tables=serving_tables(facts))


def serving_options(given: ServingGiven) -> ServingOptions:
    """Options of the simulator.

    Raises
    ------
    ScenarioError
        If a setting is unknown or out of range.
    click.UsageError
        If the prefix cache is no number of blocks, or a store for each replica is asked for without one.
    """
    scaling, decode_scaling, pools, budget = (
        None if text is None else record_of(kind, text, of=option, without=("decode_engine",))
        for kind, text, option in (
            (Autoscaling, given.autoscale, "--autoscale"),
            (Autoscaling, given.autoscale_decode, "--autoscale-decode"),
            (NamedPools, given.disaggregate, "--disaggregate"),
            (ServiceBudget, given.budget, "--budget"),
        )
    )
    return ServingOptions(
        max_sequences=given.max_sequences,
        token_budget=given.token_budget,
        block_tokens=given.block_tokens,
        idle="unloaded" if given.idle == "unloaded" else "loaded",
        prefix_hit_fraction=given.prefix_hits,
        prefix_cache=_prefix_cache(given),
        waiting_limit=given.waiting_limit,
        fill_sequences=given.fill_sequences,
        bin_s=given.bin,
        disaggregation=pools if isinstance(pools, NamedPools) else None,
        autoscaling=scaling if isinstance(scaling, Autoscaling) else None,
        decode_autoscaling=decode_scaling if isinstance(decode_scaling, Autoscaling) else None,
        budget=budget if isinstance(budget, ServiceBudget) else None,
        objectives=LatencyObjectives(ttft_s=given.ttft, tpot_s=given.tpot, e2e_s=given.e2e),
    )


def _prefix_cache(given: ServingGiven) -> PrefixCache | None:
    text, shared = given.prefix_cache, not given.prefix_cache_each
    if text is None:
        if not shared:
            raise click.UsageError("--prefix-cache-each is given without --prefix-cache; give both")
        return None
    if text == "free":
        return PrefixCache(blocks="free", shared=shared)
    if text != "all" and not text.isdecimal():
        raise click.UsageError(f"--prefix-cache {text!r} is neither a number of blocks nor all nor free")
    return PrefixCache(blocks=None if text == "all" else int(text), shared=shared)


def _longest(deployment: Deployment) -> int:
    """Tokens of a request that context and cache of a replica hold."""
    return int(min(deployment.model.context_tokens, coefficients(deployment).kv_capacity_tokens))
