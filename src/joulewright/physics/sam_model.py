"""Solar, wind and batteries by NREL's System Advisor Model, for those who want the full library (extra ``sam``)."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import MissingExtraError, ScenarioError
from joulewright.model.site import Battery
from joulewright.model.timeline import FloatArray, Timeline
from joulewright.physics.ranges import checked, per_step
from joulewright.physics.solar import LOSSES_FRACTION, STANDARD_MODULES, SolarModules, default_tilt_deg
from joulewright.physics.wind import Curve, hub_conditions, power_curve

_BLOCK = 8760
_RATING_KW = 1000.0


def solar_per_unit_sam(
    timeline: Timeline,
    *,
    latitude_deg: float,
    longitude_deg: float,
    dni_w_m2: ArrayLike,
    dhi_w_m2: ArrayLike,
    ghi_w_m2: ArrayLike | None = None,
    temperature_c: ArrayLike = 20.0,
    wind_speed_m_s: ArrayLike = 2.0,
    tilt_deg: float | None = None,
    azimuth_deg: float | None = None,
    losses_fraction: float = LOSSES_FRACTION,
    dc_ac_ratio: float = 1.2,
    modules: SolarModules = STANDARD_MODULES,
) -> FloatArray:
    """Available AC power per MW of AC rating by PVWatts v8, shape ``(T,)``, within [0, 1].

    Parameters
    ----------
    timeline : Timeline
        Steps; the sun is taken at mid-interval.
    latitude_deg, longitude_deg : float
        Position [deg].
    dni_w_m2, dhi_w_m2, ghi_w_m2 : array_like
        Irradiance [W/m2], shape ``(T,)`` or one value; the global one is only handed through.
    temperature_c, wind_speed_m_s : array_like
        Air temperature [degC] and wind speed at 10 m [m/s].
    tilt_deg, azimuth_deg, losses_fraction, dc_ac_ratio
        As in :func:`joulewright.physics.solar.solar_per_unit`.
    modules : SolarModules
        Mounting (open rack or not), inverter efficiency and albedo; SAM's standard module and sky model are fixed.

    Raises
    ------
    MissingExtraError
        If PySAM is not installed.
    ScenarioError
        If a value is out of range, or the modules differ from SAM's standard module.

    References
    ----------
    Dobos (2014), PVWatts Version 5 Manual, NREL/TP-6A20-62641; version 8 in the NREL PySAM documentation,
    https://nrel-pysam.readthedocs.io.
    """
    pvwatts = _sam("Pvwattsv8")
    if modules.temperature_coefficient_per_k != STANDARD_MODULES.temperature_coefficient_per_k:
        raise ScenarioError(
            f"temperature coefficient is {modules.temperature_coefficient_per_k:g} 1/K; the sam model allowed only "
            f"{STANDARD_MODULES.temperature_coefficient_per_k:g} 1/K: use the pvwatts model"
        )
    steps = timeline.steps
    irradiance = {"dn": (dni_w_m2, "direct normal irradiance"), "df": (dhi_w_m2, "diffuse irradiance")}
    if ghi_w_m2 is not None:
        irradiance["gh"] = (ghi_w_m2, "global irradiance")
    series = {
        key: per_step(values, name, 0.0, 2000.0, steps=steps, unit="W/m2") for key, (values, name) in irradiance.items()
    }
    series["tdry"] = per_step(temperature_c, "temperature", -90.0, 70.0, steps=steps, unit="degC")
    series["wspd"] = per_step(wind_speed_m_s, "wind speed", 0.0, 150.0, steps=steps, unit="m/s")
    design = {
        "array_type": 0 if modules.mounting.startswith("open-rack") else 1,
        "module_type": 0,
        "gcr": 0.4,
        "system_capacity": _RATING_KW * dc_ac_ratio,
        "dc_ac_ratio": dc_ac_ratio,
        "tilt": default_tilt_deg(latitude_deg) if tilt_deg is None else tilt_deg,
        "azimuth": (180.0 if latitude_deg >= 0.0 else 0.0) if azimuth_deg is None else azimuth_deg,
        "inv_eff": 100.0 * modules.inverter_efficiency,
        "losses": 100.0 * losses_fraction,
    }
    place = {"lat": latitude_deg, "lon": longitude_deg, "tz": 0, "elev": 0.0}
    middles = timeline.starts() + np.timedelta64(timeline.step_s // 2, "s")
    parts = []
    # PVWatts drops what follows the last whole multiple of 8760 records, so it gets at most that many at a time.
    for first in range(0, steps, _BLOCK):
        window = slice(first, first + _BLOCK)
        model = pvwatts.new()
        records = {key: values[window].tolist() for key, values in series.items()}
        resource = place | _calendar(middles[window]) | records
        model.SolarResource.assign(
            {"solar_resource_data": resource, "use_wf_albedo": 0, "albedo": [modules.albedo] * 12}
        )
        model.SystemDesign.assign(design)
        model.AdjustmentFactors.adjust_constant = 0.0
        model.execute(0)
        parts.append(np.asarray(model.Outputs.ac, dtype=np.float64))
    # In watts; PVWatts draws a little at night.
    return np.clip(np.concatenate(parts) / (1000.0 * _RATING_KW), 0.0, 1.0)


def _calendar(instants: Any) -> dict[str, list[int]]:
    """Columns of SAM's weather table for naive-UTC instants."""
    months = instants.astype("datetime64[M]")
    days = instants.astype("datetime64[D]")
    columns = {
        "year": instants.astype("datetime64[Y]").astype(int) + 1970,
        "month": months.astype(int) % 12 + 1,
        "day": (days - months).astype(int) + 1,
        "hour": (instants.astype("datetime64[h]") - days).astype(int),
        "minute": (instants.astype("datetime64[m]") - instants.astype("datetime64[h]")).astype(int),
    }
    return {name: values.tolist() for name, values in columns.items()}


def wind_per_unit_sam(
    timeline: Timeline,
    *,
    wind_speed_m_s: ArrayLike,
    temperature_c: ArrayLike = 15.0,
    pressure_pa: ArrayLike | None = None,
    elevation_m: float = 0.0,
    measurement_height_m: float = 10.0,
    hub_height_m: float = 100.0,
    shear: float | None = None,
    roughness_m: float | None = None,
    curve: str | Curve = "generic-300",
    wake_fraction: float = 0.05,
    losses_fraction: float = 0.06,
) -> FloatArray:
    """Available power of a wind plant per MW of rating by SAM's Windpower, shape ``(T,)``.

    Parameters
    ----------
    timeline : Timeline
        Steps.
    wind_speed_m_s : array_like
        Wind speed at the measurement height [m/s], shape ``(T,)`` or one value.
    temperature_c, pressure_pa, elevation_m : array_like, float
        Air near the ground [degC], [Pa], [m].
    measurement_height_m, hub_height_m, shear, roughness_m, curve, wake_fraction, losses_fraction
        As in :func:`joulewright.physics.wind.wind_per_unit`.

    Raises
    ------
    MissingExtraError
        If PySAM is not installed.
    ScenarioError
        If a value is out of range.

    Notes
    -----
    The wind is lifted to the hub here, because SAM accepts measurements only within 35 m of it; one turbine with
    the given curve then stands for the plant. SAM moves the whole curve with air density, the cut-out included.

    References
    ----------
    Freeman et al. (2014), Reference Manual for the System Advisor Model's Wind Power Performance Model,
    NREL/TP-6A20-60570, doi:10.2172/1150800.
    """
    windpower = _sam("Windpower")
    steps = timeline.steps
    speed, air, pressure = hub_conditions(
        steps,
        (wind_speed_m_s, measurement_height_m, hub_height_m),
        air=(temperature_c, pressure_pa, elevation_m),
        shear=shear,
        roughness_m=roughness_m,
    )
    kept = 1.0 - float(checked(wake_fraction, "wind wake losses", 0.0, 1.0))
    kept *= 1.0 - float(checked(losses_fraction, "wind losses", 0.0, 1.0))
    speeds, fractions = power_curve(curve)
    records = np.column_stack([air, pressure / 101_325.0, speed, np.zeros(steps)])
    whole = -(-steps // _BLOCK) * _BLOCK
    model = windpower.default("WindPowerNone")
    model.Resource.wind_resource_model_choice = 0
    model.Resource.wind_resource_data = {
        "heights": [hub_height_m] * 4,
        "fields": [1, 2, 3, 4],
        "data": np.resize(records, (whole, 4)).tolist(),
    }
    model.Turbine.assign(
        {
            "wind_turbine_hub_ht": hub_height_m,
            "wind_turbine_rotor_diameter": 100.0,
            "wind_turbine_powercurve_windspeeds": speeds.tolist(),
            "wind_turbine_powercurve_powerout": (_RATING_KW * fractions).tolist(),
        }
    )
    model.Farm.assign(
        {
            "system_capacity": _RATING_KW,
            "wind_farm_xCoordinates": [0.0],
            "wind_farm_yCoordinates": [0.0],
            "wind_farm_wake_model": 0,
        }
    )
    model.Losses.assign(dict.fromkeys(model.Losses.export(), 0.0))
    model.execute(0)
    gross = np.asarray(model.Outputs.gen, dtype=np.float64)[:steps] / _RATING_KW
    return kept * np.clip(gross, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class SamBatteryRun:
    """What SAM's battery did; the arrays have shape ``(T,)`` but for the stored energy.

    Attributes
    ----------
    charge_mw, discharge_mw : FloatArray
        Power at the terminals of the cells that was reached [MW].
    state_fraction : FloatArray
        State of charge on the boundaries [-], shape ``(T + 1,)``.
    capacity_fraction : FloatArray
        Capacity left after each step per that of the first step [-].

    References
    ----------
    See :func:`battery_run_sam`.
    """

    charge_mw: FloatArray
    discharge_mw: FloatArray
    state_fraction: FloatArray
    capacity_fraction: FloatArray


CHEMISTRIES: dict[str, str] = {"nmc": "NMCGraphite", "lfp": "LFPGraphite"}
"""Cell chemistries of SAM that are offered, with their names there; its lead-acid sizing does not scale."""


def battery_run_sam(
    battery: Battery, charge_mw: ArrayLike, discharge_mw: ArrayLike, *, step_h: float, chemistry: str = "lfp"
) -> SamBatteryRun:
    """What SAM's stateful battery makes of a schedule of power.

    Parameters
    ----------
    battery : Battery
        Capacity, limits and initial energy; SAM takes losses from the voltage of the cells, not from efficiencies.
    charge_mw, discharge_mw : array_like
        Power asked of the cells [MW], shape ``(T,)``; clipped to the limits of the battery.
    step_h : float
        Length of a step [h].
    chemistry : str
        Key of :data:`CHEMISTRIES`.

    Raises
    ------
    MissingExtraError
        If PySAM is not installed.
    ScenarioError
        If the chemistry is unknown.

    References
    ----------
    DiOrio et al. (2015), Technoeconomic Modeling of Battery Energy Storage in SAM, NREL/TP-6A20-64641,
    doi:10.2172/1225314.
    """
    stateful, tools = _sam("BatteryStateful"), _sam("BatteryTools")
    if chemistry not in CHEMISTRIES:
        raise ScenarioError(f"battery chemistry is {chemistry!r}; allowed are {sorted(CHEMISTRIES)}")
    charge = np.minimum(checked(charge_mw, "charge", 0.0, unit="MW"), battery.charge_limit_mw)
    discharge = np.minimum(checked(discharge_mw, "discharge", 0.0, unit="MW"), battery.discharge_limit_mw)
    model = stateful.default(CHEMISTRIES[chemistry])
    model.ParamsCell.assign(
        {
            "minimum_SOC": 100.0 * battery.min_energy_mwh / battery.energy_mwh,
            "maximum_SOC": 100.0,
            "initial_SOC": 100.0 * battery.initial_energy_mwh / battery.energy_mwh,
        }
    )
    power_kw = 1000.0 * max(battery.charge_limit_mw, battery.discharge_limit_mw)
    tools.battery_model_sizing(model, power_kw, 1000.0 * battery.energy_mwh, 500.0)
    model.Controls.assign({"control_mode": 1, "dt_hr": step_h, "input_power": 0.0})
    model.setup()
    rows = [[0.0, model.StatePack.SOC, model.StatePack.Q_max]]
    for asked_kw in (1000.0 * (discharge - charge)).tolist():
        model.Controls.input_power = asked_kw
        model.execute(0)
        rows.append([model.StatePack.P, model.StatePack.SOC, model.StatePack.Q_max])
    table = np.asarray(rows, dtype=np.float64)
    return SamBatteryRun(
        charge_mw=np.maximum(-table[1:, 0], 0.0) / 1000.0,
        discharge_mw=np.maximum(table[1:, 0], 0.0) / 1000.0,
        state_fraction=table[:, 1] / 100.0,
        capacity_fraction=table[1:, 2] / table[1, 2],
    )


def _sam(name: str) -> ModuleType:
    """A module of PySAM, imported when it is asked for."""
    from importlib import import_module

    try:
        return import_module(f"PySAM.{name}")
    except ImportError as error:
        raise MissingExtraError("the sam models need the extra: pip install 'joulewright[sam]'") from error
