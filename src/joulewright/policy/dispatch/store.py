"""Batteries of a site taken together: what they can take and give, and how it is shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from joulewright.model import Battery
from joulewright.physics.battery import power_range_mw
from joulewright.policy.observation import Observation, SiteObservation

RETURN_FRACTION = 0.5
"""Share of the charging power with which a battery returns to its least final energy."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """Power limits of the batteries of one site in the next step, by battery [MW].

    Attributes
    ----------
    room_mw : mapping of str to float
        Charging until full.
    must_mw : mapping of str to float
        Charging that the least final energy asks for now.
    give_mw : mapping of str to float
        Discharging down to the reserve and to what the least final energy allows.
    all_mw : mapping of str to float
        Discharging down to the least energy of the battery, for shortage only.
    """

    room_mw: Mapping[str, float]
    must_mw: Mapping[str, float]
    give_mw: Mapping[str, float]
    all_mw: Mapping[str, float]

    @property
    def total_room_mw(self) -> float:
        """Charging power of all batteries [MW]."""
        return sum(self.room_mw.values())

    @property
    def total_must_mw(self) -> float:
        """Charging that is due now [MW]."""
        return sum(self.must_mw.values())

    @property
    def total_give_mw(self) -> float:
        """Discharging power that is free to use [MW]."""
        return sum(self.give_mw.values())

    @property
    def total_all_mw(self) -> float:
        """Discharging power in a shortage [MW]."""
        return sum(self.all_mw.values())

    def charges(self, total_mw: float) -> dict[str, float]:
        """A charging power shared in file order after what is due, by battery."""
        due = dict(_share(min(total_mw, self.total_must_mw), self.must_mw))
        rest = {name: room - due.get(name, 0.0) for name, room in self.room_mw.items()}
        for name, power in _share(total_mw - sum(due.values()), rest).items():
            due[name] = due.get(name, 0.0) + power
        return due

    def discharges(self, total_mw: float) -> dict[str, float]:
        """A discharging power shared in file order, first from what is free to use, by battery."""
        free = _share(min(total_mw, self.total_give_mw), self.give_mw)
        rest = {name: power - free.get(name, 0.0) for name, power in self.all_mw.items()}
        for name, power in _share(total_mw - sum(free.values()), rest).items():
            free[name] = free.get(name, 0.0) + power
        return free


def store_of(observation: Observation, site: SiteObservation, reserve_fraction: float) -> Store:
    """Limits of the batteries of ``site`` now.

    A share ``reserve_fraction`` of the usable energy is kept for shortage. The least final energy of a battery is
    held by keeping as much as can no longer be recharged at :data:`RETURN_FRACTION` of its charging power.
    """
    step_h, later = observation.step_h, observation.steps_left - 1
    room, must, give, every = {}, {}, {}, {}
    for battery in site.site.batteries:
        energy = site.energy_mwh.get(battery.name, battery.initial_energy_mwh)
        charge, discharge = (float(limit) for limit in power_range_mw(battery, energy, step_h=step_h))
        gain = RETURN_FRACTION * battery.charge_limit_mw * battery.charge_efficiency * step_h
        final = battery.least_final_energy_mwh - later * gain
        kept = battery.min_energy_mwh + reserve_fraction * (battery.energy_mwh - battery.min_energy_mwh)
        due = (final - energy) / (battery.charge_efficiency * step_h)
        room[battery.name], every[battery.name] = charge, discharge
        must[battery.name] = min(charge, max(0.0, due))
        give[battery.name] = min(discharge, _above(battery, energy, max(kept, final), step_h))
    return Store(room_mw=room, must_mw=must, give_mw=give, all_mw=every)


def sustained_mw(site: SiteObservation, hours: float) -> float:
    """Power that the batteries can hold for ``hours`` [MW], without self-discharge."""
    total = 0.0
    for battery in site.site.batteries:
        energy = site.energy_mwh.get(battery.name, battery.initial_energy_mwh)
        total += min(battery.discharge_limit_mw, _above(battery, energy, battery.min_energy_mwh, hours))
    return total


def _above(battery: Battery, energy_mwh: float, floor_mwh: float, hours: float) -> float:
    """Discharge that lowers the stored energy to ``floor_mwh`` in ``hours`` [MW]."""
    return max(0.0, energy_mwh - floor_mwh) * battery.discharge_efficiency / hours


def _share(total_mw: float, limits_mw: Mapping[str, float]) -> dict[str, float]:
    """``total_mw`` given out in order, each up to its limit; nothing for those that get none."""
    shares: dict[str, float] = {}
    left = total_mw
    for name, limit in limits_mw.items():
        part = min(left, limit)
        if part > 0.0:
            shares[name] = part
            left -= part
    return shares
