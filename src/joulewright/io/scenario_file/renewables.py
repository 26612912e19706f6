"""Solar and wind plants of a site: their available power, given or computed from weather."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joulewright.errors import MissingExtraError, ScenarioError
from joulewright.io.profile_cache import cached_profile
from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.signals import SignalReader
from joulewright.io.scenario_file.tables import Table
from joulewright.io.scenario_file.weather import Weather
from joulewright.model import Location, RenewablePlant, Timeline
from joulewright.model.timeline import FloatArray

_PHYSICS = "joulewright.physics."
_SOLAR_MODULES = tuple(_PHYSICS + name for name in ("solar", "sun", "irradiance", "pvlib_model", "sam_model"))
_WIND_MODULES = tuple(_PHYSICS + name for name in ("wind", "windpowerlib_model", "sam_model"))
_IRRADIANCES = {"pvlib": ("ghi", "dni", "dhi"), "sam": ("dni", "dhi")}
"""Series that the optional solar models cannot do without."""
_ASSUMED = {"temperature": "20 degC", "wind_speed": "2 m/s"}
"""What the solar models take where weather has no such series."""


@dataclass(frozen=True, kw_only=True)
class RenewableReader:
    """Builds the solar and wind plants of one site.

    Attributes
    ----------
    reader : SignalReader
        Reads series and keeps problems.
    weather : Weather
        Series of the site.
    location : Location or None
        Position of the site.
    elevation_m : float
        Elevation of the site [m].
    use_cache : bool
        Whether computed profiles are kept on disk.
    """

    reader: SignalReader
    weather: Weather
    location: Location | None
    elevation_m: float = 0.0
    use_cache: bool = True

    @property
    def _document(self) -> Document:
        return self.reader.document

    def plant(self, table: Table) -> RenewablePlant | None:
        """A solar or wind plant; None after reporting why it cannot be built."""
        if table["profile"] is not None:
            longitude = None if self.location is None or table.kind == "wind" else self.location.longitude_deg
            per_unit = self.reader.read(table["profile"], longitude_deg=longitude)
        elif "profile" in table.wrong:
            return None
        else:
            per_unit = self._modelled(table)
        if per_unit is None or table["capacity"] is None:
            return None
        return RenewablePlant(name=table.name, kind=table.kind, capacity_mw=table["capacity"], per_unit=per_unit)

    def _modelled(self, table: Table) -> FloatArray | None:
        if self.weather.incomplete or table.wrong:
            return None
        missing = self._missing_input(table)
        if missing:
            help = f'add {missing}, or give the plant its own profile = {{ file = "...", column = "..." }}'
            self._document.add("P012", table.path, f"{table.kind} plant {table.name!r} has no {missing}", help=help)
            return None
        timeline = self.reader.timeline
        solar = table.kind == "solar"
        inputs = self._solar_inputs(table) if solar else self._wind_inputs(table)
        try:
            return cached_profile(
                _SOLAR_MODULES if solar else _WIND_MODULES,
                timeline,
                {"kind": table.kind, "model": table["model"], **inputs},
                lambda: _computed(table.kind, table["model"], timeline, inputs),
                use_cache=self.use_cache,
            )
        except MissingExtraError as error:
            other = "pvwatts" if solar else "curve"
            self._document.add("S012", table.at("model"), str(error), help=f'install it, or set model = "{other}"')
        except ScenarioError as error:
            self._document.keep(error, table.path)
        return None

    def _missing_input(self, table: Table) -> str:
        weather = self.weather
        if table.kind == "wind":
            return "" if weather.has("wind_speed") else "weather.wind_speed"
        if self.location is None:
            return "location"
        beam, diffuse = weather.has("dni"), weather.has("dhi")
        needed = _IRRADIANCES.get(table["model"])
        if needed is not None:
            names = [name for name in needed if not weather.has(name)]
            return f"weather.{names[0]}" if names else ""
        if beam != diffuse:
            return "weather.dhi" if beam else "weather.dni"
        return "" if beam or weather.has("ghi") or weather.has("cloud_cover") else "weather.cloud_cover"

    def _solar_inputs(self, table: Table) -> dict[str, Any]:
        weather = self.weather
        names = {
            "temperature_c": "temperature",
            "wind_speed_m_s": "wind_speed",
            "ghi_w_m2": "ghi",
            "dni_w_m2": "dni",
            "dhi_w_m2": "dhi",
        }
        inputs: dict[str, Any] = {keyword: weather[name] for keyword, name in names.items() if weather.has(name)}
        if not {"ghi_w_m2", "dni_w_m2"} & set(inputs):
            inputs["cloud_cover_fraction"] = weather["cloud_cover"]
        given = {
            "tilt_deg": table["tilt"],
            "azimuth_deg": table["azimuth"],
            "losses_fraction": table["losses"],
            "dc_ac_ratio": table["dc_ac_ratio"],
        }
        inputs.update({keyword: value for keyword, value in given.items() if value is not None})
        assumed = {name: usual for name, usual in _ASSUMED.items() if not weather.has(name)}
        if assumed:
            message = f"weather has no {' and no '.join(assumed)}; solar plants assume {' and '.join(assumed.values())}"
            self._document.add("S011", table.path, message, severity="note", help="add the weather series")
        if self.location is not None:
            inputs |= {"latitude_deg": self.location.latitude_deg, "longitude_deg": self.location.longitude_deg}
        return inputs | {"mounting": table["mounting"], "albedo": table["albedo"]}

    def _wind_inputs(self, table: Table) -> dict[str, Any]:
        weather = self.weather
        inputs: dict[str, Any] = {
            "wind_speed_m_s": weather["wind_speed"],
            "measurement_height_m": weather.wind_height_m,
            "hub_height_m": table["hub_height"],
            "curve": table["curve"],
            "wake_fraction": table["wake"],
            "losses_fraction": table["losses"],
        }
        optional = {
            "temperature_c": weather["temperature"],
            "pressure_pa": weather["pressure"],
            "shear": table["shear"],
            "roughness_m": table["roughness"],
        }
        inputs |= {keyword: value for keyword, value in optional.items() if value is not None}
        if table["model"] != "windpowerlib":
            inputs["elevation_m"] = self.elevation_m
        return inputs


def _computed(kind: str, model: str, timeline: Timeline, inputs: Mapping[str, Any]) -> FloatArray:
    """Per-unit profile of a plant by its model.

    Raises
    ------
    ScenarioError, MissingExtraError
        If an input is out of range, or an optional model is not installed.
    """
    keywords = dict(inputs)
    if kind == "wind":
        from joulewright.physics.wind import wind_per_unit

        if model == "windpowerlib":
            from joulewright.physics.windpowerlib_model import wind_per_unit_windpowerlib

            return wind_per_unit_windpowerlib(timeline, **keywords)
        if model == "sam":
            from joulewright.physics.sam_model import wind_per_unit_sam

            return wind_per_unit_sam(timeline, **keywords)
        return wind_per_unit(timeline, **keywords)
    from joulewright.physics.solar import SolarModules, solar_per_unit

    keywords["modules"] = SolarModules(mounting=keywords.pop("mounting"), albedo=keywords.pop("albedo"))
    if model == "pvlib":
        from joulewright.physics.pvlib_model import solar_per_unit_pvlib

        return solar_per_unit_pvlib(timeline, **keywords)
    if model == "sam":
        from joulewright.physics.sam_model import solar_per_unit_sam

        return solar_per_unit_sam(timeline, **keywords)
    return solar_per_unit(timeline, **keywords)
