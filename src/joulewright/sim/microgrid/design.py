"""What a microgrid consists of: plants, one battery, the rule that runs it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from joulewright.errors import ScenarioError
from joulewright.model import Battery
from joulewright.physics.battery import storage_coefficients
from joulewright.physics.ranges import checked
from joulewright.sim.microgrid.records import DESIGN, record

_LEAST, _MOST = 1e-6, 1e15


@dataclass(frozen=True, kw_only=True)
class MicrogridRule:
    """Import that the battery aims at, from the price and the net load of the step alone.

    At or below ``low_per_mwh`` the battery charges as hard as it and the connection can. Otherwise, at or above
    ``high_per_mwh``, it holds the import at ``import_target_mw``. In between it stores surplus of the renewable plants
    and keeps what it has. Whatever the rule, it aims at an import and an export within the limits of the connection,
    so that it helps before load is shed or power is curtailed.

    Attributes
    ----------
    import_target_mw : float
        Import to hold by charging and discharging [MW], not negative.
    low_per_mwh, high_per_mwh : float
        Import prices [currency/MWh].

    Raises
    ------
    ScenarioError
        If the target is negative or not finite, or the first price is not below the second.

    Notes
    -----
    Information used: the present. The rules ``solar-first``, ``price-threshold`` (with both prices given) and
    ``peak-shaving`` (with the target given) of the full simulator do the same where no final energy is asked for.
    """

    import_target_mw: float = 0.0
    low_per_mwh: float = -math.inf
    high_per_mwh: float = -math.inf

    def __post_init__(self) -> None:
        checked(self.import_target_mw, "import_target_mw", 0.0, _MOST, unit="MW")
        low, high = self.low_per_mwh, self.high_per_mwh
        if not (low < high or low == high == -math.inf):
            raise ScenarioError(
                f"low_per_mwh is {low:g} and high_per_mwh is {high:g}; the first must be below the second"
            )

    @property
    def uses_price(self) -> bool:
        """Whether the rule needs import prices."""
        return self.high_per_mwh > -math.inf

    def target_mw(self, net_load_mw: float, price_per_mwh: float) -> float:
        """Net import to aim at [MW]; infinite to charge as hard as possible.

        Examples
        --------
        >>> [price_threshold(60.0, 120.0).target_mw(2.0, price) for price in (50.0, 100.0, 150.0)]
        [inf, 2.0, 0.0]
        """
        if price_per_mwh <= self.low_per_mwh:
            return math.inf
        if price_per_mwh >= self.high_per_mwh:
            return self.import_target_mw
        return max(net_load_mw, 0.0)


def self_consumption() -> MicrogridRule:
    """Store surplus, cover deficits: no import while the battery can help it."""
    return MicrogridRule()


def price_threshold(low_per_mwh: float, high_per_mwh: float) -> MicrogridRule:
    """Charge from the grid when import is cheap, cover deficits when it is dear, keep the charge in between.

    For a time-of-use tariff give its low and its high price.

    Raises
    ------
    ScenarioError
        If the first price is not below the second [currency/MWh].
    """
    return MicrogridRule(low_per_mwh=low_per_mwh, high_per_mwh=high_per_mwh)


def peak_shaving(import_target_mw: float) -> MicrogridRule:
    """Discharge above the target and recharge below it [MW].

    Raises
    ------
    ScenarioError
        If the target is negative or not finite.
    """
    return MicrogridRule(import_target_mw=import_target_mw)


@dataclass(frozen=True, kw_only=True)
class MicrogridDesign:
    """Capacities and rule of one microgrid.

    Attributes
    ----------
    plants_mw : mapping of str to float
        Capacity of each plant [MW]; a plant of the inputs that is not listed is not built.
    battery : Battery or None
        The battery.
    rule : MicrogridRule
        How the battery is run.

    Raises
    ------
    ScenarioError
        If a capacity is negative or not finite, or the battery's limits do not fit together.

    Examples
    --------
    >>> MicrogridDesign(plants_mw={"solar": -3.0})
    Traceback (most recent call last):
        ...
    joulewright.errors.ScenarioError: plants_mw['solar'] is -3 MW; allowed is 0 to 1e+15 MW
    """

    plants_mw: Mapping[str, float] = field(default_factory=dict)
    battery: Battery | None = None
    rule: MicrogridRule = field(default_factory=self_consumption)

    def __post_init__(self) -> None:
        for name, capacity in self.plants_mw.items():
            checked(capacity, f"plants_mw[{name!r}]", 0.0, _MOST, unit="MW")
        if self.battery is not None:
            _check_battery(self.battery)

    def values(self, step_s: int) -> tuple[float, ...]:
        """The design as a record, for steps of this length [s].

        Raises
        ------
        ScenarioError
            If the self-discharge is out of range.
        """
        rule = {
            "import_target_mw": self.rule.import_target_mw,
            "low_per_mwh": self.rule.low_per_mwh,
            "high_per_mwh": self.rule.high_per_mwh,
        }
        cell = self.battery
        if cell is None:
            units = dict.fromkeys(("charge_efficiency", "discharge_efficiency", "retention", "effective_h"), 1.0)
            return record(DESIGN, **units, **rule)
        retention, effective_h = storage_coefficients(step_s / 3600.0, cell.self_discharge_per_h)
        return record(
            DESIGN,
            capacity_mwh=cell.energy_mwh,
            least_mwh=cell.min_energy_mwh,
            initial_mwh=cell.initial_energy_mwh,
            charge_limit_mw=cell.charge_limit_mw,
            discharge_limit_mw=cell.discharge_limit_mw,
            charge_efficiency=cell.charge_efficiency,
            discharge_efficiency=cell.discharge_efficiency,
            retention=retention,
            effective_h=effective_h,
            **rule,
        )


def design_grid(
    base: MicrogridDesign, *, plants_mw: Mapping[str, Sequence[float]], battery_mwh: Sequence[float] | None = None
) -> list[MicrogridDesign]:
    """Every combination of plant capacities [MW] and battery capacities [MWh]; the last one varies fastest.

    Power, lowest and initial energy of the battery scale with its capacity; 0 leaves it out.

    Parameters
    ----------
    base : MicrogridDesign
        Battery and rule to start from, and capacities of the plants that do not vary.
    plants_mw : mapping of str to sequence of float
        Capacities of each plant that varies [MW].
    battery_mwh : sequence of float or None
        Capacities of the battery [MWh]; None keeps that of ``base``.

    Raises
    ------
    ScenarioError
        If battery capacities are asked for and ``base`` has no battery to scale, or a capacity is out of range.

    Examples
    --------
    >>> cell = Battery(name="b", energy_mwh=4.0, charge_limit_mw=1.0, discharge_limit_mw=1.0,
    ...                charge_efficiency=0.95, discharge_efficiency=0.95, initial_energy_mwh=2.0)
    >>> designs = design_grid(MicrogridDesign(battery=cell), plants_mw={"solar": [0, 3]}, battery_mwh=[0, 8])
    >>> [(design.plants_mw["solar"], design.battery and design.battery.charge_limit_mw) for design in designs]
    [(0, None), (0, 2.0), (3, None), (3, 2.0)]
    """
    if battery_mwh is None:
        batteries = [base.battery]
    elif base.battery is None:
        raise ScenarioError(f"battery_mwh is {list(battery_mwh)} but the base design has no battery to scale; add one")
    else:
        batteries = [scaled_battery(base.battery, energy) if energy else None for energy in battery_mwh]
    return [
        replace(base, plants_mw={**base.plants_mw, **dict(zip(plants_mw, sizes, strict=True))}, battery=battery)
        for sizes in product(*plants_mw.values())
        for battery in batteries
    ]


def scaled_battery(battery: Battery, energy_mwh: float) -> Battery:
    """The battery with another capacity [MWh]; power, lowest and initial energy scale with it.

    Raises
    ------
    ScenarioError
        If the capacity is not positive.
    """
    if not 0.0 < energy_mwh < math.inf:
        raise ScenarioError(f"battery capacity is {energy_mwh:g} MWh; allowed is above 0 MWh")
    factor = energy_mwh / battery.energy_mwh
    return replace(
        battery,
        energy_mwh=energy_mwh,
        min_energy_mwh=factor * battery.min_energy_mwh,
        initial_energy_mwh=factor * battery.initial_energy_mwh,
        charge_limit_mw=factor * battery.charge_limit_mw,
        discharge_limit_mw=factor * battery.discharge_limit_mw,
    )


def _check_battery(cell: Battery) -> None:
    if not 0.0 < cell.energy_mwh < math.inf:
        raise ScenarioError(
            f"battery {cell.name!r} has energy_mwh {cell.energy_mwh:g}; allowed is above 0 MWh; "
            "leave the battery out where there is none"
        )
    where = f"battery {cell.name!r}: "
    checked(cell.min_energy_mwh, where + "min_energy_mwh", 0.0, cell.energy_mwh, unit="MWh")
    checked(cell.initial_energy_mwh, where + "initial_energy_mwh", cell.min_energy_mwh, cell.energy_mwh, unit="MWh")
    for name in ("charge_limit_mw", "discharge_limit_mw"):
        checked(getattr(cell, name), where + name, 0.0, _MOST, unit="MW")
    for name in ("charge_efficiency", "discharge_efficiency"):
        checked(getattr(cell, name), where + name, _LEAST, 1.0)
