"""Photovoltaic plants in PVWatts form: available AC power per MW of AC rating."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray, Timeline
from joulewright.physics import irradiance, sun
from joulewright.physics.ranges import checked, per_step

LOSSES_FRACTION = 0.14075660688264469
"""Default system losses of PVWatts (soiling 2, shading 3, mismatch 2, wiring 2, connections 0.5, light-induced
degradation 1.5, nameplate 1, availability 3 %)."""

MOUNTINGS: dict[str, tuple[float, float, float]] = {
    "open-rack-glass-polymer": (-3.56, -0.075, 3.0),
    "open-rack-glass-glass": (-3.47, -0.0594, 3.0),
    "close-mount-glass-glass": (-2.98, -0.0471, 1.0),
    "insulated-back-glass-polymer": (-2.81, -0.0455, 0.0),
}
"""Coefficients a, b [s/m] and dT [K] of the cell temperature by mounting (SAND2004-3535, table 1)."""

_LONGEST_SAMPLE_S = 900
_LONGEST_UNSAMPLED_S = 1800


@dataclass(frozen=True, kw_only=True)
class SolarModules:
    """What a plant is made of, beyond its orientation; fractions are [-].

    Attributes
    ----------
    mounting : str
        Key of :data:`MOUNTINGS`.
    temperature_coefficient_per_k : float
        Relative change of DC power per kelvin above 25 degC [1/K].
    inverter_efficiency : float
        Nominal efficiency of the inverter, a fraction.
    albedo : float
        Share of the irradiance that the ground reflects.
    sky : {"hay-davies", "isotropic"}
        Model of the sky's diffuse light.
    """

    mounting: str = "open-rack-glass-polymer"
    temperature_coefficient_per_k: float = -0.0037
    inverter_efficiency: float = 0.96
    albedo: float = 0.25
    sky: Literal["hay-davies", "isotropic"] = "hay-davies"

    def __post_init__(self) -> None:
        if self.mounting not in MOUNTINGS:
            raise ScenarioError(f"solar mounting is {self.mounting!r}; allowed are {sorted(MOUNTINGS)}")


STANDARD_MODULES = SolarModules()
"""The defaults of PVWatts for standard modules on open racks."""


def default_tilt_deg(latitude_deg: float) -> float:
    """Tilt with about the largest yearly yield at a latitude [deg], not negative.

    References
    ----------
    Jacobson and Jadhav (2018), Solar Energy 169, 55-66, doi:10.1016/j.solener.2018.04.030.

    Examples
    --------
    >>> round(default_tilt_deg(37.4), 1), round(default_tilt_deg(-33.9), 1)
    (30.4, 29.5)
    """
    phi = latitude_deg
    if phi >= 0.0:
        return max(0.0, 1.3793 + phi * (1.2011 + phi * (-0.014404 + phi * 0.000080509)))
    return max(0.0, 0.41657 - phi * (1.4216 + phi * (0.024051 + phi * 0.00021828)))


def cell_temperature_c(
    plane_w_m2: ArrayLike,
    temperature_c: ArrayLike,
    wind_speed_m_s: ArrayLike,
    *,
    mounting: str = "open-rack-glass-polymer",
) -> FloatArray:
    """Temperature of the cells [degC], broadcast shapes.

    Parameters
    ----------
    plane_w_m2 : array_like
        Irradiance on the plane of the modules [W/m2].
    temperature_c : array_like
        Air temperature [degC].
    wind_speed_m_s : array_like
        Wind speed at 10 m [m/s].
    mounting : str
        Key of :data:`MOUNTINGS`.

    Notes
    -----
    ``T_c = G exp(a + b v) + T_a + G/1000 dT``.

    References
    ----------
    King, Boyson and Kratochvil (2004), Photovoltaic Array Performance Model, SAND2004-3535, equations 11 and 12.

    Examples
    --------
    >>> round(float(cell_temperature_c(800.0, 20.0, 3.0)), 3)
    40.567
    """
    a, b, rise = MOUNTINGS[mounting]
    plane = np.asarray(plane_w_m2, dtype=np.float64)
    warm: FloatArray = (
        plane * np.exp(a + b * np.asarray(wind_speed_m_s)) + np.asarray(temperature_c) + plane / 1000.0 * rise
    )
    return warm


def dc_power(
    effective_w_m2: ArrayLike, cell_c: ArrayLike, *, temperature_coefficient_per_k: float = -0.0037
) -> FloatArray:
    """DC power per rated DC power, broadcast shapes, not negative.

    Parameters
    ----------
    effective_w_m2 : array_like
        Irradiance that reaches the cells [W/m2].
    cell_c : array_like
        Cell temperature [degC].
    temperature_coefficient_per_k : float
        Relative change per kelvin above 25 degC [1/K].

    References
    ----------
    Dobos (2014), PVWatts Version 5 Manual, NREL/TP-6A20-62641.

    Examples
    --------
    >>> round(float(dc_power(800.0, 45.0)), 6)  # 0.8 (1 - 0.0037 x 20)
    0.7408
    """
    factor = 1.0 + temperature_coefficient_per_k * (np.asarray(cell_c, dtype=np.float64) - 25.0)
    return np.maximum(np.asarray(effective_w_m2, dtype=np.float64) / 1000.0 * factor, 0.0)


def inverter_power(load_fraction: ArrayLike) -> FloatArray:
    """AC power per rated AC power, same shape, within [0, 1].

    Parameters
    ----------
    load_fraction : array_like
        DC power per DC rating of the inverter [-], which is its AC rating divided by its nominal efficiency.

    Notes
    -----
    The efficiency at load z is ``eta_nom / 0.9637 (-0.0162 z - 0.0059 / z + 0.9858)``; eta_nom cancels here.

    References
    ----------
    Dobos (2014), PVWatts Version 5 Manual, NREL/TP-6A20-62641.

    Examples
    --------
    >>> (960.0 * inverter_power([0.0, 0.005, 0.1, 1.1])).round(4).tolist()
    [0.0, 0.0, 92.1628, 960.0]
    """
    load = np.asarray(load_fraction, dtype=np.float64)
    converted = (load * (0.9858 - 0.0162 * load) - 0.0059) / 0.9637
    return np.where(load > 0.0, np.clip(converted, 0.0, 1.0), 0.0)


def solar_per_unit(
    timeline: Timeline,
    *,
    latitude_deg: float,
    longitude_deg: float,
    temperature_c: ArrayLike = 20.0,
    wind_speed_m_s: ArrayLike = 2.0,
    cloud_cover_fraction: ArrayLike | None = None,
    ghi_w_m2: ArrayLike | None = None,
    dni_w_m2: ArrayLike | None = None,
    dhi_w_m2: ArrayLike | None = None,
    tilt_deg: float | None = None,
    azimuth_deg: float | None = None,
    losses_fraction: float = LOSSES_FRACTION,
    dc_ac_ratio: float = 1.2,
    modules: SolarModules = STANDARD_MODULES,
) -> FloatArray:
    """Available AC power of a fixed-tilt plant per MW of AC rating, shape ``(T,)``, within [0, 1].

    Parameters
    ----------
    timeline : Timeline
        Steps; all series are means over them, of shape ``(T,)`` or a single value.
    latitude_deg, longitude_deg : float
        Position [deg], north and east positive.
    temperature_c, wind_speed_m_s : array_like
        Air temperature [degC] and wind speed at 10 m [m/s].
    cloud_cover_fraction : array_like, optional
        Cloud cover within [0, 1]; irradiance is then the Haurwitz clear sky under Kasten-Czeplak clouds. That
        clear sky ignores turbidity and is 7 to 12 % too bright over a year: prefer measured irradiance.
    ghi_w_m2, dni_w_m2, dhi_w_m2 : array_like, optional
        Irradiance [W/m2]: global horizontal alone (split after Erbs), or beam and diffuse with or without global.
    tilt_deg, azimuth_deg : float, optional
        Tilt from the horizontal and azimuth clockwise from north [deg]; by default :func:`default_tilt_deg`,
        facing the equator.
    losses_fraction : float
        System losses between modules and inverter.
    dc_ac_ratio : float
        DC rating of the modules per AC rating of the plant.
    modules : SolarModules
        Mounting, temperature coefficient, albedo and sky model.

    Raises
    ------
    ScenarioError
        If neither cloud cover nor a usable set of irradiances is given, or a value is out of range.

    Notes
    -----
    The sun is taken at mid-interval. Steps above 30 min are cut into samples of at most 15 min, over which a
    given mean irradiance is spread like the clear sky, so that hours with sunrise or sunset keep their energy.

    References
    ----------
    Dobos (2014), PVWatts Version 5 Manual, NREL/TP-6A20-62641.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> day = Timeline(start=datetime(2022, 6, 21, tzinfo=UTC), step_s=3600, steps=24)
    >>> power = solar_per_unit(day, latitude_deg=52.5, longitude_deg=13.4, cloud_cover_fraction=0.0)
    >>> float(power[0]), int(power.argmax())  # dark at midnight UTC, best in the hour of solar noon
    (0.0, 11)
    """
    checked(latitude_deg, "latitude", -90.0, 90.0, unit="deg")
    checked(longitude_deg, "longitude", -180.0, 180.0, unit="deg")
    checked(losses_fraction, "solar losses", 0.0, 1.0)
    checked(dc_ac_ratio, "solar DC/AC ratio", 0.1, 10.0)
    tilt = (
        default_tilt_deg(latitude_deg) if tilt_deg is None else float(checked(tilt_deg, "tilt", 0.0, 180.0, unit="deg"))
    )
    toward = (180.0 if latitude_deg >= 0.0 else 0.0) if azimuth_deg is None else azimuth_deg

    sky = _Sky.over(timeline, latitude_deg, longitude_deg)
    dni, dhi, ghi = _irradiance(sky, timeline.steps, cloud_cover_fraction, ghi_w_m2, dni_w_m2, dhi_w_m2)
    facing = irradiance.incidence_cosine(sky.zenith_deg, sky.azimuth_deg, tilt_deg=tilt, surface_azimuth_deg=toward)
    beam, diffuse, ground = irradiance.transpose(
        facing, sky.zenith_deg, (dni, dhi, ghi), sky.outside_w_m2, tilt_deg=tilt, albedo=modules.albedo, sky=modules.sky
    )
    air = per_step(temperature_c, "temperature", -90.0, 70.0, steps=timeline.steps, unit="degC")
    wind = per_step(wind_speed_m_s, "wind speed", 0.0, steps=timeline.steps, unit="m/s")
    cells = cell_temperature_c(beam + diffuse + ground, air[:, None], wind[:, None], mounting=modules.mounting)
    effective = beam * irradiance.glass_transmission(facing) + diffuse + ground
    dc = dc_power(effective, cells, temperature_coefficient_per_k=modules.temperature_coefficient_per_k)
    load = dc * dc_ac_ratio * (1.0 - losses_fraction) * modules.inverter_efficiency
    power: FloatArray = inverter_power(load).mean(axis=1)
    return power


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sky:
    """Sun and clear sky at K samples of every step; all arrays have shape ``(T, K)``."""

    zenith_deg: FloatArray
    azimuth_deg: FloatArray
    outside_w_m2: FloatArray
    clear_w_m2: FloatArray
    shape: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        mean = self.clear_w_m2.mean(axis=1, keepdims=True)
        object.__setattr__(self, "shape", self.clear_w_m2 / np.where(mean > 0.0, mean, 1.0))

    @classmethod
    def over(cls, timeline: Timeline, latitude_deg: float, longitude_deg: float) -> _Sky:
        """The sky over a position at the samples of a timeline."""
        instants = sample_instants(timeline)
        zenith, azimuth = sun.sun_position(instants.ravel(), latitude_deg=latitude_deg, longitude_deg=longitude_deg)
        zenith = sun.apparent_zenith_deg(zenith).reshape(instants.shape)
        return cls(
            zenith_deg=zenith,
            azimuth_deg=azimuth.reshape(instants.shape),
            outside_w_m2=sun.extraterrestrial_w_m2(sun.day_of_year(instants)),
            clear_w_m2=irradiance.haurwitz_w_m2(zenith),
        )


def sample_instants(timeline: Timeline) -> NDArray[np.datetime64]:
    """Instants [UTC] at which the sun is evaluated, shape ``(T, K)``: the middles of K equal parts of each step.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> hour = Timeline(start=datetime(2022, 6, 21, tzinfo=UTC), step_s=3600, steps=1)
    >>> [str(instant)[11:16] for instant in sample_instants(hour)[0]]
    ['00:07', '00:22', '00:37', '00:52']
    """
    count = 1 if timeline.step_s <= _LONGEST_UNSAMPLED_S else -(-timeline.step_s // _LONGEST_SAMPLE_S)
    middles_ms = np.round((np.arange(count) + 0.5) * timeline.step_s * 1000.0 / count).astype("timedelta64[ms]")
    instants: NDArray[np.datetime64] = timeline.starts().astype("datetime64[ms]")[:, None] + middles_ms
    return instants


def _irradiance(
    sky: _Sky,
    steps: int,
    cloud: ArrayLike | None,
    ghi: ArrayLike | None,
    dni: ArrayLike | None,
    dhi: ArrayLike | None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """DNI, DHI and GHI [W/m2] at the samples, each of shape ``(T, K)``."""

    def spread(values: ArrayLike, name: str, shape: FloatArray) -> FloatArray:
        return per_step(values, name, 0.0, 2000.0, steps=steps, unit="W/m2")[:, None] * shape

    if (dni is None) != (dhi is None):
        raise ScenarioError(
            "solar weather gives only one of direct normal and diffuse irradiance; give both or neither"
        )
    if dni is not None and dhi is not None:
        direct = sky.clear_w_m2 / np.maximum(np.cos(np.radians(sky.zenith_deg)), 1e-6)
        mean = direct.mean(axis=1, keepdims=True)
        beam = spread(dni, "direct normal irradiance", direct / np.where(mean > 0.0, mean, 1.0))
        diffuse = spread(dhi, "diffuse irradiance", sky.shape)
        level = beam * np.maximum(np.cos(np.radians(sky.zenith_deg)), 0.0) + diffuse
        return beam, diffuse, level if ghi is None else spread(ghi, "global irradiance", sky.shape)
    if ghi is not None:
        total = spread(ghi, "global irradiance", sky.shape)
    elif cloud is not None:
        clouds = per_step(cloud, "cloud cover", 0.0, 1.0, steps=steps)
        total = sky.clear_w_m2 * irradiance.cloud_attenuation(clouds)[:, None]
    else:
        raise ScenarioError("solar weather gives neither cloud cover nor irradiance; declare one of them")
    beam, diffuse = irradiance.split_erbs(total, sky.zenith_deg, sky.outside_w_m2)
    return beam, diffuse, total
