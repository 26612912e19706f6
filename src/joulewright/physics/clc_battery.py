"""The C-L-C model of a lithium-ion battery: power limits (C), energy limits (L) that shift with current, losses (C).

A pack is a number of equal cells. The energy that a cell can hold and give depends on its current: charging hard
ends before the cell is full, discharging hard ends before it is empty. The model is meant for steps of minutes; at
steps of an hour it holds the end of a step to a window that the cell would leave and enter again within it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.ranges import checked

_LEAST, _MOST = 1e-6, 1e15
_RANGES = {
    "cells": (_LEAST, _MOST, ""),
    "initial_soc_fraction": (0.0, 1.0, ""),
    "min_soc_fraction": (0.0, 1.0, ""),
    "nominal_voltage_v": (_LEAST, _MOST, "V"),
    "empty_slope_wh_per_a": (-_MOST, 0.0, "Wh/A"),
    "empty_wh": (0.0, _MOST, "Wh"),
    "full_slope_wh_per_a": (-_MOST, 0.0, "Wh/A"),
    "full_wh": (_LEAST, _MOST, "Wh"),
    "discharge_rate_per_h": (0.0, _MOST, "1/h"),
    "charge_rate_per_h": (0.0, _MOST, "1/h"),
    "discharge_factor": (1.0, _MOST, ""),
    "charge_efficiency": (_LEAST, 1.0, ""),
    "discharge_cutoff_a": (0.0, _MOST, "A"),
    "charge_cutoff_a": (0.0, _MOST, "A"),
}


@dataclass(frozen=True, kw_only=True)
class ClcBattery:
    """A pack of equal cells; the defaults describe the cell LG M50 in format 21700.

    Attributes
    ----------
    cells : float
        Number of cells N [-]; a fraction of a cell is allowed, so that a pack has exactly the capacity asked for.
    initial_soc_fraction, min_soc_fraction : float
        Stored energy per ``full_wh`` at the start, and below which the pack does not discharge [-].
    nominal_voltage_v : float
        Voltage V of a cell [V].
    empty_slope_wh_per_a, empty_wh : float
        Lowest energy of a cell, ``u1 I + v1`` [Wh/A, Wh], at current I (positive when charging).
    full_slope_wh_per_a, full_wh : float
        Highest energy of a cell, ``u2 I + v2`` [Wh/A, Wh]; v2 is the capacity.
    discharge_rate_per_h, charge_rate_per_h : float
        Largest power of a cell per capacity v2, alpha_d and alpha_c [1/h].
    discharge_factor : float
        Energy taken out of a cell per energy delivered, eta_d, at least 1 [-].
    charge_efficiency : float
        Energy stored in a cell per energy received, eta_c [-].
    discharge_cutoff_a, charge_cutoff_a : float
        Currents below which a cell is not used [A].
    cutoff_of : {"cell", "pack"}
        What the cut-off currents are compared with. ``pack`` is how Vessim reads them, which hardly ever acts.

    Raises
    ------
    ScenarioError
        If a parameter is not finite or out of range.

    References
    ----------
    Kazhamiaka, Rosenberg and Keshav (2019), Energy Informatics 2, 4, doi:10.1186/s42162-019-0070-6.

    Examples
    --------
    >>> round(ClcBattery.of_capacity(4e6).cells, 1)  # 4 MWh of cells with 19.14 Wh
    208986.4
    """

    cells: float
    initial_soc_fraction: float = 0.0
    min_soc_fraction: float = 0.0
    nominal_voltage_v: float = 3.63
    empty_slope_wh_per_a: float = -0.087
    empty_wh: float = 0.0
    full_slope_wh_per_a: float = -1.326
    full_wh: float = 19.14
    discharge_rate_per_h: float = 1.5
    charge_rate_per_h: float = 0.7
    discharge_factor: float = 1.014
    charge_efficiency: float = 0.978
    discharge_cutoff_a: float = 0.05
    charge_cutoff_a: float = 0.05
    cutoff_of: Literal["cell", "pack"] = "cell"

    def __post_init__(self) -> None:
        for name, (low, high, unit) in _RANGES.items():
            checked(getattr(self, name), name, low, high, unit=unit)
        if self.cutoff_of not in ("cell", "pack"):
            raise ScenarioError(f"cutoff_of is {self.cutoff_of!r}; allowed are 'cell' and 'pack'")

    @classmethod
    def of_capacity(cls, capacity_wh: float, *, full_wh: float = 19.14, **changes: float) -> ClcBattery:
        """A pack with this capacity [Wh] of cells with ``full_wh`` [Wh]; further fields by name.

        Raises
        ------
        ScenarioError
            If a value is out of range.
        """
        checked(full_wh, "full_wh", _LEAST, _MOST, unit="Wh")
        return cls(cells=capacity_wh / full_wh, full_wh=full_wh, **changes)  # type: ignore[arg-type]

    @property
    def capacity_wh(self) -> float:
        """Capacity of the pack [Wh]."""
        return self.full_wh * self.cells

    def cutoffs_w(self) -> tuple[float, float]:
        """Charge and discharge below which the pack rests [W]."""
        scale = self.nominal_voltage_v * (self.cells if self.cutoff_of == "cell" else 1.0)
        return self.charge_cutoff_a * scale, self.discharge_cutoff_a * scale


def clc_power_range_w(
    battery: ClcBattery, cell_energy_wh: ArrayLike, *, step_s: float
) -> tuple[FloatArray, FloatArray]:
    """Largest charge and discharge of the pack over one step [W], same shape as the energy of a cell.

    Parameters
    ----------
    battery : ClcBattery
        The pack.
    cell_energy_wh : array_like
        Energy b in one cell before the step [Wh].
    step_s : float
        Length S of the step [s].

    Returns
    -------
    charge_w, discharge_w : FloatArray
        Limits at the terminals, not negative.

    Notes
    -----
    With ``x = S / 3600`` and power p of a cell, the energy after the step is ``b + eta_c p x`` (charging) and has to
    stay below ``u2 p / V + v2``, so ``p <= (b - v2) / (u2 / V - eta_c x)``; likewise for discharging with ``eta_d``,
    ``u1`` and ``v1``. Discharging also ends at the lowest state of charge.

    References
    ----------
    Kazhamiaka, Rosenberg and Keshav (2019), Energy Informatics 2, 4, doi:10.1186/s42162-019-0070-6.

    Examples
    --------
    >>> charge_w, discharge_w = clc_power_range_w(ClcBattery(cells=1), 9.57, step_s=3600)
    >>> round(float(charge_w), 4)  # 9.57 / (1.326 / 3.63 + 0.978)
    7.1243
    >>> round(float(discharge_w), 4)  # 9.57 / (0.087 / 3.63 + 1.014)
    9.2199
    """
    energy, lowest = np.asarray(cell_energy_wh, dtype=np.float64), battery.min_soc_fraction * battery.full_wh
    voltage, cells = battery.nominal_voltage_v, battery.cells
    charge_cutoff_w, discharge_cutoff_w = battery.cutoffs_w()
    charge = (energy - battery.full_wh) / (
        battery.full_slope_wh_per_a / voltage - step_s * battery.charge_efficiency / 3600
    )
    charge = np.minimum(charge, battery.charge_rate_per_h * battery.full_wh) * cells
    discharge = -(energy - battery.empty_wh) / (
        battery.empty_slope_wh_per_a / voltage - step_s * battery.discharge_factor / 3600
    )
    discharge = np.minimum(discharge, battery.discharge_rate_per_h * battery.full_wh) * cells
    to_lowest = (energy - lowest) * 3600 / (battery.discharge_factor * step_s) * cells
    discharge = np.minimum(discharge, to_lowest)
    charge = np.where((energy >= battery.full_wh) | (charge < charge_cutoff_w), 0.0, charge)
    return charge, np.where((energy <= lowest) | (discharge < discharge_cutoff_w), 0.0, discharge)


def clc_next_energy_wh(
    battery: ClcBattery, cell_energy_wh: ArrayLike, charge_w: ArrayLike, discharge_w: ArrayLike, *, step_s: float
) -> FloatArray:
    """Energy of one cell after a step [Wh], broadcast shapes; power limits are not enforced.

    Parameters
    ----------
    battery : ClcBattery
        The pack.
    cell_energy_wh : array_like
        Energy in one cell before the step [Wh].
    charge_w, discharge_w : array_like
        Power of the pack at the terminals [W], not negative, not both positive.
    step_s : float
        Length of the step [s].

    References
    ----------
    See :func:`clc_power_range_w`.

    Examples
    --------
    >>> float(clc_next_energy_wh(ClcBattery(cells=2), 10.0, 4.0, 0.0, step_s=1800))  # 10 + 0.978 x 2 x 0.5
    10.978
    """
    energy, hours = np.asarray(cell_energy_wh, dtype=np.float64), step_s / 3600
    charge, discharge = np.asarray(charge_w, dtype=np.float64), np.asarray(discharge_w, dtype=np.float64)
    stored = energy + battery.charge_efficiency * (charge / battery.cells) * hours
    left = energy - battery.discharge_factor * (discharge / battery.cells) * hours
    # Only rounding can carry an allowed discharge below the lowest energy.
    left = np.maximum(left, battery.min_soc_fraction * battery.full_wh)
    return np.where(discharge > 0.0, left, stored)
