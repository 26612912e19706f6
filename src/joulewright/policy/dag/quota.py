"""Schedulers that cap the cluster: SAP by the signal, GreenHadoop by the renewable share, both over any scheduler."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np

from joulewright.errors import PolicyError
from joulewright.policy.dag.base import NO_STAGE, AbstractDagView, Grant
from joulewright.policy.dag.rules import CompiledRule, Conditions
from joulewright.policy.dag.spade import check_bounds
from joulewright.policy.dag.wrapper import AbstractWrapper

_SOLVE_STEPS = 200


@lru_cache(maxsize=65536)
def search_alpha(low: float, high: float, count: int) -> float:
    """Ratio alpha of k-search for prices in [L, U]: the exact one for k, not its limit.

    Parameters
    ----------
    low, high : float
        L and U, both positive [unit of the signal].
    count : int
        k, at least 1.

    Returns
    -------
    float
        Root above 1 of ``(1 - L/U) / (1 - 1/alpha) = (1 + 1/(k alpha))^k``; 1 where L = U.

    Raises
    ------
    PolicyError
        If the bounds are not positive, crossed or k is below 1.

    Notes
    -----
    With ``y = 1 - 1/alpha`` the root is where ``y (1 + (1 - y)/k)^k`` rises to ``1 - L/U``; it rises over all of
    [0, 1], so bisection finds it.

    References
    ----------
    Lorenz, Panagiotou and Steger (2009), Optimal algorithms for k-search with application in option pricing,
    Algorithmica 55, doi 10.1007/s00453-008-9217-8 (Theorem 2).

    Examples
    --------
    >>> round(search_alpha(200.0, 600.0, 80), 12)
    1.534656577809
    """
    check_bounds(low, high)
    if low <= 0.0 or count < 1:
        raise PolicyError(f"k-search takes a positive L and k of at least 1; found L = {low!r} and k = {count!r}")
    if low == high:
        return 1.0
    target, least, most = 1.0 - low / high, 0.0, 1.0
    for _ in range(_SOLVE_STEPS):
        middle = 0.5 * (least + most)
        if middle in (least, most):
            break
        if middle * (1.0 + (1.0 - middle) / count) ** count < target:
            least = middle
        else:
            most = middle
    return 1.0 / (1.0 - 0.5 * (least + most))


@lru_cache(maxsize=65536)
def search_thresholds(low: float, high: float, count: int) -> tuple[float, ...]:
    """Signals at which each executor beyond the minimum is taken off, ``Phi_1 .. Phi_k`` falling, shape ``(k,)``.

    ``Phi_i = U (1 - (1 - 1/alpha) (1 + 1/(alpha k))^(i-1))``: ``Phi_1 = U/alpha`` and ``Phi_(k+1) = L``.

    Examples
    --------
    >>> round(search_thresholds(200.0, 600.0, 80)[0], 9)
    390.966949007
    """
    alpha = search_alpha(low, high, count)
    rest, growth = 1.0 - 1.0 / alpha, 1.0 + 1.0 / (alpha * count)
    return tuple(high * (1.0 - rest * growth**index) for index in range(count))


def sap_quota(signal: float, low: float, high: float, *, executors: int, minimum: int) -> int:
    """Most executors that may be active: the minimum and one for every threshold at or above the signal.

    Where L is not positive: all executors while the signal is at most 0, and the minimum above it.

    Raises
    ------
    PolicyError
        If the minimum is no number of 1 to ``executors``, or the bounds are not usable.

    Notes
    -----
    k-search is for positive prices. As L falls to 0, alpha grows beyond all bounds and every threshold falls to 0: what
    holds for L of 0 and below is that limit, and energy that costs nothing is no reason to wait.

    Examples
    --------
    >>> [sap_quota(signal, 200.0, 600.0, executors=100, minimum=20) for signal in (200.0, 300.0, 325.0, 400.0)]
    [100, 65, 54, 20]
    >>> [sap_quota(signal, -5.0, 60.0, executors=100, minimum=20) for signal in (-5.0, 0.0, 0.1)]
    [100, 100, 20]
    """
    if not 1 <= minimum <= executors:
        raise PolicyError(
            f"the minimum of the quota is {minimum!r}; allowed is 1 to the {executors} executors there are"
        )
    check_bounds(low, high)
    if minimum == executors or low == high or signal <= max(low, 0.0):
        return executors
    if low <= 0.0:
        return minimum
    return minimum + sum(phi >= signal for phi in search_thresholds(low, high, executors - minimum))


@dataclass(frozen=True, kw_only=True)
class AbstractQuota(AbstractWrapper):
    """Starts nothing while as many executors are active as a quota allows.

    Running tasks are never stopped, and an executor goes on with the tasks of its stage; so more may be active than the
    quota after it fell. One starts in any case where nothing is active.
    """

    @abstractmethod
    def quota(self, view: AbstractDagView) -> int:
        """Most executors that may be active now."""

    def answer(self, view: AbstractDagView) -> Grant:
        """Who gets executors of the present offer within the quota."""
        room = self.quota(view) - view.active
        if room <= 0:
            if view.working:
                return Grant(NO_STAGE, deferred=True)
            room = 1
        grant = self.base.answer(view)
        return grant if grant.stage == NO_STAGE else grant._replace(executors=min(grant.executors, room))

    def free_rule(self, conditions: Conditions) -> CompiledRule | None:
        """The compiled rule of the base; None where it has none, or a quota of its own."""
        rule = self.base.compiled(conditions)
        return None if rule is None or rule.quota.size or rule.green_fraction >= 0.0 else rule


@dataclass(frozen=True, kw_only=True)
class Sap(AbstractQuota):
    """As its base within a quota that falls as the signal rises.

    Attributes
    ----------
    minimum : int
        Executors allowed whatever the signal, B.
    window_h, forecast
        What L and U come from, see :class:`~joulewright.policy.dag.outlook.Foresight`.
    base : AbstractDagScheduler
        Decides who gets what the quota leaves.

    Notes
    -----
    The thresholds are those of k-search with the exact alpha (:func:`search_thresholds`); used as the shape of a quota
    they carry no guarantee of cost. Where L is not positive, as with prices, see :func:`sap_quota`. Information used:
    that of the base, and L and U of the forecast.

    References
    ----------
    Lechowicz et al. (2025), arXiv 2502.09717: there CAP.
    """

    sources: ClassVar[tuple[str, ...]] = ("lechowicz2025", "lorenz2009")
    minimum: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.minimum < 1:
            raise PolicyError(f"the minimum of the quota is {self.minimum!r}; allowed is 1 or more")

    def quota(self, view: AbstractDagView) -> int:
        """See :func:`sap_quota`."""
        return sap_quota(view.signal, view.low, view.high, executors=view.executors, minimum=self.minimum)

    def compiled(self, conditions: Conditions) -> CompiledRule | None:
        """The same decisions for the compiled simulator."""
        rule = self.free_rule(conditions)
        if rule is None:
            return None
        steps = zip(conditions.signal.tolist(), conditions.low.tolist(), conditions.high.tolist())
        quota = [sap_quota(*step, executors=conditions.executors, minimum=self.minimum) for step in steps]
        return replace(rule, quota=np.array(quota, dtype=np.int64))


@dataclass(frozen=True, kw_only=True)
class GreenHadoop(AbstractQuota):
    """Runs on the renewable share, and on as much other energy as the queued work needs within a window.

    Attributes
    ----------
    brown_fraction : float
        Where the window lies between the time the work takes on renewable energy alone (0) and on all (1).
    window_h, forecast
        Forecast of the renewable share, see :class:`~joulewright.policy.dag.outlook.Foresight`.
    base : AbstractDagScheduler
        Decides who gets what the quota leaves.

    Notes
    -----
    See :func:`green_quota`. Shares are fractions: read as percentages, as the published port does, the window is a
    hundred times too short. The quota is found anew when a job arrives or ends.

    References
    ----------
    Goiri et al. (2012), GreenHadoop: leveraging green energy in data-processing frameworks, EuroSys,
    doi 10.1145/2168836.2168843.
    """

    sources: ClassVar[tuple[str, ...]] = ("goiri2012",)
    brown_fraction: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.brown_fraction <= 1.0:
            raise PolicyError(f"brown_fraction is {self.brown_fraction!r}; allowed is 0 to 1")

    def quota(self, view: AbstractDagView) -> int:
        """See :func:`green_quota`; the same until a job arrives or ends."""
        step, within = divmod(view.queued_ms_at, view.step_ms)
        return _kept_quota(
            view.queued_ms // view.step_ms,
            tuple(view.expected_share(step)),
            executors=view.executors,
            rest=1.0 - within / view.step_ms,
            brown_fraction=self.brown_fraction,
        )

    def compiled(self, conditions: Conditions) -> CompiledRule | None:
        """The same decisions for the compiled simulator."""
        check_share(conditions.share.size)
        rule = self.free_rule(conditions)
        return None if rule is None else replace(rule, green_fraction=self.brown_fraction)


def check_share(size: int) -> None:
    """Refuse to run by a renewable share that is not there.

    Raises
    ------
    PolicyError
        If there are no numbers.
    """
    if not size:
        raise PolicyError("green-hadoop needs the renewable share; the signal has 0 of them: give renewable_fraction")


def green_quota(work: int, share: Sequence[float], *, executors: int, rest: float, brown_fraction: float) -> int:
    """Quota of GreenHadoop.

    Parameters
    ----------
    work : int
        Work of the queued tasks, in executors times steps.
    share : sequence of float
        Renewable share expected for the present step and those after it; the window ends where it is not a number.
    executors : int
        K.
    rest : float
        Part of the present step that is left, in (0, 1].
    brown_fraction : float
        theta.

    Returns
    -------
    int
        ``int((p + brown / K) K)``, from 1 to K, where ``brown = max(0, W - sum of p K over the window) / window`` and
        the window has ``ceil((1 - theta) green + theta brown)`` steps: those until the sum of ``floor(p K)`` reaches W,
        and those until the sum of K does, or all of the forecast.

    Examples
    --------
    >>> green_quota(20, [0.2, 0.4, 0.4, 0.2], executors=10, rest=1.0, brown_fraction=0.5)
    5
    """
    check_share(len(share))
    known = [value for value in share if not math.isnan(value)]
    parts = [rest if ahead == 0 else 1.0 for ahead in range(len(known))]
    green = _reached(work, [part * math.floor(value * executors) for part, value in zip(parts, known)])
    brown = _reached(work, [part * executors for part in parts])
    window = max(1, math.ceil((1.0 - brown_fraction) * green + brown_fraction * brown))
    renewable = 0.0
    for part, value in zip(parts[:window], known):
        renewable += part * value * executors
    lacking = max(0.0, (work - renewable) / window)
    return min(executors, max(1, int(known[0] * executors + lacking)))


def _reached(work: int, amounts: Sequence[float]) -> int:
    """Number of amounts whose sum reaches the work; all if they do not."""
    total = 0.0
    for index, amount in enumerate(amounts):
        total += amount
        if total >= work:
            return index + 1
    return len(amounts)


@lru_cache(maxsize=64)
def _kept_quota(work: int, share: tuple[float, ...], *, executors: int, rest: float, brown_fraction: float) -> int:
    return green_quota(work, share, executors=executors, rest=rest, brown_fraction=brown_fraction)
