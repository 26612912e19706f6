"""Whether a solar series is centred on solar noon, which tells hour-ending from hour-beginning labels."""

from __future__ import annotations

import re

import numpy as np

from joulewright.model.timeline import FloatArray
from joulewright.physics.sun import sun_position

_SOLAR = frozenset(["solar", "pv", "sun", "ghi", "dni", "dhi", "irradiance", "radiation", "photovoltaic"])
_SHORTEST_STEP_S = 1800
_NIGHT_SHARE = 0.25


def looks_solar(column: str, values: FloatArray, step_s: int) -> bool:
    """Whether a column is named like sunlight, is dark for a quarter of the time and spans at least two days.

    Examples
    --------
    >>> looks_solar("gen_sun_mw", np.tile(np.r_[np.zeros(12), np.ones(12)], 2), 3600)
    True
    """
    named = bool(_SOLAR & set(re.findall(r"[a-z]+", column.lower())))
    if not named or step_s < _SHORTEST_STEP_S or len(values) * step_s < 2 * 86_400 or values.max() <= 0.0:
        return False
    return float(np.mean(values <= 0.02 * values.max())) >= _NIGHT_SHARE


def noon_delay_min(values: FloatArray, *, first_s: int, step_s: int, longitude_deg: float) -> float:
    """Minutes by which the centroid of a solar series lies after solar noon (negative before).

    Parameters
    ----------
    values : FloatArray, shape ``(N,)``
        Interval means, not negative in sum.
    first_s, step_s : int
        Start of the first interval [s since 1970-01-01 UTC] and step [s].
    longitude_deg : float
        Position [deg, east positive].

    Returns
    -------
    float
        Energy-weighted mean hour angle of the interval centres [min].

    Examples
    --------
    >>> bell = np.maximum(0.0, np.cos((np.arange(48) + 0.5 - 12) * np.pi / 12))
    >>> abs(noon_delay_min(bell, first_s=1_655_078_400, step_s=3600, longitude_deg=0.0)) < 1
    True
    """
    centres = first_s + step_s // 2 + np.arange(len(values), dtype=np.int64) * step_s
    # Seen from the equator the hour angle is the angle between the zenith and the sun's east-west projection.
    zenith, azimuth = sun_position(centres.astype("datetime64[s]"), latitude_deg=0.0, longitude_deg=longitude_deg)
    west = -np.sin(np.radians(zenith)) * np.sin(np.radians(azimuth))
    minutes = np.degrees(np.arctan2(west, np.cos(np.radians(zenith)))) * 4.0
    weights = np.maximum(values, 0.0)
    return float(np.sum(weights * minutes) / np.sum(weights))
