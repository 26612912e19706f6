"""Irradiance: clear sky, clouds, beam and diffuse parts, and what reaches a tilted plane."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from joulewright.model.timeline import FloatArray
from joulewright.physics.ranges import checked

_LOWEST_COS_ZENITH = 0.01745  # cos 89 deg: keeps the Hay-Davies beam ratio finite at sunrise


def _cos_deg(angle_deg: ArrayLike) -> FloatArray:
    return np.cos(np.radians(np.asarray(angle_deg, dtype=np.float64)))


def haurwitz_w_m2(zenith_deg: ArrayLike) -> FloatArray:
    """Global horizontal irradiance of a cloudless sky [W/m2], same shape as the zenith angle [deg].

    Notes
    -----
    ``GHI = 1098 cos Z exp(-0.059 / cos Z)`` for the sun above the horizon. Without turbidity it lies 7 to 12 %
    above turbidity-based models over a year (Berlin 1705 against 1532 kWh/m2 with Ineichen and Linke turbidity).

    References
    ----------
    Haurwitz (1945), Journal of Meteorology 2, 154-166.

    Examples
    --------
    >>> round(float(haurwitz_w_m2(0.0)), 1)  # 1098 exp(-0.059)
    1035.1
    """
    cosine = _cos_deg(zenith_deg)
    lit = np.maximum(cosine, 1e-6)
    return np.where(cosine > 0.0, 1098.0 * lit * np.exp(-0.059 / lit), 0.0)


def cloud_attenuation(cloud_cover_fraction: ArrayLike) -> FloatArray:
    """Share of the clear-sky irradiance that clouds let through, ``1 - 0.75 n^3.4``, same shape.

    Parameters
    ----------
    cloud_cover_fraction : array_like
        Total cloud cover n [-], within [0, 1].

    Raises
    ------
    ScenarioError
        If a cloud cover lies outside [0, 1], as percentages do.

    References
    ----------
    Kasten and Czeplak (1980), Solar Energy 24(2), 177-189, doi:10.1016/0038-092X(80)90391-6.

    Examples
    --------
    >>> cloud_attenuation([0.0, 1.0]).tolist()
    [1.0, 0.25]
    """
    return 1.0 - 0.75 * checked(cloud_cover_fraction, "cloud cover", 0.0, 1.0) ** 3.4


def split_erbs(
    ghi_w_m2: ArrayLike, zenith_deg: ArrayLike, extraterrestrial_w_m2: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Beam (DNI) and diffuse (DHI) irradiance [W/m2] from global horizontal irradiance, broadcast shapes.

    Parameters
    ----------
    ghi_w_m2, extraterrestrial_w_m2 : array_like
        Global horizontal and extraterrestrial normal irradiance [W/m2].
    zenith_deg : array_like
        Zenith angle of the sun [deg]; no beam is split off above 87 deg.

    References
    ----------
    Erbs, Klein and Duffie (1982), Solar Energy 28(4), 293-302, doi:10.1016/0038-092X(82)90302-4.

    Examples
    --------
    >>> dni, dhi = split_erbs(800.0, 50.0, 1321.6236)
    >>> round(float(dhi), 1)  # clearness above 0.8: 16.5 % of the irradiance is diffuse
    132.0
    """
    ghi, zenith = np.asarray(ghi_w_m2, dtype=np.float64), np.asarray(zenith_deg, dtype=np.float64)
    cosine = _cos_deg(zenith)
    clearness = np.clip(ghi / (np.asarray(extraterrestrial_w_m2) * np.maximum(cosine, 0.065)), 0.0, 1.0)
    middle = 0.9511 + clearness * (-0.1604 + clearness * (4.388 + clearness * (-16.638 + clearness * 12.336)))
    diffuse = np.where(clearness <= 0.22, 1.0 - 0.09 * clearness, np.where(clearness <= 0.8, middle, 0.165))
    beam = (zenith <= 87.0) & (ghi > 0.0)
    dhi = np.where(beam, diffuse * ghi, ghi)
    return np.where(beam, (ghi - dhi) / np.maximum(cosine, 1e-6), 0.0), dhi


def incidence_cosine(
    zenith_deg: ArrayLike, azimuth_deg: ArrayLike, *, tilt_deg: float, surface_azimuth_deg: float
) -> FloatArray:
    """Cosine of the angle between the sun and the normal of a plane, broadcast shapes; negative behind the plane.

    Parameters
    ----------
    zenith_deg, azimuth_deg : array_like
        Position of the sun [deg], azimuth clockwise from north.
    tilt_deg, surface_azimuth_deg : float
        Tilt from the horizontal and azimuth of the plane [deg].

    References
    ----------
    Duffie and Beckman (2013), Solar Engineering of Thermal Processes, 4th ed., equation 1.6.3.

    Examples
    --------
    >>> round(float(incidence_cosine(60.0, 180.0, tilt_deg=60.0, surface_azimuth_deg=180.0)), 6)
    1.0
    """
    zenith, tilt = np.radians(np.asarray(zenith_deg, dtype=np.float64)), np.radians(tilt_deg)
    across = _cos_deg(np.asarray(azimuth_deg, dtype=np.float64) - surface_azimuth_deg)
    cosine: FloatArray = np.cos(tilt) * np.cos(zenith) + np.sin(tilt) * np.sin(zenith) * across
    return cosine


def transpose(
    incidence_cos: ArrayLike,
    zenith_deg: ArrayLike,
    irradiance_w_m2: tuple[ArrayLike, ArrayLike, ArrayLike],
    extraterrestrial_w_m2: ArrayLike = 1366.1,
    *,
    tilt_deg: float,
    albedo: float = 0.25,
    sky: Literal["hay-davies", "isotropic"] = "hay-davies",
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Beam, sky-diffuse and ground-reflected irradiance on a tilted plane [W/m2], broadcast shapes.

    Parameters
    ----------
    incidence_cos : array_like
        From :func:`incidence_cosine`.
    zenith_deg : array_like
        Zenith angle of the sun [deg].
    irradiance_w_m2 : tuple of three array_like
        DNI, DHI and GHI [W/m2].
    extraterrestrial_w_m2 : array_like
        Extraterrestrial normal irradiance [W/m2].
    tilt_deg : float
        Tilt of the plane from the horizontal [deg].
    albedo : float
        Reflected share of the irradiance on the ground.
    sky : {"hay-davies", "isotropic"}
        Model of the sky's diffuse light.

    Notes
    -----
    With anisotropy A = DNI/E0n and Rb = max(cos theta, 0)/max(cos Z, 0.01745)::

        beam   = DNI max(cos theta, 0)
        sky    = DHI ((1 - A)(1 + cos beta)/2 + A Rb)     isotropic: DHI (1 + cos beta)/2
        ground = GHI albedo (1 - cos beta)/2

    References
    ----------
    Hay and Davies (1980), Proc. First Canadian Solar Radiation Data Workshop, 59; Loutzenhiser et al. (2007),
    Solar Energy 81, 254-267, doi:10.1016/j.solener.2006.03.009.

    Examples
    --------
    >>> beam, sky, ground = transpose(0.5, 60.0, (400.0, 100.0, 300.0), tilt_deg=0.0)
    >>> float(beam), round(float(sky), 6), float(ground)  # a horizontal plane receives the GHI
    (200.0, 100.0, 0.0)
    """
    dni, dhi, ghi = (np.asarray(part, dtype=np.float64) for part in irradiance_w_m2)
    facing = np.maximum(incidence_cos, 0.0)
    view = (1.0 + float(_cos_deg(tilt_deg))) / 2.0
    around_sun = dni / np.asarray(extraterrestrial_w_m2) if sky == "hay-davies" else np.zeros_like(dni)
    ratio = facing / np.maximum(_cos_deg(zenith_deg), _LOWEST_COS_ZENITH)
    diffuse = dhi * (np.maximum((1.0 - around_sun) * view, 0.0) + around_sun * ratio)
    return dni * facing, diffuse, ghi * albedo * (1.0 - view)


def glass_transmission(incidence_cos: ArrayLike) -> FloatArray:
    """Incidence-angle modifier of beam light on a glass cover, same shape: 1 at normal incidence, 0 from 90 deg.

    Parameters
    ----------
    incidence_cos : array_like
        Cosine of the angle of incidence [-].

    Notes
    -----
    Snell refraction into glass of index n = 1.526, Fresnel reflection of both polarisations and absorption with
    extinction K = 4 [1/m] over L = 2 [mm], relative to normal incidence.

    References
    ----------
    De Soto, Klein and Beckman (2006), Solar Energy 80, 78-88, doi:10.1016/j.solener.2005.06.010.

    Examples
    --------
    >>> glass_transmission(np.cos(np.radians([0, 60, 90]))).round(6).tolist()
    [1.0, 0.946003, 0.0]
    """
    index, extinction = 1.526, 4.0 * 0.002
    outside = np.clip(np.asarray(incidence_cos, dtype=np.float64), 1e-9, 1.0)
    inside = np.sqrt(1.0 - (1.0 - outside**2) / index**2)
    across = ((outside - index * inside) / (outside + index * inside)) ** 2
    along = ((inside - index * outside) / (inside + index * outside)) ** 2
    through = (1.0 - (across + along) / 2.0) * np.exp(-extinction / inside)
    straight = (1.0 - ((index - 1.0) / (index + 1.0)) ** 2) * np.exp(-extinction)
    return np.where(np.asarray(incidence_cos) > 1e-9, through / straight, 0.0)
