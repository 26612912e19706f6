"""Wind plants: wind at hub height, air density, power curves, wake and other losses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray, Timeline
from joulewright.physics.ranges import checked, per_step

REFERENCE_DENSITY_KG_M3 = 1.225
"""Air density of published power curves (15 degC, 1013.25 hPa) [kg/m3]."""

_GAS_CONSTANT = 287.058
_CUT_OUT_M_S = 25.0

Curve = Sequence[tuple[float, float]]
"""Points (wind speed [m/s], power as a fraction of the rating), speeds increasing; the last one is the cut-out."""


def standard_pressure_pa(elevation_m: float) -> float:
    """Air pressure of the standard atmosphere [Pa] at an elevation above sea level [m].

    References
    ----------
    ISO 2533:1975.

    Examples
    --------
    >>> standard_pressure_pa(0.0)
    101325.0
    """
    return float(101_325.0 * (1.0 - 2.25577e-5 * elevation_m) ** 5.25588)


def hub_wind_speed_m_s(
    wind_speed_m_s: ArrayLike,
    measurement_height_m: float,
    hub_height_m: float,
    *,
    shear: float | None = None,
    roughness_m: float | None = None,
) -> FloatArray:
    """Wind speed at hub height [m/s], same shape.

    Parameters
    ----------
    wind_speed_m_s : array_like
        Wind speed at the measurement height [m/s].
    measurement_height_m, hub_height_m : float
        Heights above ground [m].
    shear : float, optional
        Exponent of the power law; 1/7 where no roughness is given either.
    roughness_m : float, optional
        Roughness length z0 of the logarithmic law [m].

    Raises
    ------
    ScenarioError
        If both laws are asked for or a height is not above the roughness length.

    Notes
    -----
    ``v_hub = v (h / h0)^shear`` or ``v_hub = v ln(h / z0) / ln(h0 / z0)``.

    References
    ----------
    Burton et al. (2011), Wind Energy Handbook, 2nd ed., section 2.6.2, doi:10.1002/9781119992714.

    Examples
    --------
    >>> round(float(hub_wind_speed_m_s(6.0, 10.0, 80.0)), 6)  # 6 x 8^(1/7)
    8.075401
    """
    speed = checked(wind_speed_m_s, "wind speed", 0.0, 150.0, unit="m/s")
    if shear is not None and roughness_m is not None:
        raise ScenarioError(f"wind gives both shear {shear:g} and roughness {roughness_m:g} m; keep one of them")
    if roughness_m is None:
        exponent = 1.0 / 7.0 if shear is None else float(checked(shear, "wind shear", 0.0, 1.0))
        factor = float((hub_height_m / measurement_height_m) ** exponent)
        return speed * factor
    lowest = min(measurement_height_m, hub_height_m)
    if not 0.0 < roughness_m < lowest:
        raise ScenarioError(
            f"wind roughness is {roughness_m:g} m; allowed is above 0 and below the heights ({lowest:g} m)"
        )
    return speed * math.log(hub_height_m / roughness_m) / math.log(measurement_height_m / roughness_m)


def air_density_kg_m3(temperature_c: ArrayLike, pressure_pa: ArrayLike) -> FloatArray:
    """Density of dry air by the gas law [kg/m3], broadcast shapes.

    Parameters
    ----------
    temperature_c : array_like
        Air temperature at hub height [degC].
    pressure_pa : array_like
        Air pressure at hub height [Pa].

    References
    ----------
    IEC 61400-12-1:2017, annex on density, for dry air with R = 287.058 J/kg/K.

    Examples
    --------
    >>> round(float(air_density_kg_m3(10.0, 101_325.0 - 12.5 * 100.0)), 6)
    1.231231
    """
    density: FloatArray = np.asarray(pressure_pa, dtype=np.float64) / (
        _GAS_CONSTANT * (np.asarray(temperature_c) + 273.15)
    )
    return density


def cubic_curve(
    cut_in_m_s: float = 3.0, rated_m_s: float = 12.0, cut_out_m_s: float = _CUT_OUT_M_S
) -> tuple[tuple[float, float], ...]:
    """Points of a curve that rises with the cube of the wind speed [m/s] from cut-in to the rating.

    References
    ----------
    Carrillo et al. (2013), Renewable and Sustainable Energy Reviews 21, 572-581, doi:10.1016/j.rser.2013.01.012.

    Examples
    --------
    >>> dict(cubic_curve())[5.0] * 1701  # (5^3 - 3^3) / (12^3 - 3^3)
    98.0
    """
    whole = range(math.ceil(cut_in_m_s), math.ceil(rated_m_s))
    rise = [(float(v), (v**3 - cut_in_m_s**3) / (rated_m_s**3 - cut_in_m_s**3)) for v in whole if v > cut_in_m_s]
    flat = [(float(v), 1.0) for v in np.arange(rated_m_s, cut_out_m_s, 1.0)]
    return ((cut_in_m_s, 0.0), *rise, *flat, (cut_out_m_s, 1.0))


def generic_curve(specific_power_w_m2: float) -> tuple[tuple[float, float], ...]:
    """Points of a generic modern turbine with this rating per swept area [W/m2], every 0.5 m/s.

    Notes
    -----
    The rotor turns ``0.44 x 1/2 rho v^3`` (power coefficient with drive train, rho = 1.225 kg/m3) into power up
    to the rating, averaged over normally distributed gusts of 10 % turbulence intensity, between 3 and 25 m/s.
    Within 5 % of the rating of the published curves of ten turbines with 220 to 340 W/m2; a simplification of
    the reference below.

    References
    ----------
    Saint-Drenan et al. (2020), Renewable Energy 157, 754-768, doi:10.1016/j.renene.2020.04.123.

    Examples
    --------
    >>> dict(generic_curve(300.0))[25.0]
    1.0
    """
    checked(specific_power_w_m2, "specific power", 100.0, 800.0, unit="W/m2")
    speeds = np.arange(3.0, _CUT_OUT_M_S + 0.25, 0.5)
    gusts = np.linspace(-3.0, 3.0, 61)
    weights = np.exp(-(gusts**2) / 2.0)
    steady = 0.5 * REFERENCE_DENSITY_KG_M3 * 0.44 * (speeds[:, None] * (1.0 + 0.1 * gusts)) ** 3 / specific_power_w_m2
    mean = np.minimum(steady, 1.0) @ (weights / weights.sum())
    mean[mean > 0.9995] = 1.0
    return ((2.5, 0.0), *zip(speeds.tolist(), mean.tolist(), strict=True))


CURVES: dict[str, str] = {
    "cubic": "cubic rise from 3 to 12 m/s, cut-out at 25 m/s",
    "generic-230": "large rotor for weak wind, 230 W/m2",
    "generic-300": "modern onshore turbine, 300 W/m2",
    "generic-400": "small rotor for strong wind or offshore, 400 W/m2",
}
"""Names of the built-in power curves with one line each."""


def power_curve(curve: str | Curve) -> tuple[FloatArray, FloatArray]:
    """Speeds [m/s] and power fractions [-] of a built-in or user-given curve, each of shape ``(P,)``.

    Raises
    ------
    ScenarioError
        If the name is unknown, speeds do not increase or a fraction lies outside [0, 1].

    Examples
    --------
    >>> power_curve([(3, 0), (12, 1), (25, 1)])[1].tolist()
    [0.0, 1.0, 1.0]
    """
    if isinstance(curve, str):
        if curve not in CURVES:
            raise ScenarioError(
                f"wind curve is {curve!r}; allowed are {sorted(CURVES)} or points [[speed, fraction], ...]"
            )
        curve = cubic_curve() if curve == "cubic" else generic_curve(float(curve.removeprefix("generic-")))
    points = np.asarray(curve, dtype=np.float64)
    if points.ndim != 2 or points.shape[0] < 2 or points.shape[1] != 2:
        raise ScenarioError(f"wind curve has shape {points.shape}; give at least two points [speed in m/s, fraction]")
    speeds = checked(points[:, 0], "wind curve speed", 0.0, 100.0, unit="m/s")
    if (np.diff(speeds) <= 0.0).any():
        raise ScenarioError(f"wind curve speeds are {speeds.tolist()}; they must increase")
    return speeds, checked(points[:, 1], "wind curve power", 0.0, 1.0)


def curve_power(
    speed_m_s: ArrayLike, curve: str | Curve, *, density_kg_m3: ArrayLike = REFERENCE_DENSITY_KG_M3
) -> FloatArray:
    """Power as a fraction of the rating, shape ``(T,)``: 0 below the first and above the last speed of the curve.

    Parameters
    ----------
    speed_m_s : array_like
        Wind speed at hub height [m/s], shape ``(T,)`` or one value.
    curve : str or sequence of (float, float)
        Key of :data:`CURVES` or points.
    density_kg_m3 : array_like
        Air density [kg/m3], shape ``(T,)`` or one value.

    Notes
    -----
    The speeds of the curve move to ``v (1.225 / rho)^p`` with p = 1/3 up to 7.5 m/s, 2/3 from 12.5 m/s and linear
    between. The cut-out stays where it is: it protects the machine and does not move with density.

    References
    ----------
    Svenningsen (2010), Power curve air density correction and other power curve options in WindPRO, EMD.

    Examples
    --------
    >>> (1500 * curve_power([8.0, 25.1], "cubic", density_kg_m3=1.1)).round(6).tolist()
    [382.682951, 0.0]
    """
    speeds, fractions = power_curve(curve)
    wind, density = np.broadcast_arrays(np.atleast_1d(speed_m_s), np.asarray(density_kg_m3, dtype=np.float64))
    exponent = np.clip(speeds / 15.0 - 1.0 / 6.0, 1.0 / 3.0, 2.0 / 3.0)
    knots = speeds * (REFERENCE_DENSITY_KG_M3 / density[:, None]) ** exponent
    below = np.clip((knots <= wind[:, None]).sum(axis=1) - 1, 0, speeds.size - 2)
    row = np.arange(wind.size)
    left, right = knots[row, below], knots[row, below + 1]
    weight = np.clip((wind - left) / (right - left), 0.0, 1.0)
    power = fractions[below] + weight * (fractions[below + 1] - fractions[below])
    return np.where((wind >= knots[:, 0]) & (wind <= speeds[-1]), power, 0.0)


def hub_conditions(
    steps: int,
    wind: tuple[ArrayLike, float, float],
    *,
    air: tuple[ArrayLike, ArrayLike | None, float] = (15.0, None, 0.0),
    shear: float | None = None,
    roughness_m: float | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Wind speed [m/s], air temperature [degC] and pressure [Pa] at hub height, each of shape ``(T,)``.

    Parameters
    ----------
    steps : int
        Number of steps T.
    wind : tuple of (array_like, float, float)
        Wind speed [m/s], the height at which it is measured and the hub height [m].
    air : tuple of (array_like, array_like or None, float)
        Temperature [degC] and pressure [Pa] near the ground, and the elevation [m] whose standard atmosphere stands
        in for a missing pressure.
    shear, roughness_m : float, optional
        See :func:`hub_wind_speed_m_s`.

    Raises
    ------
    ScenarioError
        If a value is out of range.

    Notes
    -----
    Temperature falls by 6.5 K/km and pressure by 12.5 Pa/m up to the hub.

    References
    ----------
    ISO 2533:1975 (lapse rate); :func:`hub_wind_speed_m_s`.

    Examples
    --------
    >>> speed, temperature, pressure = hub_conditions(1, (6.0, 10.0, 80.0))
    >>> [round(float(part[0]), 2) for part in (speed, temperature, pressure)]
    [8.08, 14.48, 100325.0]
    """
    values, measured_m, hub_m = wind
    temperature_c, pressure_pa, elevation_m = air
    checked(measured_m, "wind measurement height", 0.1, 1000.0, unit="m")
    checked(hub_m, "wind hub height", 5.0, 1000.0, unit="m")
    ground = per_step(values, "wind speed", 0.0, 150.0, steps=steps, unit="m/s")
    speed = hub_wind_speed_m_s(ground, measured_m, hub_m, shear=shear, roughness_m=roughness_m)
    surface = standard_pressure_pa(elevation_m) if pressure_pa is None else pressure_pa
    pressure = per_step(surface, "air pressure", 30_000.0, 120_000.0, steps=steps, unit="Pa") - 12.5 * hub_m
    return (
        speed,
        per_step(temperature_c, "temperature", -90.0, 70.0, steps=steps, unit="degC") - 0.0065 * hub_m,
        pressure,
    )


def wind_per_unit(
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
    """Available power of a wind plant per MW of rating, shape ``(T,)``, within [0, 1].

    Parameters
    ----------
    timeline : Timeline
        Steps; all series are means over them, of shape ``(T,)`` or a single value.
    wind_speed_m_s : array_like
        Wind speed at the measurement height [m/s].
    temperature_c : array_like
        Air temperature near the ground [degC].
    pressure_pa : array_like, optional
        Air pressure at the ground [Pa]; the standard atmosphere at the elevation where absent.
    elevation_m : float
        Elevation of the ground above sea level [m].
    measurement_height_m, hub_height_m : float
        Heights above ground [m].
    shear, roughness_m : float, optional
        See :func:`hub_wind_speed_m_s`.
    curve : str or sequence of (float, float)
        Key of :data:`CURVES` or points (speed [m/s], fraction of the rating).
    wake_fraction, losses_fraction : float
        Energy lost in wakes, and to availability and electrical losses.

    Raises
    ------
    ScenarioError
        If a value is out of range.

    Notes
    -----
    Air at the hub as in :func:`hub_conditions`. Power uses the mean wind of each step.

    References
    ----------
    IEC 61400-12-1:2017 (density); ISO 2533:1975 (lapse rate).

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> hours = Timeline(start=datetime(2022, 1, 1, tzinfo=UTC), step_s=3600, steps=3)
    >>> power = wind_per_unit(hours, wind_speed_m_s=[1.0, 12.0, 30.0], wake_fraction=0.0, losses_fraction=0.1)
    >>> power.round(6).tolist()
    [0.0, 0.9, 0.0]
    """
    speed, air, pressure = hub_conditions(
        timeline.steps,
        (wind_speed_m_s, measurement_height_m, hub_height_m),
        air=(temperature_c, pressure_pa, elevation_m),
        shear=shear,
        roughness_m=roughness_m,
    )
    kept = 1.0 - checked(wake_fraction, "wind wake losses", 0.0, 1.0)
    kept = kept * (1.0 - checked(losses_fraction, "wind losses", 0.0, 1.0))
    return kept * curve_power(speed, curve, density_kg_m3=air_density_kg_m3(air, pressure))
