"""Rules without memory: grid first, solar first, and charging and discharging by the clock."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from joulewright.errors import PolicyError
from joulewright.policy.base import AbstractDispatchRule, Information, PolicyFacts
from joulewright.policy.decision import SitePower
from joulewright.policy.dispatch.settle import (
    REST,
    AbstractStorageRule,
    Common,
    Wish,
    net_load_mw,
    peak_room_mw,
    settle,
)
from joulewright.policy.observation import Observation, SiteObservation
from joulewright.policy.options import check_number
from joulewright.policy.registry import register


@register("grid-first", kind="dispatch", summary="batteries rest; generators only run in shortage")
@dataclass(frozen=True, kw_only=True)
class GridFirst(AbstractDispatchRule):
    """The grid carries what renewable power does not: what happens without energy management.

    Batteries move only in a shortage, and to end with the energy the scenario asks for.

    Attributes
    ----------
    hold_h : float
        A generator starts when the batteries could not carry a shortage this long [h].

    Notes
    -----
    Information used: the present. Guarantee: import is at most load, and the bill of energy is that of the load.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present"})
    hold_h: float = 2.0

    def __post_init__(self) -> None:
        check_number("hold_h", self.hold_h, low=1e-6, unit="h")

    def init(self, facts: PolicyFacts) -> Any:
        """The carbon price [currency/kg]."""
        return facts.scenario.carbon.price_per_t / 1000.0

    def step(self, state: Any, observation: Observation, site: SiteObservation) -> tuple[SitePower, Any]:
        """Power of ``site`` in this step."""
        common = Common(generators="backup", hold_h=self.hold_h, absorbs=False)
        return settle(observation, site, REST, common=common, carbon_price_per_kg=state), state


@register("solar-first", kind="dispatch", summary="self-consumption: batteries take surplus and cover deficit")
@dataclass(frozen=True, kw_only=True)
class SolarFirst(AbstractStorageRule):
    """Self-consumption: surplus charges the batteries before it is exported, deficit discharges them before import.

    Notes
    -----
    Information used: the present. Guarantee: no energy is imported while the batteries could deliver, none exported
    while they could charge (up to the reserve and the least final energy). It does not look at prices.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present"})

    def wish(self, memory: Any, observation: Observation, site: SiteObservation) -> tuple[Wish, Any]:
        """Surplus in, deficit out."""
        net = net_load_mw(site)
        return Wish(charge_mw=max(0.0, -net), discharge_mw=max(0.0, net)), None


@register("time-of-use", kind="dispatch", summary="batteries charge and discharge in fixed local hours")
@dataclass(frozen=True, kw_only=True)
class TimeOfUse(AbstractStorageRule):
    """Charge in some hours of the local day, cover the load from the batteries in others, take surplus at any time.

    Attributes
    ----------
    charge_hours, discharge_hours : str
        Hours of the local day as ``from-to``, several joined by ``/``; ``22-6`` passes midnight. ``none`` for no hour.
    keep_peak : bool
        True not to charge above the metered peak of the demand windows of the step.

    Notes
    -----
    Information used: the present (the clock). Local time is that of the site's location, else UTC.
    """

    uses: ClassVar[frozenset[Information]] = frozenset({"present"})
    charge_hours: str = "0-6"
    discharge_hours: str = "16-21"
    keep_peak: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        both = hours_of(self.charge_hours) & hours_of(self.discharge_hours)
        if both:
            raise PolicyError(f"hours {sorted(both)} are in charge_hours and in discharge_hours; choose one of them")

    def wish(self, memory: Any, observation: Observation, site: SiteObservation) -> tuple[Wish, Any]:
        """Charge or discharge by the local hour."""
        place = site.site.location
        hour = observation.time.astimezone(ZoneInfo("UTC" if place is None else place.time_zone)).hour
        if hour in hours_of(self.discharge_hours):
            return cover(site), None
        return take(site, from_grid=hour in hours_of(self.charge_hours), keep_peak=self.keep_peak), None


def cover(site: SiteObservation) -> Wish:
    """Discharge for the load that renewable power does not carry; surplus is taken."""
    net = net_load_mw(site)
    return Wish(charge_mw=max(0.0, -net), discharge_mw=max(0.0, net))


def take(site: SiteObservation, *, from_grid: bool, keep_peak: bool) -> Wish:
    """Charge from surplus and, if asked for, from the grid as fast as the connection and the metered peak allow."""
    surplus = max(0.0, -net_load_mw(site))
    if not from_grid:
        return Wish(charge_mw=surplus)
    room = max(0.0, site.import_limit_mw - net_load_mw(site))
    if keep_peak:
        room = min(room, peak_room_mw(site))
    return Wish(charge_mw=max(surplus, room))


@lru_cache(maxsize=64)
def hours_of(text: str) -> frozenset[int]:
    """Hours of the day that a text such as ``22-2/12-14`` names.

    Raises
    ------
    PolicyError
        If it is not of that form.

    Examples
    --------
    >>> sorted(hours_of("22-2/12-14"))
    [0, 1, 12, 13, 22, 23]
    """
    hours: set[int] = set()
    if text == "none":
        return frozenset()
    for window in text.split("/"):
        begin, dash, end = window.partition("-")
        if not (dash and begin.strip().isdigit() and end.strip().isdigit()):
            raise PolicyError(f"hours {text!r} are not of the form 0-6 or 22-6/12-14")
        first, stop = int(begin), int(end)
        if first > 23 or stop > 24 or first == stop:
            raise PolicyError(f"hours {window!r} are outside the day; allowed are 0-1 to 23-24, and 22-6 past midnight")
        hours.update(hour % 24 for hour in range(first, stop if stop > first else stop + 24))
    return frozenset(hours)
