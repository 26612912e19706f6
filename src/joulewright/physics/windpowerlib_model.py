"""Wind plants by windpowerlib's ModelChain, for those who want the full library (extra ``wind``)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import MissingExtraError
from joulewright.model.timeline import FloatArray, Timeline
from joulewright.physics.ranges import per_step
from joulewright.physics.wind import Curve, power_curve


def wind_per_unit_windpowerlib(
    timeline: Timeline,
    *,
    wind_speed_m_s: ArrayLike,
    temperature_c: ArrayLike = 15.0,
    pressure_pa: ArrayLike = 101_325.0,
    measurement_height_m: float = 10.0,
    hub_height_m: float = 100.0,
    shear: float | None = None,
    roughness_m: float | None = None,
    curve: str | Curve = "generic-300",
    wake_fraction: float = 0.05,
    losses_fraction: float = 0.06,
) -> FloatArray:
    """Available power of a wind plant per MW of rating by windpowerlib's ModelChain, shape ``(T,)``.

    Parameters
    ----------
    timeline : Timeline
        Steps.
    wind_speed_m_s : array_like
        Wind speed at the measurement height [m/s], shape ``(T,)`` or one value.
    temperature_c, pressure_pa : array_like
        Air temperature [degC] and pressure [Pa] near the ground.
    measurement_height_m, hub_height_m, shear, roughness_m, curve, wake_fraction, losses_fraction
        As in :func:`joulewright.physics.wind.wind_per_unit`.

    Raises
    ------
    MissingExtraError
        If windpowerlib is not installed.

    Notes
    -----
    windpowerlib moves the cut-out with air density, so thin air may give power just above it.

    References
    ----------
    windpowerlib (MIT), https://windpowerlib.readthedocs.io.
    """
    try:
        import pandas as pd
        from windpowerlib import ModelChain, WindTurbine
    except ImportError as error:
        raise MissingExtraError("the windpowerlib model needs the extra: pip install 'joulewright[wind]'") from error
    speeds, fractions = power_curve(curve)
    turbine = WindTurbine(
        hub_height=hub_height_m,
        nominal_power=1.0,
        power_curve=pd.DataFrame({"wind_speed": speeds, "value": fractions}),
    )
    chain = ModelChain(
        turbine,
        wind_speed_model="hellman" if roughness_m is None else "logarithmic",
        density_model="ideal_gas",
        power_output_model="power_curve",
        density_correction=True,
        hellman_exp=1.0 / 7.0 if shear is None else shear,
    )
    heights = {"wind_speed": measurement_height_m, "temperature": 0.0, "pressure": 0.0, "roughness_length": 0.0}
    given = {
        "wind_speed": wind_speed_m_s,
        "temperature": temperature_c,
        "pressure": pressure_pa,
        "roughness_length": 0.15 if roughness_m is None else roughness_m,
    }
    columns = {
        (name, heights[name]): per_step(values, name, steps=timeline.steps) + (273.15 if name == "temperature" else 0.0)
        for name, values in given.items()
    }
    weather = pd.DataFrame(columns, index=pd.DatetimeIndex(timeline.starts()))
    weather.columns = pd.MultiIndex.from_tuples(list(columns))
    power = np.asarray(chain.run_model(weather).power_output, dtype=np.float64)
    return power * (1.0 - wake_fraction) * (1.0 - losses_fraction)
