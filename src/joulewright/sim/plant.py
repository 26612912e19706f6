"""Batteries, generators, renewables and the grid of one site for one step.

What was asked is first cut to what each device can do, then the grid closes the balance. Where it cannot, the
rest is settled in a fixed order; no device ever does more than it was asked to, except a generator that may not
stop or fall as fast as asked.

Surplus that cannot be exported
    1. renewables are curtailed, in proportion to their power; 2. discharge is cut, in proportion; 3. generators
    come down as far as ramp and minimum load allow; 4. export beyond what the policy wants, then beyond the ramp
    limit of the grid; 5. generators trip, the last one first, against their minimum time on.
Shortage that cannot be imported
    1. charging is cut, in proportion; 2. load is shed, critical load last; 3. a forced export, which only the ramp
    limit of the grid can ask for, is cut by breaking that limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from joulewright.errors import PolicyError
from joulewright.model import Site
from joulewright.physics.battery import next_energy_mwh
from joulewright.physics.grid import net_import_range_mw
from joulewright.policy.decision import SitePower
from joulewright.policy.observation import GeneratorState
from joulewright.sim.device import battery_power, generator_output
from joulewright.sim.journal import Journal

_CLOSED = 1e-9
"""Share of the load to which the balance closes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlantState:
    """State of a site between two steps.

    Attributes
    ----------
    energy_mwh : tuple of float
        Stored energy by battery, in file order [MWh].
    generators : tuple of GeneratorState
        In file order.
    net_import_mw : float or None
        Import less export of the step before [MW]; None before the first step.
    """

    energy_mwh: tuple[float, ...]
    generators: tuple[GeneratorState, ...]
    net_import_mw: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """What a site meets in a step [MW]; sequences are in file order.

    Attributes
    ----------
    load_mw, critical_mw : float
        Mean facility load, and the part of it that must not be shed.
    import_limit_mw, export_limit_mw : float
        Limits of the grid connection; zero without a grid.
    renewable_mw, usable_mw : sequence of float
        Available power of each renewable plant, and rated power times availability of each generator.
    """

    load_mw: float
    critical_mw: float
    import_limit_mw: float
    export_limit_mw: float
    renewable_mw: Sequence[float]
    usable_mw: Sequence[float]


@dataclass(kw_only=True, slots=True)
class Flows:
    """Flows of a site in a step [MW]; lists are in file order.

    ``least_mw`` is the lowest output each generator can be brought to, and ``on`` says which ones run.
    """

    load_mw: float
    renewable_mw: list[float]
    charge_mw: list[float]
    discharge_mw: list[float]
    output_mw: list[float]
    least_mw: list[float]
    on: list[bool]
    import_mw: float = 0.0
    export_mw: float = 0.0
    unserved_mw: float = 0.0

    def need_mw(self) -> float:
        """Power that the grid must bring [MW]; negative when there is a surplus."""
        supply = sum(self.renewable_mw) + sum(self.output_mw) + sum(self.discharge_mw)
        return self.load_mw + sum(self.charge_mw) - supply

    def copy(self) -> Flows:
        """The same flows in lists of their own."""
        return replace(
            self,
            renewable_mw=[*self.renewable_mw],
            charge_mw=[*self.charge_mw],
            discharge_mw=[*self.discharge_mw],
            output_mw=[*self.output_mw],
            least_mw=[*self.least_mw],
            on=[*self.on],
        )

    def settle(self, net_import_mw: float, unserved_mw: float = 0.0) -> None:
        """Close the balance with this exchange."""
        self.import_mw = net_import_mw if net_import_mw > 0.0 else 0.0
        self.export_mw = -net_import_mw if net_import_mw < 0.0 else 0.0
        self.unserved_mw = unserved_mw


class NetRange(NamedTuple):
    """Import less export [MW]: range wanted, least that the ramp allows, and least that the limit allows."""

    low_mw: float
    high_mw: float
    ramp_low_mw: float
    least_mw: float


class SitePlant:
    """Devices and grid connection of a site, for one length of step.

    Parameters
    ----------
    site : Site
        Parameters; series are not read.
    step_h : float
        Length of a step [h].
    """

    def __init__(self, site: Site, step_h: float) -> None:
        self.site = site
        self._step_h = step_h
        self._ramp_mw_per_h = None if site.grid is None else site.grid.ramp_mw_per_h
        self._plants = tuple(plant.name for plant in site.renewables)
        self._batteries = tuple(battery.name for battery in site.batteries)
        self._generators = tuple(generator.name for generator in site.generators)

    def initial_state(self) -> PlantState:
        """State before the first step."""
        return PlantState(
            energy_mwh=tuple(battery.initial_energy_mwh for battery in self.site.batteries),
            generators=tuple(
                GeneratorState(
                    on=generator.initially_on,
                    hours=generator.initial_hours,
                    output_mw=generator.initial_output_mw if generator.initially_on else 0.0,
                )
                for generator in self.site.generators
            ),
        )

    def step(
        self, state: PlantState, power: SitePower, present: Conditions, journal: Journal
    ) -> tuple[Flows, PlantState]:
        """Flows of one step and the state after it.

        Raises
        ------
        PolicyError
            If the decision names a device that does not exist, or holds a negative or not finite power.
        """
        asked = self._draft(state, power, present, journal)
        flows = self._close(asked, self._net_range(state, power, present), journal)
        self._note_cuts(asked, flows, present, journal)
        return flows, self._after(state, flows)

    def _draft(self, state: PlantState, power: SitePower, present: Conditions, journal: Journal) -> Flows:
        """The decision, cut to what each device can do by itself."""
        name = self.site.name
        charge = _values(power.charge_mw, self._batteries, f"{name}: charge_mw")
        discharge = _values(power.discharge_mw, self._batteries, f"{name}: discharge_mw")
        output = _values(power.generator_mw, self._generators, f"{name}: generator_mw")
        limits = _values(power.renewable_limit_mw, self._plants, f"{name}: renewable_limit_mw")
        flows = Flows(
            load_mw=present.load_mw,
            renewable_mw=[
                available if limit is None else min(available, limit)
                for available, limit in zip(present.renewable_mw, limits, strict=True)
            ],
            charge_mw=[],
            discharge_mw=[],
            output_mw=[],
            least_mw=[],
            on=[],
        )
        for battery, energy_mwh, into, out in zip(
            self.site.batteries, state.energy_mwh, charge, discharge, strict=True
        ):
            wanted = (into or 0.0, out or 0.0)
            allowed = battery_power(battery, energy_mwh, *wanted, step_h=self._step_h)
            for quantity, one, other in zip(("charge_mw", "discharge_mw"), wanted, allowed, strict=True):
                if one != other:
                    journal.clip(f"{name}/{battery.name}", quantity, one, other)
            flows.charge_mw.append(allowed[0])
            flows.discharge_mw.append(allowed[1])
        for generator, before, usable_mw, wish in zip(
            self.site.generators, state.generators, present.usable_mw, output, strict=True
        ):
            on, given, least = generator_output(generator, before, wish, usable_mw=usable_mw, step_h=self._step_h)
            if given != (wish or 0.0):
                journal.clip(f"{name}/{generator.name}", "generator_mw", wish or 0.0, given)
            flows.on.append(on)
            flows.output_mw.append(given)
            flows.least_mw.append(least)
        return flows

    def _net_range(self, state: PlantState, power: SitePower, present: Conditions) -> NetRange:
        """Limits come before the ramp, the ramp before what the policy wants."""
        least = -present.export_limit_mw
        low, high = least, present.import_limit_mw
        if state.net_import_mw is not None and self._ramp_mw_per_h is not None:
            bounds = net_import_range_mw(
                present.import_limit_mw,
                present.export_limit_mw,
                previous_net_import_mw=state.net_import_mw,
                ramp_mw_per_h=self._ramp_mw_per_h,
                step_h=self._step_h,
            )
            low, high = float(bounds[0]), float(bounds[1])
        bought = _optional(power.import_limit_mw, f"{self.site.name}: import_limit_mw")
        sold = _optional(power.export_limit_mw, f"{self.site.name}: export_limit_mw")
        wanted = max(low, min(high, bought))
        return NetRange(min(wanted, max(low, -sold)), wanted, low, least)

    def _close(self, asked: Flows, net: NetRange, journal: Journal) -> Flows:
        """Flows with a closed balance; see the order at the top of this module."""
        low, name = net.low_mw, self.site.name
        slack = _CLOSED * max(1.0, asked.load_mw)
        flows = asked.copy()
        running = [position for position, on in enumerate(flows.on) if on]
        while True:
            need = flows.need_mw()
            if need > net.high_mw + slack:
                self._short(flows, need - net.high_mw, net.high_mw, journal)
                return flows
            if need >= low - slack:
                # What is within rounding of what was asked is what was asked, so that a plan is met to the last bit.
                near = low if need <= low + slack else net.high_mw
                flows.settle(near if abs(need - near) <= slack else need)
                return flows
            if _absorb(flows, low - need) <= slack:
                flows.settle(low)
                return flows
            need = flows.need_mw()
            if low > net.ramp_low_mw:
                journal.clip(name, "export_limit_mw", -low, min(-need, -net.ramp_low_mw))
                low = net.ramp_low_mw
            elif low > net.least_mw:
                journal.happen("grid-ramp", name, low - max(net.least_mw, need))
                low = net.least_mw
            elif running:
                last = running.pop()
                journal.happen("generator-trip", f"{name}/{self._generators[last]}", asked.output_mw[last])
                asked = asked.copy()
                asked.on[last], asked.output_mw[last], asked.least_mw[last] = False, 0.0, 0.0
                flows = asked.copy()
            else:
                journal.happen("surplus-without-outlet", name, net.least_mw - need)
                flows.settle(need)
                return flows

    def _short(self, flows: Flows, short_mw: float, high: float, journal: Journal) -> None:
        """Settle a shortage: charging first, then load."""
        left = _cut(flows.charge_mw, [0.0] * len(flows.charge_mw), short_mw)
        shed = min(left, flows.load_mw)
        flows.settle(high + left - shed, shed)
        if left > shed:
            journal.happen("grid-ramp", self.site.name, left - shed)

    def _note_cuts(self, asked: Flows, flows: Flows, present: Conditions, journal: Journal) -> None:
        """Count what the balance cut, and tell what was shed."""
        name = self.site.name
        for quantity, names in (
            ("charge_mw", self._batteries),
            ("discharge_mw", self._batteries),
            ("output_mw", self._generators),
        ):
            for device, one, other in zip(names, getattr(asked, quantity), getattr(flows, quantity), strict=True):
                if one != other:
                    title = "generator_mw" if quantity == "output_mw" else quantity
                    journal.clip(f"{name}/{device}", title, one, other)
        if flows.unserved_mw > 0.0:
            journal.happen("shed-load", name, flows.unserved_mw)
            missing = flows.unserved_mw - max(0.0, present.load_mw - present.critical_mw)
            if missing > _CLOSED:
                journal.happen("shed-critical-load", name, missing)

    def _after(self, state: PlantState, flows: Flows) -> PlantState:
        return PlantState(
            energy_mwh=tuple(
                float(next_energy_mwh(battery, energy_mwh, into, out, step_h=self._step_h))
                for battery, energy_mwh, into, out in zip(
                    self.site.batteries, state.energy_mwh, flows.charge_mw, flows.discharge_mw, strict=True
                )
            ),
            generators=tuple(
                GeneratorState(
                    on=on, hours=(before.hours if on == before.on else 0.0) + self._step_h, output_mw=output_mw
                )
                for before, on, output_mw in zip(state.generators, flows.on, flows.output_mw, strict=True)
            ),
            net_import_mw=flows.import_mw - flows.export_mw,
        )


def _values(asked: Mapping[str, float], names: Sequence[str], what: str) -> list[float | None]:
    """Values by position; None for what is not listed."""
    if not asked:
        return [None] * len(names)
    unknown = sorted(set(asked) - set(names))
    if unknown:
        raise PolicyError(f"{what} names {unknown[0]!r}; the site has {list(names)}")
    return [None if name not in asked else _number(asked[name], f"{what} of {name!r}") for name in names]


def _optional(limit: float | None, what: str) -> float:
    return math.inf if limit is None else _number(limit, what)


def _number(value: float, what: str) -> float:
    if not 0.0 <= value < math.inf:
        raise PolicyError(f"{what} is {value!r} MW; allowed is a finite number of at least 0 MW")
    return float(value)


def _absorb(flows: Flows, surplus_mw: float) -> float:
    """Take a surplus off renewables, discharge and generators; what is left [MW]."""
    left = _cut(flows.renewable_mw, [0.0] * len(flows.renewable_mw), surplus_mw)
    left = _cut(flows.discharge_mw, [0.0] * len(flows.discharge_mw), left)
    return _cut(flows.output_mw, flows.least_mw, left)


def _cut(power_mw: list[float], floor_mw: Iterable[float], amount_mw: float) -> float:
    """Lower powers in place towards their floors, in proportion to the room; the part that does not fit."""
    floors = list(floor_mw)
    room = sum(power_mw) - sum(floors)
    if amount_mw <= 0.0 or room <= 0.0:
        return max(amount_mw, 0.0)
    share = min(1.0, amount_mw / room)
    for position, floor in enumerate(floors):
        power_mw[position] = floor if share == 1.0 else power_mw[position] - share * (power_mw[position] - floor)
    return max(0.0, amount_mw - room)
