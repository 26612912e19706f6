"""Climatology of five power-grid zones in 2022: means by month and local hour, and how residuals behave.

Derived statistics of carbon intensity by Electricity Maps (ODbL 1.0), weather by Open-Meteo (CC BY 4.0) and prices of
the market operators; ``datapackage.json`` names them in full.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray

VARIABLES = ("ci_direct_g_kwh", "ci_lca_g_kwh", "price_usd_mwh", "temp_c", "cloud_pct", "wind_kmh")
"""Columns, each with its unit: carbon intensity, price, temperature, cloud cover, wind speed at 10 m."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Climatology:
    """Statistics of one zone.

    Attributes
    ----------
    zone, name, time_zone : str
        Code, plain name and IANA time zone of its local hours.
    means : mapping of str to FloatArray
        Mean of each of :data:`VARIABLES` by month and local hour, shape ``(12, 24)``.
    residual_std, lag_1h, lag_24h : mapping of str to float
        Standard deviation of hourly values around the means, and autocorrelation after 1 h and 24 h.
    correlation : mapping of (str, str) to float
        Correlation of the residuals of two variables.
    extremes : mapping of str to tuple of two float
        Lowest and highest hourly value of the year.
    low_carbon_pct : tuple of two float
        Intercept and slope of the low-carbon share [%] as a line over the direct intensity [g/kWh].
    """

    zone: str
    name: str
    time_zone: str
    means: Mapping[str, FloatArray]
    residual_std: Mapping[str, float]
    lag_1h: Mapping[str, float]
    lag_24h: Mapping[str, float]
    correlation: Mapping[tuple[str, str], float]
    extremes: Mapping[str, tuple[float, float]]
    low_carbon_pct: tuple[float, float]


@cache
def zones() -> tuple[str, ...]:
    """Codes of the zones.

    Examples
    --------
    >>> zones()
    ('US-CAL-CISO', 'US-TEX-ERCO', 'US-MIDA-PJM', 'DE-LU', 'CA-ON')
    """
    return tuple(_statistics())


@cache
def climatology(zone: str) -> Climatology:
    """Statistics of a zone.

    Raises
    ------
    ScenarioError
        If the zone is not embedded.

    Examples
    --------
    >>> round(float(climatology("DE-LU").means["temp_c"][0, 12]), 1)  # noon in January [degC]
    4.3
    """
    if zone not in zones():
        raise ScenarioError(f"there is no climatology of zone {zone!r}; embedded are {list(zones())}")
    facts = _statistics()[zone]
    line = facts["low_carbon_pct"]
    return Climatology(
        zone=zone,
        name=facts["name"],
        time_zone=facts["time_zone"],
        means=_means()[zone],
        residual_std=facts["residual_std"],
        lag_1h=facts["lag_1h"],
        lag_24h=facts["lag_24h"],
        correlation={(key.split("~")[0], key.split("~")[1]): value for key, value in facts["correlation"].items()},
        extremes={name: (low, high) for name, (low, high) in facts["range"].items()},
        low_carbon_pct=(line["intercept"], line["per_g_kwh"]),
    )


def _text(name: str) -> str:
    return resources.files("joulewright.data").joinpath(name).read_text(encoding="utf-8")


@cache
def _statistics() -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(_text("climatology.json"))
    return found


@cache
def _means() -> Mapping[str, Mapping[str, FloatArray]]:
    rows = [line for line in _text("climatology.csv").splitlines() if not line.startswith("#")]
    means: dict[str, dict[str, FloatArray]] = {
        zone: {name: np.zeros((12, 24)) for name in VARIABLES} for zone in zones()
    }
    for row in csv.DictReader(rows):
        hours = [float(row[f"h{hour:02d}"]) for hour in range(24)]
        means[row["zone"]][row["variable"]][int(row["month"]) - 1] = hours
    return means
