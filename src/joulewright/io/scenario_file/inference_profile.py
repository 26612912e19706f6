"""Inference services that name a language model: throughput and power from the model of a serving engine."""

from __future__ import annotations

from typing import Any

from joulewright.errors import ScenarioError
from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.places import Places
from joulewright.io.scenario_file.tables import Table
from joulewright.model import Fleet
from joulewright.model.language_model import LanguageModel

PROFILE_KEYS = frozenset(
    {
        *("input_tokens", "output_tokens", "length_factor", "ttft", "tpot", "precision", "tensor_parallel"),
        *("max_sequences", "token_budget", "power_cap"),
    }
)
"""Keys of an inference service that only a profile uses."""

_PARALLEL = (1, 2, 4, 8)


def read_profile(document: Document, table: Table, places: Places) -> dict[str, Any] | None:
    """Operating points and curves by accelerator; None after reporting why there are none."""
    for key in {"throughput", "active_power", "serving"} & set(table.given):
        message = f"inference {table.name!r} gives both a profile and {key}"
        document.add("S014", table.at(key), message, help="keep one of them")
        table.wrong.add(key)
    for key, example in (("input_tokens", 500), ("output_tokens", 250)):
        if key not in table.given:
            message = f"inference {table.name!r} has a profile but no {key}"
            document.add("S003", table.path, message, help=f"add {key} = {example}, the mean length of its requests")
            table.wrong.add(key)
    model = _model(document, table)
    if table.wrong or model is None:
        return None
    points, curves, reasons = {}, {}, {}
    for fleet in {fleet.accelerator: fleet for _, fleet in places.fleets}.values():
        try:
            profile = _profile(table, model, fleet)
        except ScenarioError as error:
            reasons[fleet.accelerator] = str(error)
            continue
        points[fleet.accelerator], curves[fleet.accelerator] = profile.points, profile.curve
    if not points:
        if places.complete:
            message = f"no accelerator of the sites can serve inference {table.name!r}"
            document.add("S016", table.at("profile"), message, help="; ".join(reasons.values()) or "add a fleet")
        return None
    for name, reason in reasons.items():
        message = f"inference {table.name!r} is not served on {name}"
        document.add("S016", table.at("profile"), message, severity="note", help=reason)
    return {
        "serving": next(iter(points.values()))[0],
        "serving_on": {name: found[0] for name, found in points.items()},
        "further_on": {name: found[1:] for name, found in points.items() if found[1:]},
        "curves": curves,
        "listed_only": True,
    }


def _model(document: Document, table: Table) -> LanguageModel | None:
    from joulewright.physics.inference.models import find_language_model

    name = table["profile"]
    try:
        return find_language_model(name)
    except ScenarioError as error:
        document.add("S016", table.at("profile"), str(error), help="give a name of the catalogue")
        return None


def _profile(table: Table, model: LanguageModel, fleet: Fleet) -> Any:
    """The profile on the accelerator of a fleet, with the fewest accelerators for a replica that keep the limits."""
    from joulewright.physics.inference.deployment import deploy
    from joulewright.physics.inference.profile import LatencyLimits, serving_profile
    from joulewright.physics.inference.steady import RequestShape

    shape = RequestShape(
        input_tokens=table["input_tokens"], output_tokens=table["output_tokens"], length_factor=table["length_factor"]
    )
    limits = LatencyLimits(ttft_s=_seconds(table["ttft"]), tpot_s=_seconds(table["tpot"]))
    options = {} if table["precision"] is None else {"precision": table["precision"]}
    if table["power_cap"] is not None:
        options["power_cap_w"] = table["power_cap"] * 1e6
    sizes = _PARALLEL if table["tensor_parallel"] is None else (table["tensor_parallel"],)
    reason = ScenarioError("no size of a replica was tried")
    for size in sizes:
        try:
            deployment = deploy(model, fleet.accelerator, tensor_parallel=size, **options)
            return serving_profile(
                deployment,
                shape,
                limits=limits,
                token_budget=table["token_budget"],
                max_sequences=table["max_sequences"],
            )
        except ScenarioError as error:
            reason = error
    raise reason


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000.0
