"""Best-first search for the configuration of least carbon, energy or cost, and for the Pareto set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from joulewright.errors import InfeasibleError, ScenarioError
from joulewright.model.timeline import FloatArray
from joulewright.physics.accelerator import Accelerator
from joulewright.physics.ranges import per_step
from joulewright.study.configuration.day import Operation
from joulewright.study.configuration.evaluate import evaluate, with_capacity
from joulewright.study.configuration.need import ServiceNeed
from joulewright.study.configuration.prospect import Prospect, Weights, lower_bound, prospect
from joulewright.study.configuration.result import FIGURES, Configuration, Configurations, Refusal
from joulewright.study.configuration.space import ConfigurationSpace
from joulewright.study.configuration.trial import Trials, Verification

Minimise = Literal["carbon", "energy", "cost", "embodied+operational"]
_PARTS: dict[str, tuple[str, ...]] = {
    "carbon": ("carbon_kg",),
    "energy": ("energy_kwh",),
    "cost": ("cost",),
    "embodied+operational": ("carbon_kg", "embodied_kg"),
}
"""Figures whose sum is the objective."""
_LOWER = 0.95
"""Where a simulated energy is found below its bound, bounds are scaled down to this share of it."""


def configure(
    need: ServiceNeed,
    space: ConfigurationSpace,
    *,
    minimise: Minimise = "carbon",
    intensity_g_per_kwh: ArrayLike | None = None,
    price_per_kwh: ArrayLike | None = None,
    operation: Operation | None = None,
    verification: Verification | None = None,
    pareto_over: Sequence[str] | None = None,
    exhaustive: bool = False,
    seed: int = 0,
) -> Configurations:
    """Choose how to serve a service.

    Parameters
    ----------
    need : ServiceNeed
        The service.
    space : ConfigurationSpace
        What to choose from.
    minimise : {"carbon", "energy", "cost", "embodied+operational"}
        The objective: operational carbon, energy, cost, or embodied and operational carbon.
    intensity_g_per_kwh, price_per_kwh : array_like, optional
        Carbon intensity and price of each hour, one value or shape ``(H,)``.
    operation, verification : Operation, Verification, optional
        How replicas are run, and how configurations are tried.
    pareto_over : sequence of str, optional
        Figures of the Pareto set, of ``carbon_kg``, ``energy_kwh``, ``cost``, ``embodied_kg`` and ``tpot_s``; by
        default all that are known. Fewer figures need fewer simulations; none leaves only the best.
    exhaustive : bool
        Simulate every candidate instead of leaving out what bounds rule out.
    seed : int
        Equal seeds give equal results.

    Returns
    -------
    Configurations
        The best, the Pareto set, and why candidates were refused. If there are too few accelerators, those that leave
        the fewest requests unserved, see ``shortage``.

    Raises
    ------
    ScenarioError
        If a series is missing or out of range, or a figure is asked for that is not known, such as the embodied
        carbon of an accelerator.
    InfeasibleError
        If no candidate can serve even one request in time; all reasons are listed.

    Notes
    -----
    A candidate is simulated to find the rate that a replica keeps, then with all replicas of every hour and fresh
    requests; the energy is that of these simulations. Candidates are taken in the order of their bounds, until every
    one left is ruled out by one found. Bounds of replicas are exact, those of energy a careful share of the closed
    form; if a simulation is found below its bound, all bounds are lowered and what they ruled out is looked at again.

    References
    ----------
    Lawler and Wood (1966), "Branch-and-Bound Methods: A Survey", Operations Research 14(4), doi:10.1287/opre.14.4.699.
    """
    how = operation or Operation()
    weights = Weights(
        *(
            None if series is None else per_step(series, name, 0.0, steps=need.hours, unit=unit)
            for series, name, unit in (
                (intensity_g_per_kwh, "intensity_g_per_kwh", "g/kWh"),
                (price_per_kwh, "price_per_kwh", "per kWh"),
            )
        )
    )
    axes = _axes(minimise, pareto_over, weights, space.devices)
    trials = Trials(need, verification or Verification(), seed)
    prospects, refused = _prospects(space, trials, how)
    search = _Search(prospects, trials, axes, operation=how, weights=weights)
    search.run(exhaustive=exhaustive)
    refused += search.refused
    if not search.found:
        raise InfeasibleError(_no_way(need, refused))
    best, front = search.best()
    return Configurations(
        best=best,
        pareto=front,
        evaluated=tuple(search.found),
        refused=tuple(refused),
        pruned=int(search.open.sum()),
        simulations=trials.count,
        bound_fraction=search.fraction,
        minimise=minimise,
    )


class _Axes(NamedTuple):
    minimise: str
    objective: tuple[str, ...]
    pareto: tuple[str, ...]


def _axes(minimise: str, pareto_over: Sequence[str] | None, weights: Weights, devices: Sequence[Accelerator]) -> _Axes:
    """Figures that are needed, after a check that they can be known."""
    if minimise not in _PARTS:
        raise ScenarioError(f"minimise is {minimise!r}; use {', '.join(_PARTS)}")
    unknown = [
        item.name for item in devices if None in (item.embodied_low_kg, item.embodied_mid_kg, item.embodied_high_kg)
    ]
    lacking = {
        "carbon_kg": "" if weights.intensity_g_per_kwh is not None else "give intensity_g_per_kwh",
        "cost": "" if weights.price_per_kwh is not None else "give price_per_kwh",
        "embodied_kg": f"that of {', '.join(unknown)} is unknown: add embodied_low_kg, embodied_mid_kg and "
        "embodied_high_kg, or leave these accelerators out"
        if unknown
        else "",
    }
    chosen = [name for name in FIGURES if not lacking.get(name)] if pareto_over is None else list(pareto_over)
    problems = [f"there is no figure {name!r}; use {', '.join(FIGURES)}" for name in chosen if name not in FIGURES]
    problems += [
        f"{name} is asked for, but cannot be known: {lacking[name]}"
        for name in dict.fromkeys([*_PARTS[minimise], *chosen])
        if lacking.get(name)
    ]
    if problems:
        raise ScenarioError(problems)
    return _Axes(minimise, _PARTS[minimise], tuple(dict.fromkeys(chosen)))


def _prospects(space: ConfigurationSpace, trials: Trials, operation: Operation) -> tuple[list[Prospect], list[Refusal]]:
    found: list[Prospect] = []
    refused: list[Refusal] = []
    limits = {item.name: space.available(item) for item in space.devices}
    for candidate in space.candidates():
        try:
            found.append(prospect(candidate, trials, operation, limits[candidate.accelerator.name]))
        except ScenarioError as error:
            refused.append(Refusal(candidate.label, str(error)))
    return found, refused


class _Search:
    """State of the search: bounds of candidates, what was found, and which candidates are still open."""

    def __init__(
        self,
        prospects: Sequence[Prospect],
        trials: Trials,
        axes: _Axes,
        *,
        operation: Operation,
        weights: Weights,
    ) -> None:
        self.prospects, self.trials, self.axes = list(prospects), trials, axes
        self.operation, self.weights = operation, weights
        bounds = [lower_bound(item, trials.need, operation, weights) for item in prospects]
        self.unserved = np.array([bound.unserved for bound in bounds])
        self.elastic = self._rows([bound.elastic for bound in bounds])
        self.fixed = self._rows([bound.fixed for bound in bounds])
        self.open = np.ones(len(prospects), dtype=np.bool_)
        self.fraction = 1.0
        self.found: list[Configuration] = []
        self.refused: list[Refusal] = []
        self.values: list[FloatArray] = []

    def run(self, *, exhaustive: bool) -> None:
        """Simulate candidates until none is left that could matter."""
        while True:
            bounds = self.fraction * self.elastic + self.fixed
            left = self.open & (True if exhaustive else ~self._ruled_out(bounds))
            if not left.any():
                return
            at = np.flatnonzero(left)
            self._try(int(at[np.lexsort((bounds[at, 0], self.unserved[at]))[0]]))

    def best(self) -> tuple[Configuration, tuple[Configuration, ...]]:
        """The best and the Pareto set among those that leave the fewest requests unserved."""
        unserved = np.array([item.unserved_requests for item in self.found])
        kept = [at for at in np.argsort(unserved, kind="stable") if unserved[at] <= unserved.min() * (1.0 + 1e-9)]
        kept.sort(key=lambda at: tuple(self.values[at]))
        front: list[int] = []
        for at in kept:
            if not any((self.values[other] <= self.values[at]).all() for other in front):
                front.append(at)
        return self.found[kept[0]], tuple(self.found[at] for at in front)

    def _try(self, at: int) -> None:
        """Find the capacity of a candidate, which tightens its bounds; where that is known, simulate all hours."""
        item = self.prospects[at]
        try:
            if item.simulated:
                self.open[at] = False
                self._keep(at)
            else:
                self.prospects[at] = with_capacity(item, self.trials)
                self._bound(at)
        except ScenarioError as error:
            self.open[at] = False
            self.refused.append(Refusal(item.candidate.label, str(error)))

    def _bound(self, at: int) -> None:
        bound = lower_bound(self.prospects[at], self.trials.need, self.operation, self.weights)
        self.unserved[at] = bound.unserved
        self.elastic[at], self.fixed[at] = self._rows([bound.elastic, bound.fixed])

    def _keep(self, at: int) -> None:
        found = evaluate(
            self.prospects[at],
            self.trials,
            operation=self.operation,
            weights=self.weights,
            plan_weight=self._plan_weight,
        )
        values = self._rows([{name: value for name, value in found.figures().items() if value is not None}])[0]
        self.found.append(found)
        self.values.append(values)
        if found.unserved_requests <= self.unserved[at] * (1.0 + 1e-9):
            elastic = self.elastic[at] > 0.0
            ratio = (values - self.fixed[at])[elastic] / self.elastic[at][elastic]
            if ratio.size and ratio.min() < self.fraction:
                self.fraction = _LOWER * max(float(ratio.min()), 0.0)

    def _ruled_out(self, bounds: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Candidates that something found beats or equals in everything that matters, whatever they turn out to be."""
        out = np.zeros(len(self.prospects), dtype=np.bool_)
        for found, values in zip(self.found, self.values, strict=True):
            out |= (found.unserved_requests <= self.unserved) & (values <= bounds).all(axis=1)
        return out

    def _rows(self, figures: Sequence[dict[str, float]]) -> FloatArray:
        """The objective, then the figures of the Pareto set, of each, shape ``(N, 1 + A)``."""
        rows = [
            [sum(row[name] for name in self.axes.objective), *(row[name] for name in self.axes.pareto)]
            for row in figures
        ]
        return np.array(rows, dtype=np.float64).reshape(len(rows), 1 + len(self.axes.pareto))

    def _plan_weight(self, item: Prospect) -> tuple[FloatArray, float]:
        weights, hours = self.weights, self.trials.need.hours
        if self.axes.minimise == "energy":
            return np.ones(hours), 0.0
        chosen = weights.price_per_kwh if self.axes.minimise == "cost" else weights.intensity_g_per_kwh
        return (np.ones(hours) if chosen is None else chosen), float(self.axes.minimise == "cost")


def _no_way(need: ServiceNeed, refused: Sequence[Refusal]) -> str:
    by_reason: dict[str, list[str]] = {}
    for item in refused:
        by_reason.setdefault(item.reason, []).append(item.label)
    lines = [f"{', '.join(labels)}: {reason}" for reason, labels in by_reason.items()]
    return "\n".join([f"none of {len(refused)} candidates can serve {need.model.name} for {need.name!r}", *lines])
