"""Mixed workloads on sliced accelerators: which slices to cut, on how few or how cheap accelerators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from joulewright.errors import InfeasibleError, ScenarioError
from joulewright.physics.inference.mig import PlacedSlice, SliceLayout, maximal_mixes, place_slices


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
        If ``devices`` are too few.

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
    _check(layout, workloads, device_cost)
    pairs = [(position, name) for position, work in enumerate(workloads) for name in work.options]
    mixes = maximal_mixes(layout)
    solution = _solve(workloads, pairs, mixes, device_cost=device_cost, devices=devices)
    if solution is None:
        needed = pack_slices(layout, workloads, device_cost=1.0)
        raise InfeasibleError(
            f"{devices} accelerators are too few for {', '.join(work.name for work in workloads)}; "
            f"at least {len(needed.devices)} are needed, or lower the rates"
        )
    cut, taken = solution
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


def _solve(
    workloads: Sequence[SliceWorkload],
    pairs: Sequence[tuple[int, str]],
    mixes: Sequence[Mapping[str, int]],
    *,
    device_cost: float,
    devices: int | None,
) -> tuple[list[int], list[int]] | None:
    """Accelerators by mix and slices by workload and profile; None if there are too few accelerators."""
    from scipy.optimize import LinearConstraint, milp

    options = [workloads[position].options[name] for position, name in pairs]
    cost = np.array([device_cost] * len(mixes) + [option.cost for option in options])
    rows: list[Any] = []
    width, first = cost.size, len(mixes)
    for position, work in enumerate(workloads):
        served = np.zeros(width)
        for column, (owner, _) in enumerate(pairs):
            served[first + column] = options[column].rate_token_s * (owner == position)
        rows.append(LinearConstraint(served, lb=work.rate_token_s))
    for name in sorted({name for _, name in pairs}):
        room = np.array([-mix.get(name, 0) for mix in mixes] + [float(other == name) for _, other in pairs])
        rows.append(LinearConstraint(room, ub=0.0))
    if devices is not None:
        rows.append(LinearConstraint(np.arange(width) < first, ub=devices))
    result = milp(cost, integrality=np.ones(width, dtype=np.int64), constraints=rows, options={"mip_rel_gap": 0.0})
    if result.x is None:
        return None
    values = np.rint(result.x).astype(int).tolist()
    return values[:first], values[first:]


def _fill(layout: SliceLayout, mix: Mapping[str, int], slots: dict[str, list[str]]) -> SlicedDevice:
    """Put waiting slices on an accelerator of this mix; slices that nobody waits for are not cut."""
    chosen = [(name, slots[name].pop()) for name, count in mix.items() for _ in range(min(count, len(slots[name])))]
    placed = place_slices(layout, [name for name, _ in chosen])
    owners = {name: [work for other, work in chosen if other == name] for name in Counter(name for name, _ in chosen)}
    return SlicedDevice(slices=placed, workloads=tuple(owners[item.profile].pop() for item in placed))


def _check(layout: SliceLayout, workloads: Sequence[SliceWorkload], device_cost: float) -> None:
    problems = [] if device_cost >= 0.0 else [f"device_cost is {device_cost}; allowed is at least 0"]
    for work in workloads:
        if not work.rate_token_s >= 0.0:
            problems.append(f"rate_token_s of {work.name!r} is {work.rate_token_s}; allowed is at least 0 token/s")
        if not work.options:
            problems.append(f"{work.name!r} fits no slice of {layout.name!r}; give it whole accelerators")
        for name, option in work.options.items():
            layout.profile(name)
            if not option.rate_token_s > 0.0 or not option.cost >= 0.0:
                problems.append(
                    f"{work.name!r} on {name} has {option.rate_token_s} token/s at cost {option.cost}; "
                    "the rate must be positive and the cost at least 0"
                )
    if problems:
        raise ScenarioError(problems)
