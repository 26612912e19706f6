"""Position of the sun and sunlight outside the atmosphere."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewright.model.timeline import FloatArray

_J2000 = np.datetime64("2000-01-01T12:00:00", "s")


def sun_position(
    instants: NDArray[np.datetime64], *, latitude_deg: float, longitude_deg: float
) -> tuple[FloatArray, FloatArray]:
    """True (not refracted) zenith angle and azimuth of the centre of the sun.

    Parameters
    ----------
    instants : ndarray of datetime64, shape ``(N,)``
        Instants in UTC.
    latitude_deg, longitude_deg : float
        Position [deg], north and east positive.

    Returns
    -------
    zenith_deg, azimuth_deg : FloatArray, shape ``(N,)``
        Zenith angle [deg] and azimuth clockwise from north [deg] in [0, 360).

    Notes
    -----
    Low-precision ephemeris of the Astronomical Almanac; within 0.02 deg of a full ephemeris between 1950 and
    2050, worse only for the azimuth next to the zenith. With n days since J2000.0 (2000-01-01 12:00 UTC)::

        L = 280.460 + 0.9856474 n     mean longitude [deg]
        g = 357.528 + 0.9856003 n     mean anomaly [deg]
        lambda = L + 1.915 sin g + 0.020 sin 2g     ecliptic longitude [deg]
        epsilon = 23.439 - 0.0000004 n              obliquity [deg]
        GMST = 18.697374558 + 24.06570982441908 n   sidereal time [h]

    References
    ----------
    Michalsky (1988), Solar Energy 40(3), 227-235, doi:10.1016/0038-092X(88)90045-X.

    Examples
    --------
    >>> zenith, azimuth = sun_position(np.array(["2025-12-21T11:00"], "M8[s]"), latitude_deg=52.5, longitude_deg=13.4)
    >>> round(float(zenith[0]), 1), round(float(azimuth[0]), 1)
    (75.9, 178.9)
    """
    days = (instants.astype("datetime64[s]") - _J2000).astype(np.float64) / 86_400.0
    anomaly = np.radians((357.528 + 0.9856003 * days) % 360.0)
    ecliptic = np.radians((280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly)) % 360.0)
    obliquity = np.radians(23.439 - 4e-7 * days)
    ascension = np.arctan2(np.cos(obliquity) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(obliquity) * np.sin(ecliptic))
    sidereal_h = 18.697374558 + 24.06570982441908 * days
    hour_angle = np.radians((15.0 * sidereal_h + longitude_deg) % 360.0) - ascension
    latitude = np.radians(latitude_deg)
    up = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    north = np.cos(latitude) * np.sin(declination) - np.sin(latitude) * np.cos(declination) * np.cos(hour_angle)
    east = -np.cos(declination) * np.sin(hour_angle)
    return np.degrees(np.arccos(np.clip(up, -1.0, 1.0))), np.degrees(np.arctan2(east, north)) % 360.0


def apparent_zenith_deg(zenith_deg: ArrayLike) -> FloatArray:
    """Zenith angle as seen through the refracting atmosphere (10 degC, 1010 hPa), any shape.

    Parameters
    ----------
    zenith_deg : array_like
        True zenith angle [deg].

    Returns
    -------
    FloatArray
        Apparent zenith angle [deg]; unchanged more than 1 deg below the horizon.

    References
    ----------
    Saemundsson (1986), Sky and Telescope 72, 70: ``R = 1.02' / tan(h + 10.3 / (h + 5.11))`` with elevation h [deg].

    Examples
    --------
    >>> round(float(apparent_zenith_deg(90.0)), 2)
    89.52
    """
    zenith = np.asarray(zenith_deg, dtype=np.float64)
    elevation = np.maximum(90.0 - zenith, -1.0)
    lift = 1.02 / 60.0 / np.tan(np.radians(elevation + 10.3 / (elevation + 5.11)))
    return np.where(zenith > 91.0, zenith, zenith - np.maximum(lift, 0.0))


def extraterrestrial_w_m2(day_of_year: ArrayLike) -> FloatArray:
    """Normal irradiance outside the atmosphere [W/m2], same shape as the day of the year (1 to 366).

    References
    ----------
    Spencer (1971), Search 2(5), 172, with a solar constant of 1366.1 W/m2.

    Examples
    --------
    >>> round(float(extraterrestrial_w_m2(172)), 4)
    1321.6236
    """
    angle = 2 * np.pi * (np.asarray(day_of_year, dtype=np.float64) - 1) / 365
    factor = 1.00011 + 0.034221 * np.cos(angle) + 0.00128 * np.sin(angle)
    outside: FloatArray = 1366.1 * (factor + 0.000719 * np.cos(2 * angle) + 0.000077 * np.sin(2 * angle))
    return outside


def day_of_year(instants: NDArray[np.datetime64]) -> FloatArray:
    """Day of the year, 1 to 366, shape ``(N,)``, of UTC instants.

    Examples
    --------
    >>> day_of_year(np.array(["2024-12-31T23:00"], "M8[s]")).tolist()
    [366.0]
    """
    since: FloatArray = (instants.astype("datetime64[D]") - instants.astype("datetime64[Y]")).astype(np.float64)
    return since + 1.0
