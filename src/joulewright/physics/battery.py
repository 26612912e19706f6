"""Storage: exact decay, feasible power, cycles and capacity fade. Power is measured at the terminals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import ScenarioError
from joulewright.model.site import Battery
from joulewright.model.timeline import FloatArray
from joulewright.physics.ranges import checked


def storage_coefficients(step_h: float, self_discharge_per_h: float) -> tuple[float, float]:
    """Coefficients of one step of storage at constant power with exact self-discharge.

    Parameters
    ----------
    step_h : float
        Length h of the step [h].
    self_discharge_per_h : float
        Decay rate sigma of stored energy [1/h].

    Returns
    -------
    retention : float
        Share of the stored energy left after the step, ``exp(-sigma h)``.
    effective_h : float
        Stored energy per MW that flows into the cells during the step [h], ``(1 - exp(-sigma h)) / sigma``.

    Raises
    ------
    ScenarioError
        If the step is not positive or the rate is negative.

    Notes
    -----
    The exact solution of ``dE/dt = eta_c c - d / eta_d - sigma E`` over a step of constant power is
    ``E' = retention E + effective_h (eta_c c - d / eta_d)``. Energy moves monotonically within a step, so limits
    that hold on its boundaries hold throughout.

    References
    ----------
    Sioshansi et al. (2022), IEEE Trans. Power Systems 37(2), 860-875, doi:10.1109/TPWRS.2021.3104768.

    Examples
    --------
    >>> storage_coefficients(1.0, 0.0)
    (1.0, 1.0)
    >>> retention, effective_h = storage_coefficients(2.0, 0.5)
    >>> round(retention, 6), round(effective_h, 6)  # 1/e and 2 (1 - 1/e)
    (0.367879, 1.264241)
    """
    if step_h <= 0.0:
        raise ScenarioError(f"step is {step_h:g} h; allowed is above 0 h")
    decay = float(checked(self_discharge_per_h, "self-discharge", 0.0, unit="1/h")) * step_h
    if decay < 1e-12:
        return 1.0, step_h
    return math.exp(-decay), -math.expm1(-decay) / decay * step_h


def c_rate_limits_mw(
    energy_mwh: ArrayLike, *, charge_per_h: float, discharge_per_h: float
) -> tuple[FloatArray, FloatArray]:
    """Charge and discharge limits that C-rates allow [MW], same shape as the capacity.

    Parameters
    ----------
    energy_mwh : array_like
        Capacity [MWh]; that of an aged battery gives its limits.
    charge_per_h, discharge_per_h : float
        C-rates [1/h]: power per capacity, 0.25 fills or empties a lossless battery in four hours.

    Notes
    -----
    ``P = r E``.

    References
    ----------
    IEC 61434:1996 (designation of current in multiples of the capacity per hour).

    Examples
    --------
    >>> charge, discharge = c_rate_limits_mw(200.0, charge_per_h=0.25, discharge_per_h=0.5)
    >>> float(charge), float(discharge)
    (50.0, 100.0)
    """
    capacity = checked(energy_mwh, "capacity", 0.0, unit="MWh")
    charge: FloatArray = capacity * checked(charge_per_h, "charge C-rate", 0.0, unit="1/h")
    discharge: FloatArray = capacity * checked(discharge_per_h, "discharge C-rate", 0.0, unit="1/h")
    return charge, discharge


def next_energy_mwh(
    battery: Battery, energy_mwh: ArrayLike, charge_mw: ArrayLike, discharge_mw: ArrayLike, *, step_h: float
) -> FloatArray:
    """Stored energy after one step [MWh], broadcast shapes; limits are not enforced.

    Parameters
    ----------
    battery : Battery
        Efficiencies and self-discharge.
    energy_mwh : array_like
        Stored energy before the step [MWh].
    charge_mw, discharge_mw : array_like
        Power at the terminals during the step [MW], not negative.
    step_h : float
        Length of the step [h].

    References
    ----------
    See :func:`storage_coefficients`.

    Examples
    --------
    >>> cell = Battery(name="b", energy_mwh=10, charge_limit_mw=5, discharge_limit_mw=5,
    ...                charge_efficiency=0.9, discharge_efficiency=0.8, initial_energy_mwh=5)
    >>> float(next_energy_mwh(cell, 5.0, 2.0, 0.0, step_h=0.5)), float(next_energy_mwh(cell, 5.0, 0.0, 2.0, step_h=1.0))
    (5.9, 2.5)
    """
    retention, effective_h = storage_coefficients(step_h, battery.self_discharge_per_h)
    into = battery.charge_efficiency * np.asarray(charge_mw, dtype=np.float64)
    out = np.asarray(discharge_mw, dtype=np.float64) / battery.discharge_efficiency
    stored: FloatArray = retention * np.asarray(energy_mwh, dtype=np.float64) + effective_h * (into - out)
    return stored


def power_range_mw(battery: Battery, energy_mwh: ArrayLike, *, step_h: float) -> tuple[FloatArray, FloatArray]:
    """Largest feasible charge and discharge over one step [MW], same shape as the stored energy.

    Parameters
    ----------
    battery : Battery
        Limits, efficiencies and self-discharge.
    energy_mwh : array_like
        Stored energy before the step [MWh].
    step_h : float
        Length of the step [h].

    Returns
    -------
    charge_mw, discharge_mw : FloatArray
        Power at the terminals that ends the step exactly full or empty, or the power limit where it is lower.

    References
    ----------
    See :func:`storage_coefficients`.

    Examples
    --------
    >>> cell = Battery(name="b", energy_mwh=10, charge_limit_mw=5, discharge_limit_mw=5,
    ...                charge_efficiency=0.9, discharge_efficiency=0.8, initial_energy_mwh=5)
    >>> tuple(round(float(limit), 6) for limit in power_range_mw(cell, 8.2, step_h=1.0))  # 1.8 / 0.9 and the limit
    (2.0, 5.0)
    """
    retention, effective_h = storage_coefficients(step_h, battery.self_discharge_per_h)
    kept = retention * np.asarray(energy_mwh, dtype=np.float64)
    room = (battery.energy_mwh - kept) / (effective_h * battery.charge_efficiency)
    usable = (kept - battery.min_energy_mwh) * battery.discharge_efficiency / effective_h
    return np.clip(room, 0.0, battery.charge_limit_mw), np.clip(usable, 0.0, battery.discharge_limit_mw)


def equivalent_cycles(discharge_mw: ArrayLike, *, step_h: float, usable_mwh: float) -> float:
    """Full cycles: energy discharged at the terminals [MW over steps of h] per usable capacity [MWh].

    Raises
    ------
    ScenarioError
        If the usable capacity is not positive.

    References
    ----------
    Sioshansi et al. (2022), IEEE Trans. Power Systems 37(2), 860-875, doi:10.1109/TPWRS.2021.3104768.

    Examples
    --------
    >>> equivalent_cycles([2.0, 2.0, 0.0], step_h=0.5, usable_mwh=4.0)
    0.5
    """
    if usable_mwh <= 0.0:
        raise ScenarioError(f"usable capacity is {usable_mwh:g} MWh; allowed is above 0 MWh")
    return float(np.sum(discharge_mw)) * step_h / usable_mwh


def remaining_capacity_fraction(
    years: ArrayLike, cycles: ArrayLike, *, calendar_per_year: float = 0.01, fade_per_cycle: float = 0.2 / 6000.0
) -> FloatArray:
    """Capacity left per initial capacity after calendar and throughput ageing, broadcast shapes, at least 0.

    Parameters
    ----------
    years, cycles : array_like
        Age [a] and equivalent full cycles.
    calendar_per_year, fade_per_cycle : float
        Capacity lost per year and per cycle [-]. The defaults (1 % per year, 20 % in 6,000 cycles) are a common rating
        of lithium iron phosphate cells, not a measurement: replace them by the warranty of the product.

    References
    ----------
    A linear simplification; for the full dependence on depth and voltage see Schmalstieg et al. (2014), Journal
    of Power Sources 257, 325-334, doi:10.1016/j.jpowsour.2014.02.012.

    Examples
    --------
    >>> float(remaining_capacity_fraction(10.0, 3000.0))  # 1 - 0.1 - 0.1
    0.8
    """
    faded = calendar_per_year * np.asarray(years, dtype=np.float64) + fade_per_cycle * np.asarray(
        cycles, dtype=np.float64
    )
    return np.maximum(1.0 - faded, 0.0)
