"""What a serving simulation was and did, in words: fleet, scaling, caches, budgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from joulewright.report.infer_figures import duration, grams, kilowatt_hours, optional
from joulewright.report.numbers import number, percent, plural, quantity, whole
from joulewright.study.inference_deployment import fleet_name

Document = Mapping[str, Any]
_BUDGETS = {
    "energy_kwh": ("energy", kilowatt_hours),
    "carbon_g": ("carbon", grams),
    "tokens": ("token", whole),
    "gpu_h": ("accelerator time", lambda value: quantity(value, "GPU-h")),
}


def fleet_text(document: Document) -> str:
    """Replicas of every pool."""
    pools = document["pools"]
    if len(pools) == 1:
        return fleet_name(pools[0]["replicas"], pools[0]["deployment"])
    return " and ".join(
        f"{plural(pool['replicas'], 'replica')} of {pool['deployment']} for {pool['pool']}" for pool in pools
    )


def run_facts(document: Document) -> Iterator[tuple[str, str]]:
    """Names and texts of what a simulation was and did."""
    figures, requests = document["figures"], document["requests"]
    yield "service", f"{document['deployment']['model']} on {fleet_text(document)}, {document['router']}"
    refused = sum(document["refusals"].values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in document["refusals"].items())
    yield "requests", f"{whole(figures['requests'])}, {whole(document['served'])} served, {whole(refused)} refused"
    if reasons:
        yield "refused by", reasons
    means = (requests["mean_input_tokens"], requests["mean_output_tokens"])
    yield "tokens", f"{number(means[0])} in and {number(means[1])} out on average"
    yield "time", duration(document["span_s"][1] - document["span_s"][0])
    yield "mean power", quantity(figures["mean_power_w"], "W")
    named = [(pool["pool"], percent(pool["busy_fraction"])) for pool in document["pools"]]
    yield "busy", named[0][1] if len(named) == 1 else ", ".join(f"{share} ({name})" for name, share in named)
    yield "steps", f"{whole(figures['steps'])}, {whole(figures['preemptions'])} preemptions"
    if any(value is not None for value in document["options"]["objectives"].values()):
        yield "objectives met", optional(figures["met_fraction"], percent)
    yield from settings_facts(document)


def settings_facts(document: Document) -> Iterator[tuple[str, str]]:
    """Names and texts of scaling, link, caches and budgets, where there are any."""
    options = document["options"]
    if options["disaggregation"] is not None:
        link = options["disaggregation"]
        late = f" after {duration(link['latency_s'])}" if link["latency_s"] else ""
        yield "link of the pools", f"{quantity(1e-9 * link['link_bytes_s'], 'GB/s')}{late}"
    if options["autoscaling"] is not None:
        yield "autoscaling", _scaling(options["autoscaling"])
    if options["decode_autoscaling"] is not None:
        yield "autoscaling of answers", _scaling(options["decode_autoscaling"])
    if options["prefix_cache"] is not None or options["prefix_hit_fraction"]:
        yield "prefix cache", f"{_cache(options)}; {optional(document['cached_fraction'], percent)} of prompts found"
    yield from ((f"{row_name} budget", text) for row_name, _, text in budget_uses(document))


def budget_uses(document: Document) -> Iterator[tuple[str, str, str]]:
    """Name, share used and text of each limit, on the day that used most."""
    for row in document["budget_use"]:
        name, show = _BUDGETS[row["limit"]]
        day = f"on the fullest of {row['days']} days" if row["days"] > 1 else "in a day"
        used = percent(row["used"] / row["most"]) if row["most"] else "n/a"
        yield name, used, f"{show(row['used'])} of {show(row['most'])} {day}"


def _scaling(rule: Document) -> str:
    if rule["schedule"]:
        wanted = ", ".join(f"{count} from {duration(at_s)}" for at_s, count in rule["schedule"])
        lead = f"replicas by schedule: {wanted}"
    elif rule["requests_per_replica"] is not None:
        lead = f"{number(rule['requests_per_replica'])} requests in the system for each replica"
    else:
        lead = f"{quantity(rule['rate_per_replica_s'], 'requests/s')} for each replica"
    return (
        f"{lead}; at least {plural(rule['least_replicas'], 'replica')}, {duration(rule['load_s'])} to load, off after "
        f"{duration(rule['hold_s'])} of less"
    )


def _cache(options: Document) -> str:
    cache = options["prefix_cache"]
    if cache is None:
        return f"{percent(options['prefix_hit_fraction'])} of each prompt, down to whole blocks"
    if cache["blocks"] == "free":
        return "free blocks of each replica"
    size = "all blocks" if cache["blocks"] is None else plural(cache["blocks"], "block")
    return f"a store of {size} {'for all replicas' if cache['shared'] else 'for each replica'}"
