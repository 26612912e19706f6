"""Battery ageing: cycles by rainflow counting, fade by throughput and by depth, replacements over the years."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewright.errors import ScenarioError
from joulewright.model.site import Battery
from joulewright.model.timeline import FloatArray
from joulewright.physics.ranges import checked

_EDGE = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Cycles:
    """Cycles of a state-of-charge series; every array has shape ``(C,)``, in the order in which they close.

    Attributes
    ----------
    depth_fraction : FloatArray
        Range of each cycle, highest less lowest state of charge [-].
    mean_fraction : FloatArray
        Middle between the two [-].
    count : FloatArray
        1 for a full cycle, 0.5 for a half one.
    first, last : NDArray[np.int64]
        Positions of the two reversals in the series.

    References
    ----------
    ASTM E1049-85(2017), section 5.4.4; see :func:`rainflow`.
    """

    depth_fraction: FloatArray
    mean_fraction: FloatArray
    count: FloatArray
    first: NDArray[np.int64]
    last: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class DepthLaw:
    """Cycle life as a power of the depth of a cycle, up to the end of life.

    The default is the fit to nickel manganese cobalt cells used in the reference: 1 / 5.24e-4 = 1,908 full cycles,
    exponent 2.03. An exponent of 1 makes fade follow throughput alone.

    Attributes
    ----------
    full_depth_cycles : float
        Cycles of depth 1 until the end of life.
    exponent : float
        Exponent k of ``N(D) = N(1) D^-k``.

    References
    ----------
    Xu, Zhao, Zheng, Litvinov and Kirschen (2018), IEEE Trans. Power Systems 33(2), 2248-2259,
    doi:10.1109/TPWRS.2017.2733339.
    """

    full_depth_cycles: float = 1.0 / 5.24e-4
    exponent: float = 2.03

    def __post_init__(self) -> None:
        checked(self.full_depth_cycles, "cycles at full depth", 1.0, 1e7)
        checked(self.exponent, "exponent of the depth law", 0.1, 10.0)


STANDARD_LAW = DepthLaw()
"""The defaults."""


def reversals(state_fraction: ArrayLike) -> NDArray[np.int64]:
    """Positions of the first and last value of a series and of every local extreme between, increasing.

    Parameters
    ----------
    state_fraction : array_like
        State of charge on the boundaries of the steps [-], shape ``(T + 1,)``; of a plateau the first value counts.

    Raises
    ------
    ScenarioError
        If the series is not one-dimensional or a value is not finite.

    References
    ----------
    ASTM E1049-85(2017), Standard Practices for Cycle Counting in Fatigue Analysis, section 3.1.

    Examples
    --------
    >>> reversals([0.5, 0.6, 0.9, 0.9, 0.2, 0.4]).tolist()
    [0, 2, 4, 5]
    """
    series = checked(state_fraction, "state of charge")
    if series.ndim != 1:
        raise ScenarioError(f"state of charge has shape {series.shape}; give one value for every boundary of the steps")
    difference = np.diff(series)
    changes = np.flatnonzero(difference)
    turns = np.flatnonzero(np.diff(difference[changes] > 0.0))
    first = [0] if series.size else []
    return np.array([*first, *(changes[turns] + 1), *(changes[-1:] + 1)], dtype=np.int64)


def rainflow(state_fraction: ArrayLike) -> Cycles:
    """Full and half cycles of a state-of-charge series.

    Parameters
    ----------
    state_fraction : array_like
        State of charge on the boundaries of the steps [-], shape ``(T + 1,)``.

    Returns
    -------
    Cycles
        In the order in which they close; what never closes follows as half cycles.

    Raises
    ------
    ScenarioError
        If the series is not one-dimensional or a value is not finite.

    Notes
    -----
    With X the range between the last two reversals and Y the one before it: while ``X >= Y``, Y is a half cycle if it
    contains the first reversal left, otherwise a full one; its reversals are taken out. Memory and time are linear
    in the number of reversals.

    References
    ----------
    ASTM E1049-85(2017), Standard Practices for Cycle Counting in Fatigue Analysis, section 5.4.4 (rainflow).

    Examples
    --------
    >>> cycles = rainflow([0.0, 0.8, 0.5, 0.6, 0.0])  # a small cycle inside a large one
    >>> cycles.depth_fraction.round(9).tolist(), cycles.count.tolist()
    ([0.1, 0.8, 0.8], [1.0, 0.5, 0.5])
    """
    at = reversals(state_fraction)
    level = np.asarray(state_fraction, dtype=np.float64)
    values: list[float] = level[at].tolist()
    open_: list[int] = []
    closed: list[tuple[int, int, float]] = []
    for position in range(len(values)):
        open_.append(position)
        while len(open_) >= 3:
            before, middle, now = open_[-3:]
            if abs(values[now] - values[middle]) < abs(values[middle] - values[before]):
                break
            if len(open_) == 3:
                closed.append((before, middle, 0.5))
                del open_[0]
            else:
                closed.append((before, middle, 1.0))
                del open_[-3:-1]
    closed += [(one, other, 0.5) for one, other in pairwise(open_)]
    table = np.array(closed, dtype=np.float64).reshape(-1, 3)
    first, last = at[table[:, 0].astype(np.int64)], at[table[:, 1].astype(np.int64)]
    return Cycles(
        depth_fraction=np.abs(level[last] - level[first]),
        mean_fraction=(level[last] + level[first]) / 2.0,
        count=table[:, 2],
        first=first,
        last=last,
    )


def cycle_life(depth_fraction: ArrayLike, law: DepthLaw = STANDARD_LAW) -> FloatArray:
    """Cycles of a depth until the end of life, same shape; infinite at depth 0.

    Parameters
    ----------
    depth_fraction : array_like
        Depth of the cycles, within [0, 1].
    law : DepthLaw
        Full-depth cycles and exponent k [-].

    Notes
    -----
    ``N(D) = N(1) D^-k``.

    References
    ----------
    See :class:`DepthLaw`.

    Examples
    --------
    >>> cycle_life([1.0, 0.5], DepthLaw(full_depth_cycles=1000.0, exponent=2.0)).tolist()
    [1000.0, 4000.0]
    """
    depth = checked(depth_fraction, "depth of cycle", 0.0, 1.0 + _EDGE)
    with np.errstate(divide="ignore", over="ignore"):
        life: FloatArray = law.full_depth_cycles * depth**-law.exponent
    return life


def depth_damage(cycles: Cycles, law: DepthLaw = STANDARD_LAW) -> float:
    """Share of the cycle life used up by counted cycles [-]; 1 is the end of life.

    Parameters
    ----------
    cycles : Cycles
        From :func:`rainflow`.
    law : DepthLaw
        Cycle life by depth.

    Notes
    -----
    Linear accumulation: ``D = sum of n_i / N(depth_i)``.

    References
    ----------
    Miner (1945), Cumulative damage in fatigue, Journal of Applied Mechanics 12(3), A159-A164,
    doi:10.1115/1.4009458.

    Examples
    --------
    >>> law = DepthLaw(full_depth_cycles=1000.0, exponent=2.0)
    >>> round(depth_damage(rainflow([0.0, 1.0, 0.5, 1.0, 0.0]), law), 9)  # 1 / 1000 + 1 / 4000
    0.00125
    """
    return float(np.sum(cycles.count / cycle_life(cycles.depth_fraction, law)))


def throughput_damage(discharged_mwh: ArrayLike, *, usable_mwh: float, rated_cycles: float) -> FloatArray:
    """Share of the cycle life used up by discharged energy, same shape [-]; 1 is the end of life.

    Parameters
    ----------
    discharged_mwh : array_like
        Energy discharged [MWh].
    usable_mwh : float
        Usable capacity [MWh].
    rated_cycles : float
        Full cycles until the end of life [-].

    Notes
    -----
    ``D = discharged / (usable x rated cycles)``. Where all cycles have the rated depth it equals
    :func:`depth_damage`; for shallow cycles it overstates the wear of cells whose exponent exceeds 1.

    References
    ----------
    Bindner et al. (2005), Lifetime Modelling of Lead Acid Batteries, Risoe-R-1515, section 3.1 (throughput).

    Examples
    --------
    >>> float(throughput_damage(3000.0, usable_mwh=10.0, rated_cycles=6000.0))
    0.05
    """
    energy = checked(discharged_mwh, "discharged energy", 0.0, unit="MWh")
    whole = float(checked(usable_mwh, "usable capacity", 1e-9, unit="MWh"))
    damage: FloatArray = energy / (whole * float(checked(rated_cycles, "rated cycles", 1.0)))
    return damage


@dataclass(frozen=True, kw_only=True, eq=False)
class ReplacementSchedule:
    """Capacity and replacements of a battery over Y years.

    Attributes
    ----------
    capacity_fraction : FloatArray
        Capacity left at the end of every year per initial capacity [-], shape ``(Y,)``.
    replacements : NDArray[np.int64]
        Batteries replaced within every year, shape ``(Y,)``.
    years : FloatArray
        When they are replaced, counted from the start [a], shape ``(R,)``.

    References
    ----------
    See :func:`replacement_schedule`.
    """

    capacity_fraction: FloatArray
    replacements: NDArray[np.int64]
    years: FloatArray


def replacement_schedule(
    fade_per_year: ArrayLike, *, end_of_life_fraction: float = 0.8, years: int | None = None
) -> ReplacementSchedule:
    """When a battery is replaced that loses capacity every year and is replaced at the end of its life.

    Parameters
    ----------
    fade_per_year : array_like
        Initial capacity lost in every year of operation [-], shape ``(Y,)`` or one value with ``years``.
    end_of_life_fraction : float
        Capacity left at which the battery is replaced [-], within (0, 1).
    years : int, optional
        Years Y; needed where one fade stands for all of them [a].

    Raises
    ------
    ScenarioError
        If a fade is negative, the end of life lies outside (0, 1), or the number of years is missing or differs.

    Notes
    -----
    With F(t) the fade summed up to t, linear within a year, and ``L = 1 - end of life``: the battery is replaced
    when F passes L, 2 L, ..., and its capacity is 1 less what was lost since. A life that ends with the last year
    needs no replacement any more.

    References
    ----------
    End of life at 80 % of the rated capacity: USABC Electric Vehicle Battery Test Procedures Manual, revision 2 (1996),
    DOE/ID-10479.

    Examples
    --------
    >>> plan = replacement_schedule(0.03, years=10)  # 20 % are lost after 6.67 years
    >>> plan.years.round(3).tolist(), plan.replacements.tolist()
    ([6.667], [0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
    >>> round(float(plan.capacity_fraction[-1]), 9)  # 1 - (10 - 6.667) x 0.03
    0.9
    """
    life = 1.0 - float(checked(end_of_life_fraction, "end of life", 1e-6, 1.0 - 1e-6))
    fade = checked(fade_per_year, "fade per year", 0.0, unit="1/a")
    if years is not None and fade.size == 1:
        fade = np.broadcast_to(fade.reshape(-1), (years,))
    if fade.ndim != 1 or fade.size != (fade.size if years is None else years):
        asked = "of as many years as you plan for" if years is None else f"of {years} years"
        raise ScenarioError(f"fade per year has shape {fade.shape}; give a series {asked}, or one value and years")
    lost = np.concatenate(([0.0], np.cumsum(fade)))
    passed = np.maximum(np.ceil(lost / life - _EDGE).astype(np.int64) - 1, 0)
    levels = life * np.arange(1, passed[-1] + 1)
    within = np.searchsorted(lost, levels) - 1
    when = within + (levels - lost[within]) / fade[within]
    return ReplacementSchedule(
        capacity_fraction=1.0 - (lost[1:] - life * passed[1:]), replacements=np.diff(passed), years=when
    )


def aged_battery(battery: Battery, capacity_fraction: float) -> Battery:
    """The battery with faded capacity; power limits and efficiencies stay.

    Parameters
    ----------
    battery : Battery
        As new.
    capacity_fraction : float
        Capacity left [-], within (0, 1].

    Notes
    -----
    Every stored energy [MWh] scales with the capacity, so shares of the capacity stay what they were.

    References
    ----------
    See :func:`replacement_schedule`.

    Examples
    --------
    >>> cell = Battery(name="b", energy_mwh=10, charge_limit_mw=5, discharge_limit_mw=5,
    ...                charge_efficiency=0.9, discharge_efficiency=0.8, initial_energy_mwh=5)
    >>> aged_battery(cell, 0.8).energy_mwh
    8.0
    """
    left = float(checked(capacity_fraction, "capacity left", 1e-6, 1.0))
    final = battery.terminal_energy_mwh
    return replace(
        battery,
        energy_mwh=left * battery.energy_mwh,
        min_energy_mwh=left * battery.min_energy_mwh,
        initial_energy_mwh=left * battery.initial_energy_mwh,
        terminal_energy_mwh=None if final is None else left * final,
    )
