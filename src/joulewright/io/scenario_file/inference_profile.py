"""Inference services that name a language model: throughput and power from the model of a serving engine."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulewright.errors import DataError, ScenarioError
from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.places import Places
from joulewright.io.scenario_file.signals import SignalReader
from joulewright.io.scenario_file.tables import Table
from joulewright.model import Fleet
from joulewright.model.language_model import LanguageModel
from joulewright.physics.accelerator import Accelerator, find_accelerator

if TYPE_CHECKING:
    from joulewright.physics.inference.constants import EngineConstants

PROFILE_KEYS = frozenset(
    {
        *("input_tokens", "output_tokens", "length_factor", "ttft", "tpot", "precision", "tensor_parallel"),
        *("max_sequences", "token_budget", "power_cap", "constants"),
    }
)
"""Keys of an inference service that only a profile uses."""

_PARALLEL = (1, 2, 4, 8)


def read_profile(reader: SignalReader, table: Table, places: Places) -> dict[str, Any] | None:
    """Operating points and curves by accelerator or kind of fleet; None after reporting why there are none."""
    document = reader.document
    for key in {"throughput", "active_power", "serving"} & set(table.given):
        message = f"inference {table.name!r} gives both a profile and {key}"
        document.add("S014", table.at(key), message, help="keep one of them")
        table.wrong.add(key)
    for key, example in (("input_tokens", 500), ("output_tokens", 250)):
        if key not in table.given:
            message = f"inference {table.name!r} has a profile but no {key}"
            document.add("S003", table.path, message, help=f"add {key} = {example}, the mean length of its requests")
            table.wrong.add(key)
    model = _model(reader, table)
    kinds = _kinds(table, places)
    constants = _constants(reader, table, places, sorted({fleet.accelerator for fleet in kinds.values()}))
    if table.wrong or model is None or constants is None:
        return None
    found, reasons = {}, {}
    for name, fleet in kinds.items():
        try:
            found[name] = _profile(table, model, fleet, constants)
        except ScenarioError as error:
            reasons[name] = str(error)
    if not found:
        if places.complete:
            hosts = "the sites" if table["sites"] is None else ", ".join(table["sites"])
            message = f"no accelerator of {hosts} can serve inference {table.name!r}"
            document.add("S016", table.at("profile"), message, help="; ".join(reasons.values()) or "add a fleet there")
        return None
    for name, reason in reasons.items():
        message = f"inference {table.name!r} is not served on {name}"
        document.add("S016", table.at("profile"), message, severity="note", help=reason)
    points = {name: profile.points for name, profile in found.items()}
    return {
        "serving": next(iter(points.values()))[0],
        "serving_on": {name: first for name, (first, *_) in points.items()},
        "further_on": {name: tuple(more) for name, (_, *more) in points.items() if more},
        "curves": {name: profile.curve for name, profile in found.items()},
        "listed_only": True,
    }


def _kinds(table: Table, places: Places) -> dict[str, Fleet]:
    """Fleets that differ, of sites where the service may run, by accelerator or by kind where that is not enough."""
    hosts = places.sites if table["sites"] is None else table["sites"]
    fleets = {fleet.kind: fleet for site, fleet in places.fleets if site in hosts}
    several = Counter(fleet.accelerator for fleet in fleets.values())
    return {kind if several[fleet.accelerator] > 1 else fleet.accelerator: fleet for kind, fleet in fleets.items()}


def _model(reader: SignalReader, table: Table) -> LanguageModel | None:
    from joulewright.io.language_model_file import named_language_model

    document, name = reader.document, table["profile"]
    try:
        model, path = named_language_model(name, folder=document.path.parent)
    except (ScenarioError, DataError) as error:
        help = "give a name of the catalogue, or the path of a config.json of Hugging Face from the scenario file on"
        document.add("S016", table.at("profile"), str(error), help=help)
        return None
    if path is not None:
        _note_file(reader, table, "profile", name, path)
    return model


def _note_file(reader: SignalReader, table: Table, key: str, name: str, path: Path) -> None:
    """Record a file that a key names, for the provenance of the scenario."""
    facts = {"key": reader.document.key(table.at(key)), "file": name, "column": "", "note": ""}
    reader.facts.append(facts | {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()})


def _constants(
    reader: SignalReader, table: Table, places: Places, accelerators: Sequence[str]
) -> dict[str, EngineConstants] | None:
    """Constants that a service names, by accelerator; None after reporting why they cannot be used."""
    text = table["constants"]
    if text is None:
        return {}
    document = reader.document
    found: dict[str, EngineConstants] = {}
    try:
        for name in _listed(text):
            accelerator, constants, path = _named_constants(name, document.path.parent)
            if accelerator in found:
                raise ScenarioError(f"there are two sets of constants of {accelerator}, the second {name!r}")
            if accelerator not in accelerators and places.complete:
                raise ScenarioError(
                    f"the constants {name!r} are of {accelerator}, which no fleet of inference {table.name!r} has; "
                    f"its fleets have {', '.join(accelerators)}"
                )
            found[accelerator] = constants
            if path is not None:
                _note_file(reader, table, "constants", name, path)
    except (ScenarioError, DataError) as error:
        help = "give a set, or the path of a calibration from the scenario file on, of an accelerator of its fleets"
        document.add("S016", table.at("constants"), str(error), help=help)
        return None
    for name in accelerators:
        if name not in found:
            _note_best_known(document, table, name)
    return found


def _listed(text: str) -> list[str]:
    names = [name.strip() for name in text.split(";") if name.strip()]
    if not names:
        raise ScenarioError(f"constants is {text!r}; it must name a set or a calibration")
    return names


def _named_constants(name: str, folder: Path) -> tuple[str, EngineConstants, Path | None]:
    from joulewright.io.calibration_file import named_calibration

    found, path = named_calibration(name, folder=folder)
    return found.accelerator, found.constants, path


def _note_best_known(document: Document, table: Table, accelerator: str) -> None:
    from joulewright.physics.inference.constants import constants_for

    try:
        best = constants_for(find_accelerator(accelerator)).name
    except ScenarioError:
        return
    message = f"inference {table.name!r} has no constants of {accelerator}; it takes {best}"
    document.add("S016", table.at("constants"), message, severity="note", help=f"add constants of {accelerator}")


def _accelerator(fleet: Fleet) -> tuple[Accelerator, float]:
    """The accelerator of the catalogue with the powers of a fleet, and the most that one of the fleet draws [W].

    Raises
    ------
    ScenarioError
        If the catalogue has none of that name, or the fleet draws no more under load than idle.
    """
    known = find_accelerator(fleet.accelerator)
    host_w, host_idle_w = fleet.host_power_mw * 1e6, fleet.host_idle_power_mw * 1e6
    # Sums of megawatts are a rounding error off the watts that were given.
    active_w = round(fleet.active_power_mw * 1e6 - host_w, 6)
    idle_w = round(fleet.idle_power_mw * 1e6 - host_idle_w, 6)
    if not active_w > idle_w:
        raise ScenarioError(
            f"accelerators of fleet {fleet.name!r} draw {active_w:g} W under load and {idle_w:g} W idle; "
            "active_power must be above idle_power"
        )
    device = replace(
        known,
        board_power_w=max(active_w, known.board_power_w),
        idle_power_w=idle_w,
        loaded_idle_power_w=min(idle_w + known.loaded_idle_power_w - known.idle_power_w, active_w),
        host_power_w=host_w,
        host_idle_power_w=host_idle_w,
    )
    return device, active_w


def _profile(table: Table, model: LanguageModel, fleet: Fleet, constants: Mapping[str, EngineConstants]) -> Any:
    """The profile on the accelerators of a fleet, with the fewest of them for a replica that keep the limits."""
    from joulewright.physics.inference.constants import constants_for
    from joulewright.physics.inference.deployment import deploy
    from joulewright.physics.inference.profile import LatencyLimits, serving_profile
    from joulewright.physics.inference.steady import RequestShape

    shape = RequestShape(
        input_tokens=table["input_tokens"], output_tokens=table["output_tokens"], length_factor=table["length_factor"]
    )
    limits = LatencyLimits(ttft_s=_seconds(table["ttft"]), tpot_s=_seconds(table["tpot"]))
    accelerator, most_w = _accelerator(fleet)
    # General constants follow the board power of the catalogue, whatever a fleet is limited to.
    known = constants.get(fleet.accelerator) or constants_for(find_accelerator(fleet.accelerator))
    options: dict[str, Any] = {"constants": known}
    if table["precision"] is not None:
        options["precision"] = table["precision"]
    if table["power_cap"] is not None:
        options["power_cap_w"] = round(table["power_cap"] * 1e6, 6)
    if most_w < min(options.get("power_cap_w", math.inf), accelerator.board_power_w):
        options["power_cap_w"] = most_w
    sizes = _PARALLEL if table["tensor_parallel"] is None else (table["tensor_parallel"],)
    reason = ScenarioError("no size of a replica was tried")
    for size in sizes:
        try:
            return serving_profile(
                deploy(model, accelerator, tensor_parallel=size, **options),
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
