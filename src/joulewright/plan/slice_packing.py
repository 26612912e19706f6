"""Mixed workloads on sliced accelerators: which slices to cut, on how few or how cheap accelerators."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from joulewright.errors import InfeasibleError, ScenarioError, SolverError
from joulewright.model.timeline import FloatArray
from joulewright.physics.inference.mig import PlacedSlice, SliceLayout, maximal_mixes, place_slices

_MOST_SLICES = 1e6
"""Above so many slices of a kind, whole numbers are beyond the tolerances of the solver."""


@dataclass(frozen=True, kw_only=True)
class SliceOption:
    """What one slice does for a workload: rate it serves [token/s] and its cost in any unit (power, carbon, money)."""

    rate_token_s: float
    cost: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SliceWorkload:
    """A rate to be served [token/s] and the slices that can serve a part of it, by profile."""

    name: str
    rate_token_s: float
    options: Mapping[str, SliceOption]


@dataclass(frozen=True, kw_only=True)
class SlicedDevice:
    """An accelerator: its slices by start and the workload on each."""

    slices: tuple[PlacedSlice, ...]
    workloads: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Packing:
    """Accelerators as they are cut, and the cost of them and of their slices."""

    devices: tuple[SlicedDevice, ...]
    cost: float


def pack_slices(
    layout: SliceLayout, workloads: Sequence[SliceWorkload], *, device_cost: float = 1.0, devices: int | None = None
) -> Packing:
    """Cut accelerators so that every workload is served at the least cost.

    Parameters
    ----------
    layout : SliceLayout
        Of the accelerators.
    workloads : sequence of SliceWorkload
        What to serve.
    device_cost : float
        Cost of using an accelerator at all, in the unit of the options; with 1 and free slices the number of
        accelerators is least.
    devices : int, optional
        How many there are; unlimited by default.

    Returns
    -------
    Packing
        An optimum (HiGHS, gap 0).

    Raises
    ------
    ScenarioError
        If a number is out of range, a profile does not exist or a workload has no option.
    InfeasibleError
        If ``devices`` are too few; the message has the least number that would do.
    SolverError
        If the solver stops without an optimum.

    Notes
    -----
    ``min c sum_m x_m + sum_{w,p} c_wp n_wp`` with ``sum_p q_wp n_wp >= r_w`` and
    ``sum_w n_wp <= sum_m a_mp x_m`` over the mixes m of slices to which none can be added. Every smaller mix is
    contained in one of them, so nothing legal is left out, and every mix counted has a legal placement.

    Examples
    --------
    >>> from joulewright.physics.inference.mig import slice_layouts
    >>> work = SliceWorkload(name="chat", rate_token_s=500.0, options={"3g.40gb": SliceOption(rate_token_s=200.0)})
    >>> len(pack_slices(slice_layouts()["h100"], [work]).devices)
    2
    """
    _check(layout, workloads, device_cost=device_cost, devices=devices)
    model = _Model(layout, workloads)
    if devices is not None and (fewest := model.fewest()) > devices:
        raise InfeasibleError(
            f"{devices} accelerators are too few for {', '.join(work.name for work in workloads)}; "
            f"at least {fewest} are needed, or lower the rates"
        )
    cut, taken = model.cheapest(device_cost, devices)
    pairs, mixes = model.pairs, model.mixes
    slots: dict[str, list[str]] = {name: [] for name in layout.profiles}
    for (position, name), count in zip(pairs, taken, strict=True):
        slots[name] += [workloads[position].name] * count
    found = [
        device
        for mix, count in zip(mixes, cut, strict=True)
        for device in (_fill(layout, mix, slots) for _ in range(count))
        if device.slices
    ]
    cost = device_cost * len(found) + sum(
        count * workloads[position].options[name].cost for (position, name), count in zip(pairs, taken, strict=True)
    )
    return Packing(devices=tuple(found), cost=cost)


def fewest_devices(layout: SliceLayout, workloads: Sequence[SliceWorkload]) -> int:
    """Least number of accelerators that serve every workload, whatever slices cost.

    Raises
    ------
    ScenarioError, SolverError
        As :func:`pack_slices`.

    Examples
    --------
    >>> from joulewright.physics.inference.mig import slice_layouts
    >>> work = SliceWorkload(name="chat", rate_token_s=500.0, options={"3g.40gb": SliceOption(rate_token_s=200.0)})
    >>> fewest_devices(slice_layouts()["h100"], [work])
    2
    """
    _check(layout, workloads, device_cost=1.0, devices=None)
    return _Model(layout, workloads).fewest()


class _Model:
    """The integer program: accelerators by mix, then slices by workload and profile, and rows that bound them."""

    def __init__(self, layout: SliceLayout, workloads: Sequence[SliceWorkload]) -> None:
        self.mixes = maximal_mixes(layout)
        self.pairs = [(position, name) for position, work in enumerate(workloads) for name in work.options]
        self.options = [workloads[position].options[name] for position, name in self.pairs]
        self.is_device = np.arange(len(self.mixes) + len(self.pairs)) < len(self.mixes)
        self.rows: list[tuple[Any, float, float]] = []
        for position, work in enumerate(workloads):
            # Shares of the rate, so that tolerances of the solver are relative.
            if work.rate_token_s > 0.0:
                shares = [
                    option.rate_token_s / work.rate_token_s if owner == position else 0.0
                    for (owner, _), option in zip(self.pairs, self.options, strict=True)
                ]
                self.rows.append((self._row([0.0] * len(self.mixes), shares), 1.0, np.inf))
        for name in sorted({name for _, name in self.pairs}):
            there = [-float(mix.get(name, 0)) for mix in self.mixes]
            self.rows.append((self._row(there, [float(other == name) for _, other in self.pairs]), -np.inf, 0.0))

    def fewest(self) -> int:
        """Least number of accelerators."""
        return sum(self._least(self.is_device.astype(np.float64), self.rows)[: len(self.mixes)])

    def cheapest(self, device_cost: float, devices: int | None) -> tuple[list[int], list[int]]:
        """Accelerators by mix and slices by pair of least cost, with at most so many accelerators."""
        costs = self._row([device_cost] * len(self.mixes), [option.cost for option in self.options])
        limit = [] if devices is None else [(self.is_device.astype(np.float64), -np.inf, float(devices))]
        values = self._least(costs, [*self.rows, *limit])
        return values[: len(self.mixes)], values[len(self.mixes) :]

    @staticmethod
    def _row(devices: Sequence[float], slices: Sequence[float]) -> FloatArray:
        return np.array([*devices, *slices], dtype=np.float64)

    @staticmethod
    def _least(costs: FloatArray, rows: Sequence[tuple[Any, float, float]]) -> list[int]:
        from scipy.optimize import LinearConstraint, milp

        limits = [LinearConstraint(row, lb=low, ub=high) for row, low, high in rows]
        whole = np.ones(costs.size, dtype=np.int64)
        result = milp(costs, integrality=whole, constraints=limits, options={"mip_rel_gap": 0.0})
        if result.x is None or result.status != 0:
            raise SolverError(f"slices cannot be chosen: {result.message}")
        return [int(value) for value in np.rint(result.x)]


def _fill(layout: SliceLayout, mix: Mapping[str, int], slots: dict[str, list[str]]) -> SlicedDevice:
    """Put waiting slices on an accelerator of this mix; slices that nobody waits for are not cut."""
    chosen = [(name, slots[name].pop()) for name, count in mix.items() for _ in range(min(count, len(slots[name])))]
    placed = place_slices(layout, [name for name, _ in chosen])
    owners = {name: [work for other, work in chosen if other == name] for name in Counter(name for name, _ in chosen)}
    return SlicedDevice(slices=placed, workloads=tuple(owners[item.profile].pop() for item in placed))


def _check(layout: SliceLayout, workloads: Sequence[SliceWorkload], *, device_cost: float, devices: int | None) -> None:
    problems = []
    if not 0.0 <= device_cost < math.inf:
        problems.append(f"device_cost is {device_cost}; allowed is a finite number of at least 0")
    if devices is not None and devices < 0:
        problems.append(f"devices is {devices}; allowed is at least 0")
    for work in workloads:
        if not 0.0 <= work.rate_token_s < math.inf:
            problems.append(
                f"rate_token_s of {work.name!r} is {work.rate_token_s}; allowed is at least 0 token/s, finite"
            )
        if not work.options:
            problems.append(f"{work.name!r} fits no slice of {layout.name!r}; give it whole accelerators")
        for name, option in work.options.items():
            layout.profile(name)
            if not (0.0 < option.rate_token_s < math.inf and 0.0 <= option.cost < math.inf):
                problems.append(
                    f"{work.name!r} on {name} has {option.rate_token_s} token/s at cost {option.cost}; "
                    "the rate must be positive and the cost at least 0, both finite"
                )
            elif work.rate_token_s > _MOST_SLICES * option.rate_token_s:
                problems.append(
                    f"{work.name!r} needs more than {_MOST_SLICES:g} slices {name}: {work.rate_token_s:g} token/s of "
                    f"{option.rate_token_s:g} token/s each; lower the rate or leave this profile out"
                )
    if problems:
        raise ScenarioError(problems)
