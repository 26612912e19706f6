"""Options that the commands of ``jw infer`` share."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click

from joulewright.cli.dag_options import hours, quantity_option

Command = TypeVar("Command", bound=Callable[..., Any])
Record = TypeVar("Record")


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Users' own catalogues, and what is written."""

    models: Path | None
    own_accelerators: Path | None
    folder: Path | None
    report: bool


@dataclass(frozen=True, kw_only=True)
class DeploymentOptions:
    """A replica but for its accelerator; the power cap in watts [W]."""

    model: str
    precision: str | None
    kv_precision: str | None
    tensor_parallel: int
    pipeline_parallel: int
    expert_parallel: int
    memory_utilization: float
    power_cap: float | None
    clock: float
    slice: str | None
    constants: str | None

    def choice(self, accelerator: str) -> Any:
        """The same on an accelerator, as a :class:`~joulewright.study.inference_deployment.DeploymentChoice`."""
        from joulewright.study.inference_deployment import DeploymentChoice

        given = {item.name: getattr(self, item.name) for item in fields(self)}
        return DeploymentChoice(
            accelerator=accelerator, power_cap_w=given.pop("power_cap"), clock_fraction=given.pop("clock"), **given
        )

    def beside(self, accelerator: str) -> Any:
        """A replica of the same model in the same formats on other accelerators, as they come."""
        from joulewright.study.inference_deployment import DeploymentChoice

        kept = ("model", "precision", "kv_precision", "memory_utilization")
        return DeploymentChoice(accelerator=accelerator, **{name: getattr(self, name) for name in kept})


@dataclass(frozen=True, kw_only=True)
class ServingGiven:
    """What a simulation is asked for besides requests and deployment; times in seconds [s]."""

    first: int | None
    replicas: int
    router: str
    max_sequences: int
    token_budget: int
    block_tokens: int
    idle: str
    prefix_hits: float
    prefix_cache: str | None
    prefix_cache_each: bool
    fill_sequences: int | None
    waiting_limit: int | None
    bin: float
    end: float | None
    autoscale: str | None
    autoscale_decode: str | None
    disaggregate: str | None
    budget: str | None
    ttft: float | None
    tpot: float | None
    e2e: float | None
    intensity: str | None
    column: str | None
    unit: str | None
    time_zone: str | None
    max_gap: float
    start: str | None
    wue: float | None


def taken(kind: type[Record], given: MutableMapping[str, Any]) -> Record:
    """A record of options, which are taken out of what was given."""
    return kind(**{item.name: given.pop(item.name) for item in fields(kind)})  # type: ignore[arg-type]


def seconds(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """A duration such as ``50 ms`` in seconds [s]."""
    found = hours(context, parameter, text)
    return None if found is None else 3600.0 * found


def watts(_context: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    """A power such as ``500 W`` in watts [W]."""
    found = quantity_option(text, "power")
    return None if found is None else 1e6 * found


def share(_context: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    """A share such as ``0.8`` or ``80 %`` [-]."""
    return quantity_option(text, "fraction")


def share_or_mean(context: click.Context, parameter: click.Parameter, text: str | None) -> float | str | None:
    """A share, or the word ``mean``."""
    return text if text == "mean" else share(context, parameter, text)


def litres(_context: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    """A water usage effectiveness such as ``1.8 L/kWh`` [l/kWh]; a bare number has that unit."""
    if text is None:
        return None
    return quantity_option(f"{text} L/kWh" if _is_number(text) else text, "water_intensity")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_CATALOGUES = (
    click.option("--models", metavar="CSV", type=click.Path(path_type=Path), help="Your own models, with the columns "
                 "of the catalogue."),
    click.option("--accelerators", "own_accelerators", metavar="CSV", type=click.Path(path_type=Path), help="Your own "
                 "accelerators, with the columns of the catalogue."),
)  # fmt: skip

_FILES = (
    click.option("-o", "--out", "folder", metavar="DIR", type=click.Path(path_type=Path), help="Folder to write."),
    click.option("--report/--no-report", default=True, help="Write DIR/report.html."),
)

_LENGTHS = (
    click.option("--input", "input_tokens", type=float, default=500.0, show_default=True, help="Mean prompt [token]."),
    click.option("--output", "output_tokens", type=float, default=250.0, show_default=True, help="Mean answer "
                 "[token]."),
    click.option("--length-factor", type=float, default=2.0, show_default=True, help="Mean square of the answers over "
                 "the square of their mean: 1 for equal ones."),
)  # fmt: skip

_DEPLOYMENT = (
    click.option("--model", required=True, metavar="NAME|PATH", help="Name in the catalogue, or a config.json of "
                 "Hugging Face."),
    click.option("--precision", metavar="FORMAT", help="Of the weights: bf16, fp16, fp8, int8, mxfp4 or int4; the "
                 "published one when absent."),
    click.option("--kv-precision", metavar="FORMAT", help="Of the key-value cache; bf16 when absent."),
    click.option("--tensor-parallel", type=int, default=1, show_default=True, help="Accelerators that share each "
                 "layer."),
    click.option("--pipeline-parallel", type=int, default=1, show_default=True, help="Stages of layers."),
    click.option("--expert-parallel", type=int, default=1, show_default=True, help="Groups that experts are spread "
                 "over."),
    click.option("--memory-utilization", callback=share, default="0.9", show_default=True, help="Share of the memory "
                 "for weights and cache."),
    click.option("--power-cap", callback=watts, metavar="POWER", help='Cap of each accelerator, e.g. "500 W".'),
    click.option("--clock", callback=share, default="1", show_default=True, help="Locked clock over the highest."),
    click.option("--slice", metavar="PROFILE", help="Slice of the accelerator, e.g. 3g.40gb."),
    click.option("--constants", metavar="NAME|PATH", help="A set such as H100-1, or a calibration; the best known set "
                 "when absent."),
)  # fmt: skip

_SERVING = (
    click.option("--replicas", type=click.IntRange(1, 100_000), default=1, show_default=True),
    click.option("--router", type=click.Choice(["round-robin", "least-outstanding", "power-aware",
                 "prefix-aware"]), default="round-robin", show_default=True),
    click.option("--first", type=click.IntRange(min=1), help="Only so many requests from the beginning."),
    click.option("--max-sequences", type=click.IntRange(min=1), default=256, show_default=True, help="Sequences that "
                 "run at once in a replica."),
    click.option("--token-budget", type=click.IntRange(min=1), default=2048, show_default=True, help="Tokens of a "
                 "step."),
    click.option("--block-tokens", type=click.IntRange(min=1), default=16, show_default=True, help="Tokens of a block "
                 "of the cache."),
    click.option("--idle", type=click.Choice(["loaded", "unloaded"]), default="loaded", show_default=True, help="Power "
                 "of a replica without work."),
    click.option("--prefix-hits", callback=share, default="0", show_default=True, help="Share of each prompt found in "
                 "a cache."),
    click.option("--prefix-cache", metavar="BLOCKS|all|free", help="Cache of the prompt blocks that the trace "
                 "names: a store of so many, or of all, or what room each replica has free."),
    click.option("--prefix-cache-each", is_flag=True, help="A store of the prefix cache for each replica instead of "
                 "one for all."),
    click.option("--fill-sequences", type=click.IntRange(min=1), help="Requests that power-aware and prefix-aware "
                 "give one replica before others; those of --max-sequences when absent."),
    click.option("--waiting-limit", type=click.IntRange(min=1), help="Waiting requests of a replica before others are "
                 "refused."),
    click.option("--bin", callback=seconds, default="1 s", show_default=True, help="Step of the power series."),
    click.option("--end", callback=seconds, metavar="DURATION", help="Bill replicas at least until then."),
    click.option("--autoscale", metavar="SETTINGS", help="E.g. requests_per_replica=32,load_s=60 or "
                 "rate_per_replica_s=4 or schedule=0:2/3600:4, replicas from so many seconds on."),
    click.option("--autoscale-decode", metavar="SETTINGS", help="The same for the pool of --disaggregate; that of "
                 "--autoscale when absent."),
    click.option("--disaggregate", metavar="SETTINGS", help="E.g. decode_replicas=2,link_bytes_s=50e9: a pool for "
                 "answers behind the replicas, which then do the prompts; decode_accelerator=2xH200 for another type."),
    click.option("--budget", metavar="SETTINGS", help="Most per day: energy_kwh, carbon_g, tokens, gpu_h; what exceeds "
                 "it is refused. midnight_s=21600 where the first new day begins so many seconds into the trace."),
    click.option("--ttft", callback=seconds, metavar="DURATION", help="Longest time to the first token for a request "
                 "to count as met."),
    click.option("--tpot", callback=seconds, metavar="DURATION", help="Longest time per token after it."),
    click.option("--e2e", callback=seconds, metavar="DURATION", help="Longest time to the end of the answer."),
    click.option("--intensity", metavar="FILE|VALUE", help='Carbon intensity: a file, "400 g/kWh", or zone:DE-LU for a '
                 "made-up year."),
    click.option("--column", help="Column of the file; needed where there are several of carbon intensity."),
    click.option("--unit", help="Unit of the column where its name has none."),
    click.option("--time-zone", help="Zone of time stamps without an offset."),
    click.option("--max-gap", callback=hours, default="0 h", show_default=True, help="Longest run of missing values "
                 "that is interpolated."),
    click.option("--start", help="Where in the carbon intensity the trace begins: hours into it, or an instant."),
    click.option("--wue", callback=litres, metavar="L/kWh", help="Water usage effectiveness."),
)  # fmt: skip

_SERVICE = (
    click.option("--model", metavar="NAME|PATH", help="Name in the catalogue, or a config.json of Hugging Face."),
    click.option("--rate", "rate_per_s", type=float, multiple=True, help="Requests per second of each hour, "
                 "repeatable; one value is the busiest hour of a made-up day."),
    click.option("--input", "input_tokens", type=float, help="Mean prompt [token]; 500 when absent."),
    click.option("--output", "output_tokens", type=float, help="Mean answer [token]; 250 when absent."),
    click.option("--lengths", type=click.Choice(["lognormal", "constant"]), help="Distribution; lognormal when "
                 "absent."),
    click.option("--ttft", "ttft_s", callback=seconds, metavar="DURATION", help="Longest time to the first token."),
    click.option("--tpot", "tpot_s", callback=seconds, metavar="DURATION", help="Longest time per token after it."),
    click.option("--quantile", callback=share_or_mean, metavar="SHARE|mean", help="Share of requests that keeps each, "
                 "or mean for the mean of all; 95 % when absent."),
)  # fmt: skip

_SPACE = (
    click.option("--precision", "precisions", multiple=True, metavar="FORMAT", help="To choose from; the published one "
                 "when absent."),
    click.option("--max-sequences", type=int, multiple=True, help="To choose from; 64 and 256 when absent."),
    click.option("--token-budget", "token_budgets", type=int, multiple=True, help="To choose from; 2048 when absent."),
    click.option("--power-cap", "power_caps_fraction", type=float, multiple=True, help="To choose from, as a share of "
                 "the board power; 1 is none."),
    click.option("--clock", "clock_fractions", type=float, multiple=True, help="To choose from, over the highest."),
    click.option("--gpus", "gpus_available", type=int, help="Accelerators there are; any number when absent."),
    click.option("--constants", multiple=True, metavar="[ACCELERATOR=]NAME|PATH", help="A calibration, or a set such "
                 "as H100-SXM=H100-1; the best known set when absent. Repeatable."),
    click.option("--intensity", metavar="FILE|VALUE", help='Carbon intensity: a file, "400 g/kWh", or zone:DE-LU for a '
                 "made-up year."),
    click.option("--column", help="Column of the file; needed where there are several of carbon intensity."),
    click.option("--unit", help="Unit of the column where its name has none."),
    click.option("--time-zone", help="Zone of time stamps without an offset."),
    click.option("--max-gap", "max_gap_h", callback=hours, metavar="DURATION", help="Longest run of missing values "
                 "that is interpolated."),
    click.option("--start", help="Where in the carbon intensity the day begins."),
    click.option("--requests", type=int, help="Requests of each verifying simulation at least; 1024 when absent."),
    click.option("--seed", type=click.IntRange(min=0), help="Of the simulations; 0 when absent."),
)  # fmt: skip

_CONFIGURE = (
    *_SERVICE,
    click.option("--accelerator", "accelerators", multiple=True, metavar="NAME", help="To choose from. Repeatable."),
    click.option("--tensor-parallel", type=int, multiple=True, help="To choose from; 1, 2, 4 and 8 when absent."),
    click.option("--slice", "slices", multiple=True, metavar="PROFILE", help="To choose from; the whole accelerator "
                 "when absent."),
    click.option("--minimise", type=click.Choice(["carbon", "energy", "cost", "embodied+operational"]), help="Energy "
                 "when absent."),
    click.option("--price", "price_per_kwh", type=float, multiple=True, help="Price of a kWh; repeatable, one for "
                 "each hour."),
    *_SPACE,
)  # fmt: skip

_PACK = (
    click.option("--accelerator", "accelerators", metavar="NAME", help="Type that is cut; that of the file when "
                 "absent."),
    click.option("--minimise", type=click.Choice(["accelerators", "power", "carbon"]), help="Accelerators when "
                 "absent."),
    *_SPACE,
)  # fmt: skip


def _added(options: tuple[Callable[[Any], Any], ...]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


deployment_options = _added(_DEPLOYMENT)
serving_options = _added(_SERVING)
catalogue_options = _added(_CATALOGUES)
file_options = _added(_FILES)
length_options = _added(_LENGTHS)
configure_options = _added(_CONFIGURE)
pack_options = _added(_PACK)
