"""Photovoltaic plants by pvlib's ModelChain, for those who want the full library (extra ``solar``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import MissingExtraError
from joulewright.model.timeline import FloatArray, Timeline
from joulewright.physics.ranges import per_step
from joulewright.physics.solar import LOSSES_FRACTION, MOUNTINGS, STANDARD_MODULES, SolarModules, default_tilt_deg


def solar_per_unit_pvlib(
    timeline: Timeline,
    *,
    latitude_deg: float,
    longitude_deg: float,
    ghi_w_m2: ArrayLike,
    dni_w_m2: ArrayLike,
    dhi_w_m2: ArrayLike,
    temperature_c: ArrayLike = 20.0,
    wind_speed_m_s: ArrayLike = 2.0,
    tilt_deg: float | None = None,
    azimuth_deg: float | None = None,
    losses_fraction: float = LOSSES_FRACTION,
    dc_ac_ratio: float = 1.2,
    modules: SolarModules = STANDARD_MODULES,
) -> FloatArray:
    """Available AC power per MW of AC rating by pvlib's PVWatts ModelChain, shape ``(T,)``, within [0, 1].

    Parameters
    ----------
    timeline : Timeline
        Steps; the sun is taken at mid-interval.
    latitude_deg, longitude_deg : float
        Position [deg].
    ghi_w_m2, dni_w_m2, dhi_w_m2 : array_like
        Irradiance [W/m2], shape ``(T,)`` or one value.
    temperature_c, wind_speed_m_s : array_like
        Air temperature [degC] and wind speed at 10 m [m/s].
    tilt_deg, azimuth_deg, losses_fraction, dc_ac_ratio, modules
        As in :func:`joulewright.physics.solar.solar_per_unit`.

    Raises
    ------
    MissingExtraError
        If pvlib is not installed.

    References
    ----------
    Anderson et al. (2023), pvlib python: 2023 project update, JOSS 8(92), 5994, doi:10.21105/joss.05994.
    """
    try:
        import pandas as pd
        from pvlib.location import Location
        from pvlib.modelchain import ModelChain
        from pvlib.pvsystem import Array, FixedMount, PVSystem
    except ImportError as error:
        raise MissingExtraError("the pvlib solar model needs the extra: pip install 'joulewright[solar]'") from error
    a, b, rise = MOUNTINGS[modules.mounting]
    mount = FixedMount(
        surface_tilt=default_tilt_deg(latitude_deg) if tilt_deg is None else tilt_deg,
        surface_azimuth=(180.0 if latitude_deg >= 0.0 else 0.0) if azimuth_deg is None else azimuth_deg,
    )
    array = Array(
        mount=mount,
        albedo=modules.albedo,
        module_parameters={"pdc0": dc_ac_ratio, "gamma_pdc": modules.temperature_coefficient_per_k},
        temperature_model_parameters={"a": a, "b": b, "deltaT": rise},
    )
    nominal = modules.inverter_efficiency
    system = PVSystem(
        arrays=[array],
        inverter_parameters={"pdc0": 1.0 / nominal, "eta_inv_nom": nominal},
        losses_parameters=dict.fromkeys(_PVWATTS_LOSSES, 0.0) | {"shading": 100.0 * losses_fraction},
    )
    chain = ModelChain(
        system,
        Location(latitude_deg, longitude_deg),
        transposition_model=modules.sky.replace("hay-davies", "haydavies"),
        aoi_model="physical",
        spectral_model="no_loss",
        losses_model="pvwatts",
    )
    middles = timeline.starts() + np.timedelta64(timeline.step_s // 2, "s")
    given = {"ghi": ghi_w_m2, "dni": dni_w_m2, "dhi": dhi_w_m2, "temp_air": temperature_c, "wind_speed": wind_speed_m_s}
    columns = {name: per_step(values, name, steps=timeline.steps) for name, values in given.items()}
    chain.run_model(pd.DataFrame(columns, index=pd.DatetimeIndex(middles, tz="UTC")))
    return np.clip(np.nan_to_num(np.asarray(chain.results.ac, dtype=np.float64)), 0.0, 1.0)


_PVWATTS_LOSSES = (
    "soiling", "shading", "snow", "mismatch", "wiring", "connections", "lid", "nameplate_rating", "age", "availability",
)  # fmt: skip
