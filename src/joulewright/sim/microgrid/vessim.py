"""Designs of the mode that is compatible with Vessim 0.16: one battery and one grid connection in W, Wh and s.

Powers are signed as there: positive charges or exports, negative discharges or imports.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from joulewright.errors import ScenarioError
from joulewright.physics.clc_battery import ClcBattery
from joulewright.physics.ranges import checked
from joulewright.sim.microgrid.records import VESSIM_DESIGN, record

_MOST = 1e15


@dataclass(frozen=True, kw_only=True)
class SimpleBattery:
    """A battery without losses.

    Attributes
    ----------
    capacity_wh : float
        Capacity C [Wh].
    initial_soc_fraction, min_soc_fraction : float
        State of charge at the start, and below which it does not discharge [-].
    c_rate_per_h : float or None
        Largest power per capacity in both directions [1/h]; None sets no limit.

    Raises
    ------
    ScenarioError
        If a parameter is not finite or out of range.
    """

    capacity_wh: float
    initial_soc_fraction: float = 0.0
    min_soc_fraction: float = 0.0
    c_rate_per_h: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.capacity_wh <= _MOST:
            raise ScenarioError(
                f"capacity_wh is {self.capacity_wh:g} Wh; allowed is above 0 Wh; "
                "leave the battery out where there is none"
            )
        checked(self.initial_soc_fraction, "initial_soc_fraction", 0.0, 1.0)
        checked(self.min_soc_fraction, "min_soc_fraction", 0.0, 1.0)
        checked(self.c_rate_per_h or 0.0, "c_rate_per_h", 0.0, _MOST, unit="1/h")

    @property
    def power_limit_w(self) -> float:
        """Largest power in both directions [W]."""
        return math.inf if self.c_rate_per_h is None else self.c_rate_per_h * self.capacity_wh


@dataclass(frozen=True, kw_only=True)
class VessimGrid:
    """Limits of the grid connection; None sets no limit.

    Attributes
    ----------
    max_import_w, max_export_w : float or None
        Largest power [W]; 0 for an island.
    ramp_up_w, ramp_down_w : float or None
        Largest change per step towards export and towards import, whatever the length of the step [W].
    initial_w : float
        Power before the first step [W].

    Raises
    ------
    ScenarioError
        If a limit is negative or not finite, or the initial power lies outside the limits.
    """

    max_import_w: float | None = None
    max_export_w: float | None = None
    ramp_up_w: float | None = None
    ramp_down_w: float | None = None
    initial_w: float = 0.0

    def __post_init__(self) -> None:
        for name in ("max_import_w", "max_export_w", "ramp_up_w", "ramp_down_w"):
            checked(getattr(self, name) or 0.0, name, 0.0, _MOST, unit="W")
        low, high = -_limit(self.max_import_w), _limit(self.max_export_w)
        checked(self.initial_w, "initial_w", max(low, -_MOST), min(high, _MOST), unit="W")


@dataclass(frozen=True, kw_only=True)
class VessimDesign:
    """One microgrid under the default dispatch policy: the battery first, then the grid.

    Attributes
    ----------
    battery : SimpleBattery, ClcBattery or None
        The battery; its C-L-C form compares its cut-offs with the power of the pack, as Vessim does, only where
        ``cutoff_of="pack"``.
    grid : VessimGrid
        The grid connection.
    charge_power_w : float
        Fixed battery power [W]; 0 lets the battery follow the net load.
    solar_scale : float
        Factor on the solar power of the inputs [-].

    Raises
    ------
    ScenarioError
        If a value is not finite or out of range.
    """

    battery: SimpleBattery | ClcBattery | None = None
    grid: VessimGrid = field(default_factory=VessimGrid)
    charge_power_w: float = 0.0
    solar_scale: float = 1.0

    def __post_init__(self) -> None:
        checked(self.charge_power_w, "charge_power_w", -_MOST, _MOST, unit="W")
        checked(self.solar_scale, "solar_scale", 0.0, _MOST)

    def values(self) -> tuple[float, ...]:
        """The design as a record."""
        grid = self.grid
        return record(
            VESSIM_DESIGN,
            solar_scale=self.solar_scale,
            charge_power_w=self.charge_power_w,
            max_import_w=_limit(grid.max_import_w),
            max_export_w=_limit(grid.max_export_w),
            ramp_up_w=_limit(grid.ramp_up_w),
            ramp_down_w=_limit(grid.ramp_down_w),
            initial_grid_w=grid.initial_w,
            **_battery_values(self.battery),
        )


def _limit(value: float | None) -> float:
    return math.inf if value is None else float(value)


def _battery_values(battery: SimpleBattery | ClcBattery | None) -> dict[str, float]:
    if battery is None:
        return {}
    common = {
        "capacity_wh": battery.capacity_wh,
        "min_soc": battery.min_soc_fraction,
        "initial_soc": battery.initial_soc_fraction,
    }
    if isinstance(battery, SimpleBattery):
        return common | {"power_limit_w": battery.power_limit_w}
    charge_cutoff_w, discharge_cutoff_w = battery.cutoffs_w()
    return common | {
        "cells": battery.cells,
        "empty_wh": battery.empty_wh,
        "full_wh": battery.full_wh,
        "empty_wh_per_w": battery.empty_slope_wh_per_a / battery.nominal_voltage_v,
        "full_wh_per_w": battery.full_slope_wh_per_a / battery.nominal_voltage_v,
        "discharge_limit_w": battery.discharge_rate_per_h * battery.full_wh,
        "charge_limit_w": battery.charge_rate_per_h * battery.full_wh,
        "discharge_factor": battery.discharge_factor,
        "charge_efficiency": battery.charge_efficiency,
        "discharge_cutoff_w": discharge_cutoff_w,
        "charge_cutoff_w": charge_cutoff_w,
    }
