"""What a caller can ask of the planner, and what it reports while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from joulewright.model import Schedule
from joulewright.plan.inputs import FLEXIBILITIES

Strategy = Literal["guided", "exact", "rolling"]
_STRATEGIES = ("guided", "exact", "rolling")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A moment of a solve.

    Attributes
    ----------
    phase : str
        What is going on, e.g. ``bound``, ``construct``, ``improve``.
    elapsed_s, cpu_s : float
        Wall and CPU time since the start [s].
    objective : float or None
        Benefit of the best plan so far [currency]; None while there is none.
    bound : float
        No plan can have a higher benefit [currency].
    gap : float or None
        Difference of the two as a fraction of the plan's costs.
    """

    phase: str
    elapsed_s: float
    cpu_s: float
    objective: float | None
    bound: float
    gap: float | None


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """How to plan.

    Attributes
    ----------
    strategy : {"guided", "exact", "rolling"}
        ``guided``: LP bound, LP-guided construction and neighbourhood search. ``exact``: HiGHS alone.
        ``rolling``: window by window, for long horizons.
    gap : float
        Stop when the certified gap is at most this fraction of the plan's costs.
    time_limit_s : float or None
        Wall-clock limit [s]; may cut at another point in every run. The first plan is completed beyond it, and with
        it the search does not end before because nothing better is found.
    work_limit : float or None
        Limit in deterministic work units, about CPU seconds of the search; same seed, threads and limit give the
        same plan.
    threads : int
        Neighbourhoods searched side by side.
    seed : int
        Seed of the search.
    without : frozenset of str
        Flexibilities to switch off: ``battery``, ``export``, ``routing``, ``shifting``, ``generation``.
    previous : Schedule or None
        A plan to stay close to.
    churn_cost : float
        Price of every job that starts elsewhere or at another time than in ``previous`` [currency].
    window_h, commit_h : float
        Look-ahead and committed hours of ``rolling`` [h].
    progress : callable or None
        Called with a :class:`Progress` now and then.
    should_stop : callable or None
        Polled; True ends the search with the best plan so far.

    Raises
    ------
    ValueError
        If a value is out of range or a flexibility is unknown.
    """

    strategy: Strategy = "guided"
    gap: float = 0.001
    time_limit_s: float | None = None
    work_limit: float | None = None
    threads: int = 2
    seed: int = 0
    without: frozenset[str] = frozenset()
    previous: Schedule | None = None
    churn_cost: float = 0.0
    window_h: float = 168.0
    commit_h: float = 72.0
    progress: Callable[[Progress], None] | None = field(default=None, compare=False, repr=False)
    should_stop: Callable[[], bool] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.strategy not in _STRATEGIES:
            raise ValueError(f"strategy {self.strategy!r} is not known; choose one of {list(_STRATEGIES)}")
        unknown = sorted(self.without - set(FLEXIBILITIES))
        if unknown:
            raise ValueError(f"cannot plan without {unknown}; flexibilities are {list(FLEXIBILITIES)}")
        limits = {"gap": self.gap, "churn_cost": self.churn_cost}
        limits |= {"time_limit_s": self.time_limit_s or 0.0, "work_limit": self.work_limit or 0.0}
        for name, value in limits.items():
            if not value >= 0.0:
                raise ValueError(f"{name} is {value!r}; it must be 0 or more")
        if self.threads < 1:
            raise ValueError(f"threads is {self.threads}; at least 1 is needed")
        if not 0.0 < self.commit_h <= self.window_h:
            raise ValueError(f"commit_h is {self.commit_h} and window_h {self.window_h}; need 0 < commit_h <= window_h")
