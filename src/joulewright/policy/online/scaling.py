"""Elastic jobs: how many workers in each slot, so that a job ends in time at least carbon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import PolicyError
from joulewright.model.timeline import FloatArray
from joulewright.plan.program import Builder, Term
from joulewright.policy.online.exact import slot_label, solve
from joulewright.policy.online.guarantee import checked_prices


class ScalingPlan(NamedTuple):
    """Part of each slot spent at each number of workers, shape ``(T, N + 1)``, and the cost: power times signal."""

    parts: FloatArray
    cost: float

    @property
    def workers(self) -> FloatArray:
        """Mean number of workers in each slot, shape ``(T,)``."""
        return np.asarray(self.parts @ np.arange(self.parts.shape[1]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Scaling:
    """An elastic job: what each number of workers does and draws.

    Attributes
    ----------
    throughput, power : FloatArray
        For 0 to N workers, shape ``(N + 1,)``; 0 for no worker, rising throughput [work per slot], [W or any].
    work : float
        Work to do.

    References
    ----------
    Hanafy et al. (2023), CarbonScaler, doi:10.1145/3626788.

    Examples
    --------
    The second worker adds half the work for the full power, so it is worth a slot twice as cheap.

    >>> job = Scaling(throughput=np.array([0.0, 1.0, 1.5]), power=np.array([0.0, 1.0, 2.0]), work=3.0)
    >>> job.greedy([1.0, 9.0, 1.0]).workers
    array([2., 0., 2.])
    >>> job.exact([1.0, 9.0, 1.0]).cost
    4.0
    """

    throughput: FloatArray
    power: FloatArray
    work: float
    sources: ClassVar[tuple[str, ...]] = ("hanafy2023",)

    def __post_init__(self) -> None:
        done, drawn = np.asarray(self.throughput, dtype=float), np.asarray(self.power, dtype=float)
        if done.shape != drawn.shape or done.size < 2 or done[0] != 0.0 or np.any(np.diff(done) <= 0.0):
            raise PolicyError(
                f"throughput {done.tolist()} and power of shape {drawn.shape}: give both for 0 to N workers, "
                "0 first and throughput rising"
            )
        if np.any(drawn < 0.0) or not self.work > 0.0:
            raise PolicyError(
                f"work is {self.work:g} and the least power {drawn.min():g}; they must be above and at least 0"
            )

    def checked(self, prices: ArrayLike) -> FloatArray:
        """The signal, shape ``(T,)``.

        Raises
        ------
        PolicyError
            If the work does not fit before its end.
        """
        most = float(np.max(self.throughput))
        return checked_prices(prices, slots_needed=self.work / most)

    def greedy(self, prices: ArrayLike, *, partial_credit: bool = True) -> ScalingPlan:
        """CarbonScaler: add the worker with the most work per carbon until the work is done.

        Parameters
        ----------
        prices : array
            Carbon intensity or price of each slot, shape ``(T,)``.
        partial_credit : bool
            Whether the last worker added runs only as long as the rest of the work takes. Without, the slot is charged
            whole, as published.

        Notes
        -----
        With non-increasing work per power and partial credit this is the optimum of :meth:`exact`; a profile that is
        not so can be up to a fraction of a percent worse. Charging the last slot whole can be worse than one worker.
        """
        values = self.checked(prices)
        added, drawn = np.diff(self.throughput), np.diff(self.power)
        slots, most = values.size, added.size
        score = added[None, :] / np.maximum(drawn[None, :] * values[:, None], 1e-300)
        size = np.zeros(slots, dtype=int)
        done, parts = 0.0, np.zeros((slots, most + 1))
        following = score[:, 0].copy()
        while done < self.work * (1.0 - 1e-12):
            slot = int(np.argmax(following))
            worker = size[slot]
            part = min(1.0, (self.work - done) / added[worker]) if partial_credit else 1.0
            done += part * added[worker]
            size[slot] += 1
            following[slot] = score[slot, size[slot]] if size[slot] < most else -np.inf
        parts[np.arange(slots), size] = 1.0
        parts[slot, worker], parts[slot, worker + 1] = 1.0 - part, part
        return self._plan(parts, values)

    def exact(self, prices: ArrayLike, *, whole_slots: bool = False) -> ScalingPlan:
        """Least cost: a linear program when workers may change within a slot, else a mixed-integer one."""
        values = self.checked(prices)
        shape = (values.size, np.size(self.throughput))
        builder = Builder()
        cost = np.asarray(self.power) * values[:, None]
        part = builder.variable("part", shape, slot_label, upper=1.0, cost=cost, integer=whole_slots)
        rows = np.arange(values.size)
        builder.add_rows("slot", values.size, slot_label, [Term(rows[:, None], part.index, 1.0)], lower=1.0, upper=1.0)
        done = np.broadcast_to(np.asarray(self.throughput) / self.work, shape)
        builder.add_rows("work", 1, slot_label, [Term(0, part.index, done)], lower=1.0)
        found = solve(builder.compile(), integer=whole_slots)
        return self._plan(part.values(found.values), values)

    def _plan(self, parts: FloatArray, values: FloatArray) -> ScalingPlan:
        return ScalingPlan(parts, float((parts @ np.asarray(self.power)) @ values))
