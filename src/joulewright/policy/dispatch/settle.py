"""From what a rule wants of the batteries to the power of a site: generators, shortage and surplus are common.

1. Batteries charge and discharge as the rule wants, within their limits; charging that the least final energy
   asks for comes first.
2. Generators run when the grid cannot carry the load, and, unless ``backup``, when they are cheaper than the grid.
3. What is still short is taken from charging, then from the batteries, their reserve included.
4. What cannot be exported charges the batteries instead of being curtailed, unless the batteries rest.
5. Surplus is curtailed rather than exported at a negative price.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

from joulewright.policy.base import AbstractDispatchRule, PolicyFacts
from joulewright.policy.decision import SitePower
from joulewright.policy.dispatch.machine import Call, run_generators
from joulewright.policy.dispatch.store import Store, store_of, sustained_mw
from joulewright.policy.observation import Observation, SiteObservation
from joulewright.policy.options import check_choice, check_number

GENERATOR_MODES = ("economic", "backup")


class Wish(NamedTuple):
    """What a rule wants of the batteries of a site [MW]: charging and discharging in total; not both are positive."""

    charge_mw: float = 0.0
    discharge_mw: float = 0.0


REST = Wish()


@dataclass(frozen=True, kw_only=True)
class Common:
    """Options that all dispatch rules share.

    Attributes
    ----------
    reserve_fraction : float
        Share of the usable energy kept for shortage.
    generators : {"economic", "backup"}
        Whether generators also run when they are cheaper than the grid.
    hold_h : float
        A generator starts when the batteries could not carry the shortage this long [h].
    absorbs : bool
        Whether the batteries take surplus that cannot be exported.
    """

    reserve_fraction: float = 0.0
    generators: str = "economic"
    hold_h: float = 2.0
    absorbs: bool = True

    def __post_init__(self) -> None:
        check_number("reserve_fraction", self.reserve_fraction, high=1.0)
        check_number("hold_h", self.hold_h, low=1e-6, unit="h")
        check_choice("generators", self.generators, GENERATOR_MODES)


def settle(
    observation: Observation, site: SiteObservation, wish: Wish, *, common: Common, carbon_price_per_kg: float
) -> SitePower:
    """Power of ``site`` for what a rule wants of its batteries, in the order given at the top of this module."""
    store = store_of(observation, site, common.reserve_fraction)
    charge = min(max(wish.charge_mw, store.total_must_mw, 0.0), store.total_room_mw)
    discharge = 0.0 if charge > 0.0 else min(max(wish.discharge_mw, 0.0), store.total_give_mw)
    load = net_load_mw(site) + charge - discharge
    call = Call(
        need_mw=load,
        import_mw=site.import_limit_mw,
        bridge_mw=max(0.0, min(sustained_mw(site, common.hold_h), store.total_all_mw) - discharge) + charge,
        grid_cost_per_mwh=site.import_price_per_mwh + carbon_price_per_kg * site.carbon_kg_per_mwh,
        carbon_price_per_kg=carbon_price_per_kg,
        economic=common.generators == "economic",
        step_h=observation.step_h,
    )
    generated = run_generators(site, call)
    need = load - sum(generated.values())
    charge, discharge = _relieve(site, store, (charge, discharge), need_mw=need, absorbs=common.absorbs)
    return SitePower(
        charge_mw=store.charges(charge),
        discharge_mw=store.discharges(discharge),
        generator_mw=generated,
        export_limit_mw=0.0 if site.export_price_per_mwh < 0.0 else None,
    )


def net_load_mw(site: SiteObservation) -> float:
    """Load less what the renewable plants can deliver [MW]; negative for a surplus."""
    return site.load_mw - sum(site.renewable_mw.values())


def _relieve(
    site: SiteObservation, store: Store, power: tuple[float, float], *, need_mw: float, absorbs: bool
) -> tuple[float, float]:
    """Charge and discharge after shortage and surplus beyond the connection are met as far as they can be."""
    charge, discharge = power
    short = max(0.0, need_mw - site.import_limit_mw)
    less = min(charge, short)
    charge, short = charge - less, short - less
    if short > 0.0:
        discharge = min(discharge + short, store.total_all_mw)
    export = 0.0 if site.export_price_per_mwh < 0.0 else site.export_limit_mw
    spare = max(0.0, -need_mw - export)
    less = min(discharge, spare)
    discharge, spare = discharge - less, spare - less
    if absorbs and spare > 0.0:
        charge = min(charge + spare, store.total_room_mw)
    return charge, discharge


@dataclass(frozen=True, kw_only=True)
class AbstractStorageRule(AbstractDispatchRule):
    """A dispatch rule that only says what it wants of the batteries; the rest is :func:`settle`.

    Attributes
    ----------
    reserve_fraction : float
        Share of the usable energy kept for shortage, in [0, 1].
    generators : {"economic", "backup"}
        ``economic`` also runs generators that are cheaper than the grid; ``backup`` only in shortage.
    hold_h : float
        A generator starts when the batteries could not carry a shortage this long [h].
    """

    reserve_fraction: float = 0.0
    generators: str = "economic"
    hold_h: float = 2.0

    def __post_init__(self) -> None:
        self.common()

    def common(self) -> Common:
        """The shared options, checked."""
        return Common(reserve_fraction=self.reserve_fraction, generators=self.generators, hold_h=self.hold_h)

    def init(self, facts: PolicyFacts) -> Any:
        """The carbon price [currency/kg] and what the rule remembers."""
        return facts.scenario.carbon.price_per_t / 1000.0, self.begin(facts)

    def begin(self, facts: PolicyFacts) -> Any:
        """What the rule remembers before the first step: nothing, unless it says otherwise."""
        return None

    def step(self, state: Any, observation: Observation, site: SiteObservation) -> tuple[SitePower, Any]:
        """Power of ``site`` in this step."""
        price, memory = state
        wish, memory = self.wish(memory, observation, site)
        power = settle(observation, site, wish, common=self.common(), carbon_price_per_kg=price)
        return power, (price, memory)

    @abstractmethod
    def wish(self, memory: Any, observation: Observation, site: SiteObservation) -> tuple[Wish, Any]:
        """What the rule wants of the batteries, and what it remembers."""


def peak_room_mw(site: SiteObservation) -> float:
    """Charging from the grid that raises no metered peak of the demand windows of this step [MW]."""
    if not site.peak_mw:
        return math.inf
    return max(0.0, min(site.peak_mw.values()) - net_load_mw(site))
