"""Synthetic grid and weather series with the means, spread and memory of a zone's climatology."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import NormalDist
from zoneinfo import ZoneInfo

import numpy as np

from joulewright.data.climatology import VARIABLES, Climatology, climatology
from joulewright.model.timeline import FloatArray, Timeline

_BURN_IN_H = 600
_NORMAL = NormalDist()
_LARGEST_CORRELATION = 0.999


def synthetic_series(zone: str, timeline: Timeline, seed: int = 0) -> dict[str, FloatArray]:
    """Made-up series of a zone that look like its 2022: not a measurement of any hour.

    Parameters
    ----------
    zone : str
        One of :func:`joulewright.data.climatology.zones`.
    timeline : Timeline
        Steps; any year, month and local hour decide the means. Steps under an hour repeat their hour.
    seed : int
        Equal seeds give equal series; zones are independent of each other.

    Returns
    -------
    dict of str to FloatArray
        Shape ``(T,)`` each: ``price_usd_mwh`` [USD/MWh], ``ci_direct_g_kwh`` and ``ci_lca_g_kwh`` [g/kWh = kg/MWh],
        ``temp_c`` [degC], ``cloud_pct`` [%], ``wind_kmh`` [km/h at 10 m] and ``low_carbon_pct`` [%].

    Raises
    ------
    ScenarioError
        If the zone is not embedded.

    Notes
    -----
    Every variable is a transform of a Gaussian ARMA(1, 1) process whose autocorrelation after 1 h and 24 h and whose
    cross-correlations are those of the residuals. Temperature adds it to the mean; carbon, wind and price (above its
    lowest value) multiply the mean by a log-normal factor, which keeps them positive and skewed; cloud cover is a
    probit, mostly clear or overcast. Nothing leaves the range seen in 2022. The low-carbon share is a straight line
    over the direct intensity.

    References
    ----------
    Box, Jenkins, Reinsel and Ljung (2015), Time Series Analysis, 5th ed., section 3.4.3 (ARMA(1, 1)).

    Examples
    --------
    >>> day = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=24)
    >>> series = synthetic_series("US-CAL-CISO", day, seed=1)
    >>> bool((series["ci_direct_g_kwh"] > 0).all()), series["temp_c"].shape
    (True, (24,))
    """
    facts = climatology(zone)
    first, count, at = _hours_of(timeline)
    means = _means_at(facts, first, count)
    shapes = {name: _SHAPES[name](facts) for name in VARIABLES}
    noise = _correlated_noise(shapes, facts, count, np.random.default_rng([seed, zlib.crc32(zone.encode())]))
    hourly = {name: shapes[name].apply(means[name], noise[:, column]) for column, name in enumerate(VARIABLES)}
    hourly = {name: np.clip(values, *facts.extremes[name]) for name, values in hourly.items()}
    hourly["ci_lca_g_kwh"] = np.maximum(hourly["ci_lca_g_kwh"], hourly["ci_direct_g_kwh"])
    intercept, slope = facts.low_carbon_pct
    hourly["low_carbon_pct"] = np.clip(intercept + slope * hourly["ci_direct_g_kwh"], 0.0, 100.0)
    return {name: values[at].mean(axis=1) for name, values in hourly.items()}


def _hours_of(timeline: Timeline) -> tuple[int, int, np.ndarray]:
    """First clock hour since 1970 [h], number of hours, and the hours of each step, shape ``(T, K)``."""
    parts = max(1, math.ceil(timeline.step_s / 3600))
    start = int(timeline.start.timestamp())
    offsets = np.arange(timeline.steps)[:, None] * timeline.step_s + (np.arange(parts) + 0.5) * timeline.step_s / parts
    hours = np.floor((start + offsets) / 3600.0).astype(np.int64)
    return int(hours[0, 0]), int(hours[-1, -1] - hours[0, 0]) + 1, hours - hours[0, 0]


def _means_at(facts: Climatology, first: int, count: int) -> dict[str, FloatArray]:
    """Climatological mean of every variable in each of ``count`` hours, shape ``(H,)``."""
    zone = ZoneInfo(facts.time_zone)
    local = [datetime.fromtimestamp((first + hour) * 3600, UTC).astimezone(zone) for hour in range(count)]
    month = np.array([instant.month - 1 for instant in local])
    hour = np.array([instant.hour for instant in local])
    return {name: means[month, hour] for name, means in facts.means.items()}


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """How a standard Gaussian becomes a variable.

    Attributes
    ----------
    apply : callable
        (means, Gaussian) to values, both of shape ``(H,)``.
    latent : callable
        Autocorrelation of the variable to that of the Gaussian.
    loading : float
        Correlation of the variable's residual with its own Gaussian.
    """

    apply: Callable[[FloatArray, FloatArray], FloatArray]
    latent: Callable[[float], float]
    loading: float


def _additive(name: str) -> Callable[[Climatology], _Shape]:
    def shape(facts: Climatology) -> _Shape:
        std = facts.residual_std[name]
        return _Shape(apply=lambda mean, noise: mean + std * noise, latent=lambda target: target, loading=1.0)

    return shape


def _lognormal(name: str) -> Callable[[Climatology], _Shape]:
    """Mean-preserving factor ``exp(s z - s^2/2)`` above a floor; s gives the residuals their overall spread."""

    def shape(facts: Climatology) -> _Shape:
        floor = facts.extremes[name][0] if name == "price_usd_mwh" else 0.0
        level = float(np.mean((facts.means[name] - floor) ** 2))
        spread = facts.residual_std[name] ** 2 / level
        variance = math.log1p(spread)
        std = math.sqrt(variance)
        return _Shape(
            apply=lambda mean, noise: floor + (mean - floor) * np.exp(std * noise - variance / 2.0),
            latent=lambda target: math.log1p(target * spread) / variance,
            loading=std / math.sqrt(spread),
        )

    return shape


def _probit(name: str) -> Callable[[Climatology], _Shape]:
    """Percentage ``100 Phi(a + s z)``; s follows from the variance of two equicorrelated binary events."""

    def shape(facts: Climatology) -> _Shape:
        share = np.clip(facts.means[name] / 100.0, 0.01, 0.99)
        std = facts.residual_std[name] / 100.0
        shared = min(math.sin(min(std**2 / float(np.mean(share * (1.0 - share))), 0.99) * math.pi / 2.0), 0.995)
        scale = math.sqrt(shared / (1.0 - shared))
        centre = np.vectorize(_NORMAL.inv_cdf)
        density = np.vectorize(_NORMAL.pdf)(centre(share))

        def apply(mean: FloatArray, noise: FloatArray) -> FloatArray:
            latent = centre(np.clip(mean / 100.0, 0.01, 0.99)) * math.sqrt(1.0 + scale**2) + scale * noise
            percent: FloatArray = 100.0 * np.vectorize(_NORMAL.cdf)(latent)
            return percent

        return _Shape(
            apply=apply,
            latent=lambda target: math.sin(target * math.asin(shared)) / shared,
            loading=math.sqrt(shared) * float(np.mean(density)) / std,
        )

    return shape


_SHAPES: Mapping[str, Callable[[Climatology], _Shape]] = {
    "ci_direct_g_kwh": _lognormal("ci_direct_g_kwh"),
    "ci_lca_g_kwh": _lognormal("ci_lca_g_kwh"),
    "price_usd_mwh": _lognormal("price_usd_mwh"),
    "temp_c": _additive("temp_c"),
    "cloud_pct": _probit("cloud_pct"),
    "wind_kmh": _lognormal("wind_kmh"),
}


def _arma(lag_1h: float, lag_24h: float) -> tuple[float, float]:
    """Coefficients (phi, theta) of an ARMA(1, 1) process with these autocorrelations.

    From ``rho(k) = rho(1) phi^(k-1)`` and ``rho(1) = (1 + phi theta)(phi + theta) / (1 + 2 phi theta + theta^2)``;
    theta = 1 where the process would have to be smoother than that.
    """
    phi = (lag_24h / lag_1h) ** (1.0 / 23.0)
    gap, middle = phi - lag_1h, 1.0 + phi**2 - 2.0 * phi * lag_1h
    inner = middle**2 - 4.0 * gap**2
    if abs(gap) < 1e-9:
        return phi, 0.0
    return (phi, 1.0) if inner < 0.0 else (phi, (-middle + math.sqrt(inner)) / (2.0 * gap))


def _correlated_noise(
    shapes: Mapping[str, _Shape], facts: Climatology, count: int, random: np.random.Generator
) -> FloatArray:
    """Standard Gaussian processes of all variables, shape ``(H, 6)``."""
    pairs = [
        _arma(shapes[name].latent(facts.lag_1h[name]), shapes[name].latent(facts.lag_24h[name])) for name in VARIABLES
    ]
    phi, theta = np.array(pairs).T
    # Covariance of two processes per covariance of their shocks, from moving-average weights 1, (phi + theta) phi^k.
    gain = 1.0 + np.outer(phi + theta, phi + theta) / (1.0 - np.outer(phi, phi))
    target = np.eye(len(VARIABLES))
    for (one, two), value in facts.correlation.items():
        row, column = VARIABLES.index(one), VARIABLES.index(two)
        latent = value / (shapes[one].loading * shapes[two].loading)
        target[row, column] = target[column, row] = (
            latent * math.sqrt(gain[row, row] * gain[column, column]) / gain[row, column]
        )
    shocks = random.standard_normal((count + _BURN_IN_H, len(VARIABLES))) @ _root(target).T / np.sqrt(np.diag(gain))
    moved = shocks[1:] + theta * shocks[:-1]
    state = np.zeros(len(VARIABLES))
    noise = np.empty((count, len(VARIABLES)))
    for hour, shock in enumerate(moved, start=1 - _BURN_IN_H):
        state = phi * state + shock
        if hour >= 0:
            noise[hour] = state
    return noise


def _root(correlation: FloatArray) -> FloatArray:
    """A matrix R with R R^T the nearest usable correlation matrix (negative eigenvalues removed)."""
    limited = np.clip(correlation, -_LARGEST_CORRELATION, _LARGEST_CORRELATION)
    np.fill_diagonal(limited, 1.0)
    values, vectors = np.linalg.eigh(limited)
    root: FloatArray = vectors * np.sqrt(np.maximum(values, 1e-9))
    scale: FloatArray = np.sqrt((root**2).sum(axis=1, keepdims=True))
    return np.divide(root, scale)
