"""A budget of power divided from the top: site, row, rack, accelerator, each with a limit of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from joulewright.errors import InfeasibleError, ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.power_cap import CapCurve

_HALVINGS = 200
_CapsAt = Callable[[FloatArray, slice], FloatArray]
"""Caps of a part of the accelerators at their prices of power."""


@dataclass(frozen=True, kw_only=True)
class PowerUse:
    """An accelerator at work.

    Attributes
    ----------
    curve : CapCurve
        Speed of its workload under a cap.
    least_w : float
        Smallest cap that may be set [W].
    weight : float
        Worth of its work relative to others.

    Raises
    ------
    ScenarioError
        If the smallest cap is too close to the floor of the curve or above its draw, or the weight not positive.
    """

    curve: CapCurve
    least_w: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.curve.least_cap_w < self.least_w <= self.curve.draw_w:
            raise ScenarioError(
                f"least_w is {self.least_w} W; allowed is above {self.curve.least_cap_w:g} W up to the draw of "
                f"{self.curve.draw_w:g} W"
            )
        if not 0.0 < self.weight < math.inf:
            raise ScenarioError(f"weight is {self.weight}; it must be positive")


@dataclass(frozen=True, kw_only=True)
class PowerNode:
    """A part of the distribution: a site, row or rack with what hangs on it.

    Attributes
    ----------
    name : str
        For messages.
    limit_w : float
        Most power that may flow through it [W].
    parts : tuple of PowerNode or PowerUse
        What it feeds.
    """

    name: str
    limit_w: float
    parts: tuple[PowerNode | PowerUse, ...]


@dataclass(frozen=True)
class PowerTree:
    """A distribution with its accelerators numbered from left to right.

    Raises
    ------
    ScenarioError
        If a limit is not positive, or there is no accelerator.
    """

    root: PowerNode

    def __post_init__(self) -> None:
        problems = [
            f"limit_w of {node.name!r} is {node.limit_w} W; it must be positive"
            for node, _ in self.nodes
            if not node.limit_w > 0.0
        ]
        if not self.uses:
            problems.append(f"{self.root.name!r} feeds no accelerator; give it at least one")
        if problems:
            raise ScenarioError(problems)

    @cached_property
    def uses(self) -> tuple[PowerUse, ...]:
        """All accelerators, shape ``(N,)``."""
        return tuple(_uses(self.root))

    @cached_property
    def nodes(self) -> tuple[tuple[PowerNode, slice], ...]:
        """Every node with its range of accelerators, parts before what they hang on."""
        return tuple(_nodes(self.root, 0))

    def throughput(self, cap_w: FloatArray) -> float:
        """Sum of weighted speeds under caps, shape ``(N,)``."""
        return math.fsum(
            use.weight * float(use.curve.speed_fraction(cap))
            for use, cap in zip(self.uses, cap_w.tolist(), strict=True)
        )

    def least_w(self) -> FloatArray:
        """Smallest caps [W], shape ``(N,)``.

        Raises
        ------
        InfeasibleError
            If even they break a limit; the message names the node.
        """
        least = np.array([use.least_w for use in self.uses])
        for overload in self.overloads(least):
            raise InfeasibleError(
                f"the smallest caps do not fit: {overload}; raise the limit or switch accelerators off"
            )
        return least

    def overloads(self, cap_w: FloatArray) -> tuple[str, ...]:
        """Nodes whose limit the caps break, with the power found."""
        return tuple(
            f"{node.name} carries {float(cap_w[part].sum()):.6g} W; its limit is {node.limit_w:.6g} W"
            for node, part in self.nodes
            if float(cap_w[part].sum()) > node.limit_w * (1.0 + 1e-9)
        )


def divide_budget(tree: PowerTree, *, aim: Literal["throughput", "fair"] = "throughput") -> FloatArray:
    """Caps within every limit of the tree that give the most work, or serve all alike.

    Parameters
    ----------
    tree : PowerTree
        Limits and accelerators.
    aim : {"throughput", "fair"}
        ``throughput`` makes the weighted sum of speeds largest; ``fair`` gives every accelerator the same share of
        what it can use (its draw less its smallest cap), as far as limits allow: the largest smallest share.

    Returns
    -------
    FloatArray
        Cap of each accelerator [W], shape ``(N,)``.

    Raises
    ------
    InfeasibleError
        If even the smallest caps break a limit; the message names the node.

    Notes
    -----
    Speed is concave in the cap, so the optimum has one price of power at the root and a higher one below every node
    whose limit binds: caps follow from the highest price on the way to the root. Prices are found from the leaves up
    by bisection, as in water filling with nested limits.

    References
    ----------
    Hochbaum (1994), "Lower and Upper Bounds for the Allocation Problem and Other Nonlinear Optimization Problems",
    Mathematics of Operations Research 19(2), doi:10.1287/moor.19.2.390 (separable concave, nested limits).

    Examples
    --------
    >>> use = PowerUse(curve=CapCurve(floor_w=0.0, draw_w=400.0, knee_w=400.0, exponent=0.5), least_w=50.0)
    >>> racks = [PowerNode(name=name, limit_w=limit, parts=(use, use)) for name, limit in (("a", 300.0), ("b", 800.0))]
    >>> divide_budget(PowerTree(PowerNode(name="site", limit_w=900.0, parts=tuple(racks)))).round(3).tolist()
    [150.0, 150.0, 300.0, 300.0]
    """
    uses = tree.uses
    if aim not in ("throughput", "fair"):
        raise ScenarioError(f"aim is {aim!r}; use 'throughput' or 'fair'")
    least = tree.least_w()
    caps_at = _throughput_caps(uses) if aim == "throughput" else _fair_caps(uses, least)
    price = np.zeros(len(uses))
    for node, part in tree.nodes:
        if float(caps_at(price[part], part).sum()) > node.limit_w:
            price[part] = _raised(caps_at, price[part], part, node.limit_w)
    caps = caps_at(price, slice(None))
    if aim == "throughput":
        _fill_up(tree, caps)
    return caps


def _raised(caps_at: _CapsAt, price: FloatArray, part: slice, limit_w: float) -> FloatArray:
    """Prices of a part, lifted to the lowest common level at which its limit holds."""
    low, high = 0.0, 1.0

    def needed(level: float) -> float:
        return float(caps_at(np.maximum(price, level), part).sum())

    while needed(high) > limit_w:
        low, high = high, 2.0 * high
        if not math.isfinite(high):
            break
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if needed(middle) > limit_w else (low, middle)
    return np.maximum(price, high)


def _fill_up(tree: PowerTree, caps: FloatArray) -> None:
    """Give what is left to straight curves: at their price they jump from nothing to all, so no price fills a limit."""
    straight = [position for position, use in enumerate(tree.uses) if use.curve.exponent == 1.0]
    slope = {at: tree.uses[at].weight / (tree.uses[at].curve.knee_w - tree.uses[at].curve.floor_w) for at in straight}
    for position in sorted(straight, key=lambda at: -slope[at]):
        room = min(
            node.limit_w - float(caps[part].sum()) for node, part in tree.nodes if part.start <= position < part.stop
        )
        caps[position] += max(0.0, min(room, tree.uses[position].curve.knee_w - float(caps[position])))


def _throughput_caps(uses: Sequence[PowerUse]) -> _CapsAt:
    """Caps at which one more watt gains as much work as it costs."""
    floor, knee, exponent, least, weight = (
        np.array(values)
        for values in zip(
            *((use.curve.floor_w, use.curve.knee_w, use.curve.exponent, use.least_w, use.weight) for use in uses),
            strict=True,
        )
    )
    span = knee - floor

    slope = weight * exponent / span
    with np.errstate(divide="ignore"):
        power = np.where(exponent < 1.0, 1.0 / np.minimum(exponent - 1.0, -1e-12), 0.0)

    def caps(price: FloatArray, part: slice) -> FloatArray:
        # weight a ((x - floor) / span)^(a - 1) / span = price; with a = 1 the slope is constant.
        ratio = price / slope[part]
        with np.errstate(over="ignore"):
            curved = np.maximum(ratio, 1e-300) ** power[part]
        level = np.where(exponent[part] < 1.0, curved, np.where(ratio <= 1.0, 1.0, 0.0))
        return np.asarray(np.maximum(least[part], floor[part] + span[part] * np.minimum(level, 1.0)))

    return caps


def _fair_caps(uses: Sequence[PowerUse], least: FloatArray) -> _CapsAt:
    """Caps at one share of what each can use; the price is the share given up, over the share given."""
    room = np.maximum(least, np.array([use.curve.knee_w for use in uses])) - least

    def caps(price: FloatArray, part: slice) -> FloatArray:
        return np.asarray(least[part] + room[part] / (1.0 + price))

    return caps


def _uses(node: PowerNode) -> Iterator[PowerUse]:
    for part in node.parts:
        if isinstance(part, PowerUse):
            yield part
        else:
            yield from _uses(part)


def _nodes(node: PowerNode, first: int) -> Iterator[tuple[PowerNode, slice]]:
    position = first
    for part in node.parts:
        if isinstance(part, PowerNode):
            found = list(_nodes(part, position))
            yield from found
            position = found[-1][1].stop
        else:
            position += 1
    yield node, slice(first, position)
