"""A budget of power divided without a centre: accelerators hand tokens to their neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.policy.power.allocation import PowerTree

_SETTLED = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Exchange:
    """How an exchange went.

    Attributes
    ----------
    cap_w : FloatArray
        Caps at the end [W], shape ``(N,)``.
    settling_rounds : int or None
        First round from which on all caps stay within 1 % of the mean draw of the caps at the end; None if the last
        round still changed more.
    history_w : FloatArray
        Caps after every round [W], shape ``(R + 1, N)``.
    """

    cap_w: FloatArray
    settling_rounds: int | None
    history_w: FloatArray


def exchange_tokens(
    tree: PowerTree, *, rounds: int = 2000, links: int = 4, most_w: float = float("inf"), seed: int = 0
) -> Exchange:
    """Divide a budget by pairwise exchange, from an even start.

    In each round disjoint pairs of neighbours, at one of the distances and from a place both drawn at random, even out
    the share of what they can use. A swap that would carry power into a full node is taken back. No accelerator knows
    more than its neighbour's cap and wish, and the sum of the caps of a pair never changes, so that the budget holds in
    every round, and what the start leaves unused stays so.

    Parameters
    ----------
    tree : PowerTree
        Limits and accelerators.
    rounds : int
        Rounds; in each an accelerator meets one neighbour at most: who finds none free waits.
    links : int
        Neighbours of each accelerator: the next ones on a ring in both directions, and with 4 also those the square
        root of the number of accelerators away, as on a torus.
    most_w : float
        Most power that a pair moves in a round [W].
    seed : int
        Of the pairs.

    Returns
    -------
    Exchange
        Caps, rounds until they settle, and the caps after every round. Where no limit below the root binds, they
        approach those of :func:`joulewright.policy.power.divide_budget` with the aim ``fair``.

    Raises
    ------
    InfeasibleError
        If even the smallest caps break a limit.
    ScenarioError
        If a number is out of range.

    References
    ----------
    Cochet et al. (2024), "BlitzCoin: Fully Decentralized Hardware Power Management for Accelerator-Rich SoCs", ISCA:
    tokens of power evened out between neighbours. This is a model of that in rounds, without its hardware.

    Examples
    --------
    >>> from joulewright.physics.power_cap import CapCurve
    >>> from joulewright.policy.power import PowerNode, PowerUse
    >>> uses = [PowerUse(curve=CapCurve(floor_w=0.0, draw_w=draw, knee_w=draw, exponent=0.5), least_w=100.0)
    ...         for draw in (200.0, 500.0)]
    >>> exchange_tokens(PowerTree(PowerNode(name="rack", limit_w=450.0, parts=tuple(uses)))).cap_w.round(3).tolist()
    [150.0, 300.0]
    """
    if rounds < 1 or links not in (2, 4) or not most_w > 0.0:
        raise ScenarioError(
            f"rounds is {rounds}, links {links} and most_w {most_w} W; allowed are at least 1, 2 or 4, and above 0 W"
        )
    least = tree.least_w()
    wish = np.maximum(least, np.array([use.curve.knee_w for use in tree.uses])) - least
    start = _even_start(tree, least, wish)
    caps, history = start.copy(), [start]
    generator = np.random.default_rng(seed)
    for _ in range(rounds):
        first, second = _pairs(caps.size, links, generator)
        _swap(caps, (first, second), (least, wish), most_w)
        _undo_overloads(tree, caps, history[-1], (first, second))
        history.append(caps.copy())
    return Exchange(cap_w=caps, settling_rounds=_settled(np.array(history), wish + least), history_w=np.array(history))


def _even_start(tree: PowerTree, least: FloatArray, wish: FloatArray) -> FloatArray:
    """Every node gives its parts even rooms beyond the smallest caps, whatever they wish."""
    extra = wish.copy()
    for node, part in tree.nodes:
        room = node.limit_w - float(least[part].sum())
        if float(extra[part].sum()) > room:
            extra[part] = np.minimum(extra[part], _water_level(extra[part], room))
    return least + extra


def _water_level(depth: FloatArray, volume: float) -> float:
    """Level at which vessels of these depths hold a volume smaller than all of them together."""
    order = np.sort(depth)
    below = np.concatenate([[0.0], np.cumsum(order)[:-1]])
    levels = (volume - below) / np.arange(depth.size, 0, -1)
    return float(levels[np.flatnonzero(levels <= order)[0]])


def _pairs(count: int, links: int, generator: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Disjoint pairs of neighbours at one distance on the ring."""
    distances = [1] if links == 2 or count < 4 else [1, max(1, round(count**0.5))]
    distance = int(generator.choice(distances))
    order = (np.arange(count) + int(generator.integers(count))) % count
    free = np.ones(count, bool)
    pairs = []
    for one in order.tolist():
        other = (one + distance) % count
        if one != other and free[one] and free[other]:
            free[[one, other]] = False
            pairs.append((one, other))
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _swap(
    caps: FloatArray,
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    range_w: tuple[FloatArray, FloatArray],
    most_w: float,
) -> None:
    """Even out the shares of pairs, keeping their sums."""
    (first, second), (least, wish) = pairs, range_w
    extra = caps - least
    wishes = wish[first] + wish[second]
    share = np.divide(extra[first] + extra[second], wishes, out=np.zeros(first.size), where=wishes > 0.0)
    moved = np.clip(share * wish[first] - extra[first], -most_w, most_w)
    caps[first] += moved
    caps[second] -= moved


def _undo_overloads(
    tree: PowerTree, caps: FloatArray, before: FloatArray, pairs: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> None:
    """Take back exchanges until no node is beyond its limit: first those that brought power into the node."""
    first, second = pairs
    undone = np.ones(1, bool)
    while undone.any():
        undone = np.zeros(first.size, bool)
        for node, part in tree.nodes:
            if float(caps[part].sum()) <= node.limit_w * (1.0 + 1e-12):
                continue
            inside = [(item >= part.start) & (item < part.stop) for item in (first, second)]
            gained = np.where(inside[0], caps[first] - before[first], caps[second] - before[second]) > 0.0
            now = (inside[0] != inside[1]) & gained
            for item in (first[now], second[now]):
                caps[item] = before[item]
            undone |= now


def _settled(history: FloatArray, draw: FloatArray) -> int | None:
    """First round after which nothing moves by more than a share of the mean draw from where it ends."""
    away = np.abs(history - history[-1]).max(axis=1) > _SETTLED * draw.mean()
    last = int(np.flatnonzero(away)[-1]) + 1 if away.any() else 0
    return None if last >= len(history) - 1 and len(history) > 1 and away.any() else last
