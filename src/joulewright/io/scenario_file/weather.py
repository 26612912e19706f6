"""Weather series of a site and the PUE that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.signals import SignalReader
from joulewright.io.scenario_file.tables import Table, with_shared_reference
from joulewright.model import Location
from joulewright.model.timeline import FloatArray

SERIES = ("temperature", "cloud_cover", "wind_speed", "humidity", "pressure", "ghi", "dni", "dhi")
_CHILLER_KEYS = {
    "load_fraction": "load_fraction",
    "evaporator_out": "evaporator_out_c",
    "cop": "cop",
    "free_cooling_below": "free_cooling_below_c",
    "fan_fraction": "fan_fraction",
    "pump_fraction": "pump_fraction",
    "electrical_loss_fraction": "electrical_loss_fraction",
}
_KEYS_OF_MODEL = {
    "constant": {"pue"},
    "points": {"points"},
    "chiller": {*_CHILLER_KEYS, "free_cooling"},
    "pue-temperature": {*_CHILLER_KEYS, "free_cooling"},
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Weather:
    """Weather of a site on the horizon.

    Attributes
    ----------
    series : mapping of str to FloatArray
        By name in the file, in internal units, each of shape ``(T,)``.
    wind_height_m : float
        Height at which the wind speed holds [m].
    incomplete : bool
        True if a declared series could not be read; what depends on weather is then not built.
    """

    series: Mapping[str, FloatArray] = field(default_factory=dict)
    wind_height_m: float = 10.0
    incomplete: bool = False

    def has(self, name: str) -> bool:
        """Whether the series is there."""
        return name in self.series

    def __getitem__(self, name: str) -> FloatArray | None:
        return self.series.get(name)


def read_weather(reader: SignalReader, table: Table | None, location: Location | None) -> Weather:
    """Every declared weather series."""
    if table is None:
        return Weather()
    longitude = None if location is None else location.longitude_deg
    series: dict[str, FloatArray] = {}
    incomplete = bool(table.wrong)
    for name in SERIES:
        signal = with_shared_reference(table[name], table)
        if signal is not None and signal.reference is not None and not signal.reference.get("file"):
            help = 'add file = "weather.csv" to weather'
            reader.document.add("S003", table.at(name), f"weather has no file for {name}", help=help)
            incomplete = True
            continue
        values = reader.read(signal, longitude_deg=longitude)
        if values is not None:
            series[name] = values
        incomplete = incomplete or (signal is not None and values is None)
    return Weather(series=series, wind_height_m=table["wind_height"] or 10.0, incomplete=incomplete)


def read_pue(reader: SignalReader, site: Table, weather: Weather) -> FloatArray | None:
    """PUE of every step, shape ``(T,)``; None after reporting why there is none."""
    document, steps = reader.document, reader.timeline.steps
    cooling: Table | None = site["cooling"]
    if "pue" in site.given and "cooling" in site.given:
        message = f"site {site.name!r} gives both pue and cooling"
        document.add("S009", site.at("pue"), message, help="keep one of them")
        return None
    if site["pue"] is not None:
        return reader.read(site["pue"])
    if {"pue", "cooling"} & site.wrong:
        return None
    if cooling is not None:
        return _cooled(reader, cooling, weather)
    if not {"fleet", "fixed_it_power"} & site.given.keys():
        return np.ones(steps)
    message = f"site {site.name!r} gives neither cooling nor pue; its PUE is taken as 1, that is no cooling power"
    help = 'add cooling = { model = "pue-temperature" } with weather, or pue = 1.2'
    document.add("S011", site.path, message, severity="warning", help=help)
    return np.ones(steps)


def _cooled(reader: SignalReader, cooling: Table, weather: Weather) -> FloatArray | None:
    document, model = reader.document, cooling["model"]
    if model is None:
        return None
    foreign = set(cooling.given) - _KEYS_OF_MODEL[model] - {"model"}
    for key in sorted(foreign):
        message = f"{key} does not apply to cooling model {model!r}"
        allowed = ", ".join(sorted(_KEYS_OF_MODEL[model]))
        document.add("S014", cooling.at(key), message, help=f"remove it; {model} takes {allowed}")
    if model == "constant":
        if "pue" not in cooling.given:
            document.add("S003", cooling.path, 'cooling model "constant" has no pue', help="add pue = 1.2")
        return reader.read(cooling["pue"])
    if model == "points" and "points" not in cooling.given:
        document.add(
            "S003", cooling.path, 'cooling model "points" has no points', help="add points = [[10, 1.2], [30, 1.4]]"
        )
        return None
    if not weather.has("temperature"):
        if not weather.incomplete:
            message = f"cooling model {model!r} needs weather.temperature"
            document.add(
                "P012",
                cooling.path,
                message,
                help='add the series, or write cooling = { model = "constant", pue = 1.2 }',
            )
        return None
    return None if foreign or cooling.wrong else _pue(document, cooling, weather)


def _pue(document: Document, cooling: Table, weather: Weather) -> FloatArray | None:
    from joulewright.physics.cooling import ChillerPlant, pue_profile

    temperature = weather.series["temperature"]
    given = {keyword: cooling[key] for key, keyword in _CHILLER_KEYS.items() if cooling[key] is not None}
    if not cooling["free_cooling"]:
        given["free_cooling_below_c"] = None
    try:
        values, notes = pue_profile(
            cooling["model"],
            temperature,
            steps=temperature.size,
            points=cooling["points"] or (),
            plant=ChillerPlant(**given),
        )
    except ScenarioError as error:
        document.keep(error, cooling.path)
        return None
    for note in notes:
        document.add(note.code, cooling.path, note.message, severity=note.severity, help=note.help)
    return values
