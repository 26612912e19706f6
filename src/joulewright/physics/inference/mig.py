"""Slices of an accelerator (multi-instance GPU): which sets may stand side by side, and what one of them gets."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from types import MappingProxyType

import numpy as np

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.accelerator import Accelerator


@dataclass(frozen=True, kw_only=True)
class SliceProfile:
    """A kind of slice.

    Attributes
    ----------
    name : str
        Name in the vendor's tool, such as ``3g.40gb``.
    compute_slices, memory_slices : int
        Parts of the accelerator that it takes.
    starts : tuple of int
        Memory slices at which it may begin.
    compute_fraction, memory_fraction : float
        Its share of the multiprocessors, and of memory and bandwidth [-].
    most : int
        How many fit side by side.
    """

    name: str
    compute_slices: int
    memory_slices: int
    starts: tuple[int, ...]
    compute_fraction: float
    memory_fraction: float
    most: int


@dataclass(frozen=True, order=True)
class PlacedSlice:
    """A slice that begins at a memory slice of its accelerator."""

    start: int
    profile: str


@dataclass(frozen=True, kw_only=True)
class SliceLayout:
    """Slices that an accelerator type can be cut into.

    Attributes
    ----------
    name : str
        Name of the layout in the catalogue of accelerators.
    compute_slices, memory_slices : int
        Slices of the whole accelerator.
    profiles : mapping of str to SliceProfile
        By name, small ones first.
    """

    name: str
    compute_slices: int
    memory_slices: int
    profiles: Mapping[str, SliceProfile]

    def profile(self, name: str) -> SliceProfile:
        """The profile of that name.

        Raises
        ------
        ScenarioError
            If the accelerator has no such profile.
        """
        if name not in self.profiles:
            raise ScenarioError(f"{name!r} is no slice of the layout {self.name!r}; it has {', '.join(self.profiles)}")
        return self.profiles[name]

    def problems(self, placed: Sequence[PlacedSlice]) -> list[str]:
        """Why slices cannot stand side by side; empty when they can.

        Raises
        ------
        ScenarioError
            If a profile does not exist.
        """
        found, taken = [], [""] * self.memory_slices
        for item in placed:
            profile = self.profile(item.profile)
            if item.start not in profile.starts:
                found.append(f"{item.profile} cannot begin at slice {item.start}; allowed are {list(profile.starts)}")
                continue
            for position in range(item.start, min(item.start + profile.memory_slices, self.memory_slices)):
                if taken[position]:
                    found.append(f"{item.profile} at {item.start} overlaps {taken[position]} in slice {position}")
                    break
                taken[position] = f"{item.profile} at {item.start}"
        compute = sum(self.profile(item.profile).compute_slices for item in placed)
        if compute > self.compute_slices:
            found.append(f"the slices take {compute} compute slices; there are {self.compute_slices}")
        return found


@cache
def slice_layouts() -> Mapping[str, SliceLayout]:
    """Every layout by name.

    Notes
    -----
    All large accelerators use the placement rules of the A100. Multiprocessors of the H200 are taken from the H100,
    those of the B200 are 18 for each compute slice.

    References
    ----------
    NVIDIA Multi-Instance GPU User Guide, tables of GPU instance profiles.

    Examples
    --------
    >>> slice_layouts()["h100"].profiles["1g.20gb"].memory_fraction
    0.25
    """
    text = resources.files("joulewright.data").joinpath("mig_profiles.csv").read_text(encoding="utf-8")
    rows: dict[str, list[Mapping[str, str]]] = {}
    for row in csv.DictReader(text.splitlines()):
        rows.setdefault(row["layout"], []).append(row)
    return MappingProxyType({name: _layout(name, items) for name, items in rows.items()})


def slice_layout(accelerator: Accelerator) -> SliceLayout:
    """Layout of an accelerator.

    Raises
    ------
    ScenarioError
        If it cannot be sliced.
    """
    if accelerator.mig_layout is None:
        raise ScenarioError(f"{accelerator.name} cannot be cut into slices; leave out the slice")
    return slice_layouts()[accelerator.mig_layout]


def slice_accelerator(accelerator: Accelerator, profile: str) -> Accelerator:
    """One slice as an accelerator of its own: memory, bandwidth, speed and its share of every power.

    Raises
    ------
    ScenarioError
        If there is no such slice.

    Notes
    -----
    Bandwidth and memory follow the memory slices, speed the multiprocessors. No device reports the power of a slice:
    the shares are a model, idle power and host by memory slices and the board limit by multiprocessors.

    Examples
    --------
    >>> from joulewright.physics.accelerator import find_accelerator
    >>> half = slice_accelerator(find_accelerator("H100-SXM"), "3g.40gb")
    >>> half.memory_gb, round(half.bf16_tflop_s, 2)
    (40.0, 449.55)
    """
    part = slice_layout(accelerator).profile(profile)
    memory, compute = part.memory_fraction, part.compute_fraction
    return replace(
        accelerator,
        name=f"{accelerator.name}/{profile}",
        aliases=(),
        board_power_w=accelerator.board_power_w * compute,
        idle_power_w=accelerator.idle_power_w * memory,
        loaded_idle_power_w=accelerator.loaded_idle_power_w * memory,
        memory_gb=accelerator.memory_gb * memory,
        memory_bandwidth_tb_s=accelerator.memory_bandwidth_tb_s * memory,
        bf16_tflop_s=accelerator.bf16_tflop_s * compute,
        fp8_tflop_s=_scaled(accelerator.fp8_tflop_s, compute),
        embodied_low_kg=_scaled(accelerator.embodied_low_kg, memory),
        embodied_mid_kg=_scaled(accelerator.embodied_mid_kg, memory),
        embodied_high_kg=_scaled(accelerator.embodied_high_kg, memory),
        host_power_w=accelerator.host_power_w * memory,
        host_idle_power_w=accelerator.host_idle_power_w * memory,
        mig_layout=None,
        flags=(*accelerator.flags, "slice-power-modelled"),
    )


def legal_placements(layout: SliceLayout, profiles: Sequence[str] | None = None) -> tuple[tuple[PlacedSlice, ...], ...]:
    """Every set of slices that may stand side by side, the empty one first.

    Parameters
    ----------
    layout : SliceLayout
        Of the accelerator.
    profiles : sequence of str, optional
        Which profiles to use; all by default.

    Examples
    --------
    >>> len(legal_placements(slice_layouts()["a100"], ("1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")))
    298
    """
    chosen = [layout.profile(name) for name in (layout.profiles if profiles is None else profiles)]
    return tuple(sorted(_grow(layout, chosen, 0, layout.compute_slices), key=lambda items: (len(items), items)))


def maximal_mixes(layout: SliceLayout, profiles: Sequence[str] | None = None) -> tuple[Mapping[str, int], ...]:
    """Numbers of slices by profile to which none can be added, however they are placed.

    Examples
    --------
    >>> len(maximal_mixes(slice_layouts()["a100"], ("1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")))
    12
    """
    mixes = {
        frozenset(Counter(item.profile for item in placed).items()) for placed in legal_placements(layout, profiles)
    }
    counters = [Counter(dict(mix)) for mix in mixes]
    most = [mix for mix in counters if not any(mix < other for other in counters)]
    return tuple(
        MappingProxyType(dict(sorted(mix.items()))) for mix in sorted(most, key=lambda mix: sorted(mix.items()))
    )


def place_slices(layout: SliceLayout, wanted: Sequence[str]) -> tuple[PlacedSlice, ...]:
    """Where to put slices on one accelerator.

    Parameters
    ----------
    layout : SliceLayout
        Of the accelerator.
    wanted : sequence of str
        Profiles, one entry for each slice.

    Returns
    -------
    tuple of PlacedSlice
        By start. Large slices are placed first and small ones from the high end, which keeps most room for others.

    Raises
    ------
    ScenarioError
        If a profile does not exist, or no placement holds them all; the message names one that does not fit.

    Examples
    --------
    >>> halves = place_slices(slice_layouts()["h100"], ["3g.40gb", "3g.40gb"])
    >>> [(item.start, item.profile) for item in halves]
    [(0, '3g.40gb'), (4, '3g.40gb')]
    """
    order = sorted((layout.profile(name) for name in wanted), key=lambda profile: -profile.memory_slices)
    compute = sum(profile.compute_slices for profile in order)
    if compute > layout.compute_slices:
        raise ScenarioError(
            f"{_listed(wanted)} take {compute} compute slices; {layout.name!r} has {layout.compute_slices}; "
            "use another accelerator for some of them"
        )
    found = _fit(layout, order, ())
    if found is None:
        raise ScenarioError(
            f"{_listed(wanted)} do not fit side by side on {layout.name!r}: no choice of starts keeps them apart; "
            "use smaller slices or another accelerator for some of them"
        )
    return tuple(sorted(found))


def split_power(
    device_power_w: float, idle_power_w: float, parts: Sequence[SliceProfile], activity_fraction: Sequence[float]
) -> FloatArray:
    """Share the measured power of an accelerator among its slices, which no device measures apart.

    Parameters
    ----------
    device_power_w, idle_power_w : float
        Reading of the whole accelerator, and its power without work [W].
    parts : sequence of SliceProfile
        Its slices, shape ``(N,)``.
    activity_fraction : sequence of float
        How busy each was, from 0 to 1, shape ``(N,)``.

    Returns
    -------
    FloatArray
        Power of each slice [W], shape ``(N,)``; with the part of memory that no slice has, which keeps its idle
        power, they sum to the reading.

    Raises
    ------
    ScenarioError
        If an activity is outside 0 to 1, the shapes differ, or the reading exceeds idle although no slice was busy.

    Notes
    -----
    ``P_i = P_idle m_i + P_dynamic s_i a_i / sum_j s_j a_j`` with the shares of memory m and multiprocessors s.

    Examples
    --------
    >>> half = slice_layouts()["h100"].profiles["3g.40gb"]
    >>> split_power(400.0, 80.0, [half, half], [1.0, 0.6]).tolist()
    [240.0, 160.0]
    """
    activity = np.asarray(activity_fraction, dtype=float)
    if activity.shape != (len(parts),) or not ((activity >= 0.0) & (activity <= 1.0)).all():
        raise ScenarioError(
            f"activity is {activity.tolist()}; give one fraction of 0 to 1 for each of {len(parts)} slices"
        )
    weight = activity * np.array([part.compute_fraction for part in parts])
    dynamic_w = max(0.0, device_power_w - idle_power_w)
    if dynamic_w > 0.0 and not weight.any():
        raise ScenarioError(
            f"the device draws {dynamic_w:g} W above idle, but no slice is active; check the activities"
        )
    share = weight / weight.sum() if weight.any() else weight
    kept = np.array([part.memory_fraction for part in parts])
    return np.asarray(min(idle_power_w, device_power_w) * kept + dynamic_w * share)


def _scaled(value: float | None, fraction: float) -> float | None:
    return None if value is None else value * fraction


def _layout(name: str, rows: Sequence[Mapping[str, str]]) -> SliceLayout:
    memory = max(int(row["memory_slices"]) for row in rows)
    profiles = {
        row["profile"]: SliceProfile(
            name=row["profile"],
            compute_slices=int(row["compute_slices"]),
            memory_slices=int(row["memory_slices"]),
            starts=tuple(map(int, row["starts"].split(";"))),
            compute_fraction=int(row["multiprocessors"]) / int(row["device_multiprocessors"]),
            memory_fraction=int(row["memory_slices"]) / memory,
            most=int(row["most"]),
        )
        for row in rows
    }
    return SliceLayout(
        name=name,
        compute_slices=max(profile.compute_slices for profile in profiles.values()),
        memory_slices=memory,
        profiles=MappingProxyType(profiles),
    )


def _grow(
    layout: SliceLayout, profiles: Sequence[SliceProfile], first: int, compute: int
) -> Iterator[tuple[PlacedSlice, ...]]:
    """Sets of slices that begin at ``first`` or later and take at most ``compute`` compute slices."""
    yield ()
    for start in range(first, layout.memory_slices):
        for profile in profiles:
            if start in profile.starts and profile.compute_slices <= compute:
                behind = start + profile.memory_slices
                for rest in _grow(layout, profiles, behind, compute - profile.compute_slices):
                    yield (PlacedSlice(start, profile.name), *rest)


def _fit(
    layout: SliceLayout, order: Sequence[SliceProfile], placed: tuple[PlacedSlice, ...]
) -> tuple[PlacedSlice, ...] | None:
    if len(placed) == len(order):
        return placed
    profile = order[len(placed)]
    starts = profile.starts if profile.memory_slices > 2 else profile.starts[::-1]
    for start in starts:
        wider = (*placed, PlacedSlice(start, profile.name))
        if not layout.problems(wider):
            found = _fit(layout, order, wider)
            if found is not None:
                return found
    return None


def _listed(names: Sequence[str]) -> str:
    return " + ".join(f"{count} x {name}" for name, count in Counter(names).items())
