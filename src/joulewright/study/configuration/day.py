"""Replicas over a day: which stay on through hours that do not need them, and what loading costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from joulewright.errors import ScenarioError
from joulewright.model.timeline import FloatArray, IntArray
from joulewright.physics.inference.deployment import Deployment
from joulewright.physics.inference.step import StepCoefficients


@dataclass(frozen=True, kw_only=True)
class Operation:
    """How replicas are run and accounted.

    Attributes
    ----------
    off : {"off", "idle"}
        A replica that is not needed draws nothing, or what the catalogue says for an accelerator without a model.
    least_replicas : int
        Replicas with the model loaded at every hour.
    load_s, load_bytes_s : float
        Time to start an engine [s], and the rate at which weights are read on top of it [B/s].
    lifetime_h : float
        Hours over which embodied carbon is spread; the default is four years.
    utilisation_fraction : float
        Share of the lifetime in which an accelerator belongs to any service [-]; the rest is charged to them too.
    accelerator_price_per_h : mapping of str to float, or None
        Price of an hour of an accelerator with a loaded model, by name, in the money of electricity prices; None
        leaves it out.

    Raises
    ------
    ScenarioError
        If a value is out of range.
    """

    off: Literal["off", "idle"] = "off"
    least_replicas: int = 1
    load_s: float = 30.0
    load_bytes_s: float = 2e9
    lifetime_h: float = 35_064.0
    utilisation_fraction: float = 1.0
    accelerator_price_per_h: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if self.off not in ("off", "idle"):
            raise ScenarioError(f"off is {self.off!r}; use 'off' or 'idle'")
        if self.least_replicas < 0:
            raise ScenarioError(f"least_replicas is {self.least_replicas}; allowed is at least 0")
        if not 0.0 <= self.load_s < 3600.0:
            raise ScenarioError(f"load_s is {self.load_s} s; allowed is 0 up to below an hour")
        for name in ("load_bytes_s", "lifetime_h"):
            if not getattr(self, name) > 0.0:
                raise ScenarioError(f"{name} is {getattr(self, name)}; it must be positive")
        if not 0.0 < self.utilisation_fraction <= 1.0:
            raise ScenarioError(
                f"utilisation_fraction is {self.utilisation_fraction}; allowed is above 0 up to 1, for example 0.6"
            )


class ReplicaCosts(NamedTuple):
    """Of one replica: power when waiting and when off [W], energy [kWh] and time [s] of loading, embodied carbon of
    an hour, low, middle and high [kg/h] or None if unknown, and the price of an hour."""

    standby_w: float
    off_w: float
    load_kwh: float
    load_s: float
    embodied_kg_per_h: tuple[float, float, float] | None
    price_per_h: float


def replica_costs(deployment: Deployment, k: StepCoefficients, operation: Operation) -> ReplicaCosts:
    """What a replica costs besides its work.

    Raises
    ------
    ScenarioError
        If loading takes an hour or more, or the price of the accelerator is not given.
    """
    load_s = operation.load_s + deployment.weight_bytes / operation.load_bytes_s
    if load_s >= 3600.0:
        raise ScenarioError(f"loading {deployment.model.name} takes {load_s:g} s; raise load_bytes_s: it must be < 1 h")
    device, gpus = deployment.device, deployment.gpus
    embodied = None
    if None not in (device.embodied_low_kg, device.embodied_mid_kg, device.embodied_high_kg):
        low, mid, high = (
            value * gpus / operation.utilisation_fraction for value in device.embodied_kg_per_h(operation.lifetime_h)
        )
        embodied = (low, mid, high)
    return ReplicaCosts(
        standby_w=k.gpus * (k.loaded_idle_w + k.host_idle_w),
        off_w=0.0 if operation.off == "off" else k.gpus * (k.idle_w + k.host_idle_w),
        load_kwh=k.gpus * (k.loaded_idle_w + k.host_active_w) * load_s / 3.6e6,
        load_s=load_s,
        embodied_kg_per_h=embodied,
        price_per_h=_price(deployment, operation),
    )


def _price(deployment: Deployment, operation: Operation) -> float:
    prices, name = operation.accelerator_price_per_h, deployment.accelerator.name
    if prices is None:
        return 0.0
    if name not in prices:
        raise ScenarioError(f"accelerator_price_per_h does not name {name}; it names {', '.join(prices) or 'none'}")
    share = 1.0
    if deployment.slice is not None:
        share = deployment.device.memory_gb / deployment.accelerator.memory_gb
    return prices[name] * deployment.gpus * share


class DayPlan(NamedTuple):
    """Replicas with a loaded model in each hour, and how many are loaded before it, shape ``(H,)`` each."""

    loaded: IntArray
    loads: IntArray


def plan_day(
    serving: IntArray, costs: ReplicaCosts, *, least: int, kwh_weight: FloatArray, hour_weight: float
) -> DayPlan:
    """Which replicas stay loaded through hours that do not need them, at the least weighted cost.

    Parameters
    ----------
    serving : IntArray
        Replicas that each hour needs, shape ``(H,)``; the last hour is followed by the first.
    costs : ReplicaCosts
        Of one replica.
    least : int
        Replicas that are always loaded.
    kwh_weight : FloatArray
        Weight of a kWh in each hour, shape ``(H,)``.
    hour_weight : float
        Weight of the price of an hour.

    Notes
    -----
    The j-th replica is needed in the hours with ``max(serving, least) >= j``. Its gaps are independent of each other
    and of other replicas: through a gap it waits, or is off and is loaded again in the last hour of the gap, whichever
    weighs less. Hence the choice is an optimum.

    Examples
    --------
    >>> costs = ReplicaCosts(200.0, 0.0, 0.01, 60.0, None, 0.0)
    >>> plan = plan_day(np.array([2, 1, 2, 1]), costs, least=1, kwh_weight=np.ones(4), hour_weight=0.0)
    >>> plan.loaded.tolist(), plan.loads.tolist()
    ([2, 1, 2, 1], [1, 0, 1, 0])
    """
    needed = np.maximum(serving, least)
    loaded, loads = needed.copy(), np.zeros_like(needed)
    wait = costs.standby_w / 1e3 * kwh_weight + hour_weight * costs.price_per_h
    off = costs.off_w / 1e3 * kwh_weight
    for level in range(int(needed.min()) + 1, int(needed.max()) + 1):
        for gap in _gaps(needed >= level):
            if float((wait - off)[gap].sum()) < costs.load_kwh * float(kwh_weight[gap[-1]]):
                loaded[gap] += 1
            else:
                loads[(gap[-1] + 1) % needed.size] += 1
    return DayPlan(loaded, loads)


def _gaps(on: NDArray[np.bool_]) -> list[IntArray]:
    """Runs of hours that are not on, in a day that repeats; one that is on for no hour has no gap to bridge."""
    first = int(np.argmax(on))
    hours = (np.arange(on.size) + first) % on.size
    bounds = np.flatnonzero(np.diff(np.concatenate([[1], on[hours].astype(np.int8), [1]])))
    return [hours[start:stop] for start, stop in zip(bounds[::2], bounds[1::2], strict=True)]
