"""What each signal is: its site, its kind of uncertainty and its physical bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from joulewright.model import Scenario, Site
from joulewright.policy.signals import signal_series

SignalKind = Literal["carbon", "price", "solar", "wind", "demand", "known"]

_KINDS: dict[str, SignalKind] = {
    "carbon_kg_per_mwh": "carbon",
    "import_price_per_mwh": "price",
    "export_price_per_mwh": "price",
    "fixed_it_power_mw": "demand",
    "fixed_facility_power_mw": "demand",
    "demand_token_s": "demand",
}


@dataclass(frozen=True, kw_only=True)
class SignalPlace:
    """Where a signal belongs.

    Attributes
    ----------
    key : str
        As :func:`joulewright.policy.signals.signal_keys` lists it.
    site : str or None
        Its site; None for the demand of a service.
    quantity : str
        Last part of the key, e.g. ``import_price_per_mwh`` or ``per_unit``.
    kind : {"carbon", "price", "solar", "wind", "demand", "known"}
        What its forecast error is like; ``known`` has none: limits are contracts, PUE hardly varies within days.
    low, high : float
        Physical bounds.
    """

    key: str
    site: str | None
    quantity: str
    kind: SignalKind
    low: float = 0.0
    high: float = math.inf


def signal_places(scenario: Scenario) -> dict[str, SignalPlace]:
    """Place of every signal of a scenario, in the order of the keys.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> import numpy as np
    >>> from joulewright.model import Timeline
    >>> site = Site(name="a", pue=np.ones(1), fixed_it_power_mw=np.zeros(1), fixed_facility_power_mw=np.zeros(1))
    >>> hour = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=1)
    >>> [(key, place.kind) for key, place in signal_places(Scenario(name="s", timeline=hour, sites=(site,))).items()]
    [('a/pue', 'known'), ('a/fixed_it_power_mw', 'demand'), ('a/fixed_facility_power_mw', 'demand')]
    """
    owned = {place.key: place for site in scenario.sites for place in _of_site(site)}
    return {key: owned.get(key) or _of_service(key) for key in signal_series(scenario)}


def _of_site(site: Site) -> Iterator[SignalPlace]:
    for plant in site.renewables:
        kind: SignalKind = "wind" if plant.kind == "wind" else "solar"
        key = f"{site.name}/{plant.name}/per_unit"
        yield SignalPlace(key=key, site=site.name, quantity="per_unit", kind=kind, high=1.0)
    limits = ("import_limit_mw", "export_limit_mw")
    for quantity in (*limits, "pue", *_KINDS):
        kind = _KINDS.get(quantity, "known")
        low = -math.inf if kind == "price" else 1.0 if quantity == "pue" else 0.0
        yield SignalPlace(key=f"{site.name}/{quantity}", site=site.name, quantity=quantity, kind=kind, low=low)


def _of_service(key: str) -> SignalPlace:
    return SignalPlace(key=key, site=None, quantity="demand_token_s", kind="demand")
