"""Configurations found, with their figures and why others were refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joulewright.model.timeline import FloatArray, IntArray
from joulewright.model.workload import ServingCurve
from joulewright.physics.inference.deployment import Deployment
from joulewright.sim.processes.inference.options import ServingOptions

FIGURES = ("carbon_kg", "energy_kwh", "cost", "embodied_kg", "tpot_s")
"""What Pareto sets can be over."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Configuration:
    """A way to serve a service that was tried hour by hour.

    Attributes
    ----------
    label : str
        Short name.
    deployment, options : Deployment, ServingOptions
        One replica and the limits of its engine.
    capacity_per_s : float
        Requests that one replica serves within the objectives [1/s].
    replicas : IntArray
        Replicas that serve in each hour, shape ``(H,)``.
    loaded, loads : IntArray
        Replicas with a loaded model in each hour, those that only wait included, and how many are loaded in the hour
        before, shape ``(H,)``.
    served_per_s, unserved_per_s : FloatArray
        Requests that are served, and those for which accelerators are missing [1/s], shape ``(H,)``.
    power_w : FloatArray
        Mean power in each hour with host shares, without loading [W], shape ``(H,)``.
    energy_kwh, carbon_kg, cost : float or None
        Over all hours; None where no intensity or price was given.
    embodied_kg, embodied_range_kg : float or None, tuple of float or None
        Embodied carbon of the accelerators over all hours, middle and (low, middle, high) [kg]; None if unknown.
    ttft_s, tpot_s : float
        Quantile or mean in the worst hour [s].
    gpus, gpus_needed : float
        Accelerators that are used at the same time, and those that would serve everything; slices are fractions.
    curve : ServingCurve
        Power of an accelerator at every rate up to the capacity.
    """

    label: str
    deployment: Deployment
    options: ServingOptions
    capacity_per_s: float
    replicas: IntArray
    loaded: IntArray
    loads: IntArray
    served_per_s: FloatArray
    unserved_per_s: FloatArray
    power_w: FloatArray
    energy_kwh: float
    carbon_kg: float | None
    cost: float | None
    embodied_range_kg: tuple[float, float, float] | None
    ttft_s: float
    tpot_s: float
    gpus: float
    gpus_needed: float
    curve: ServingCurve

    @property
    def embodied_kg(self) -> float | None:
        """Middle of the embodied carbon [kg]."""
        return None if self.embodied_range_kg is None else self.embodied_range_kg[1]

    @property
    def met(self) -> bool:
        """Whether every request is served within the objectives."""
        return not self.unserved_per_s.any()

    @property
    def unserved_requests(self) -> float:
        """Requests over all hours for which accelerators are missing."""
        return float(self.unserved_per_s.sum() * 3600.0)

    def figures(self) -> dict[str, float | None]:
        """The figures that Pareto sets can be over."""
        return {name: getattr(self, name) for name in FIGURES}


@dataclass(frozen=True)
class Refusal:
    """A candidate that cannot serve, and why."""

    label: str
    reason: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Configurations:
    """Outcome of :func:`~joulewright.study.configuration.search.configure`.

    Attributes
    ----------
    best : Configuration
        Of least objective, among those that leave the fewest requests unserved.
    pareto : tuple of Configuration
        Those that no other beats in one figure without being worse in another, best objective first.
    evaluated : tuple of Configuration
        All that were simulated.
    refused : tuple of Refusal
        Candidates that cannot serve.
    pruned : int
        Candidates whose bounds showed that they are neither best nor in the Pareto set.
    simulations : int
        Serving simulations that were run.
    bound_fraction : float
        What bounds of energy were scaled by; below 1 if a simulation was found below its bound.
    minimise : str
        The objective.
    """

    best: Configuration
    pareto: tuple[Configuration, ...]
    evaluated: tuple[Configuration, ...]
    refused: tuple[Refusal, ...]
    pruned: int
    simulations: int
    bound_fraction: float
    minimise: str

    @property
    def shortage(self) -> str:
        """What the best configuration leaves unserved and what would be needed; empty if it serves everything."""
        best = self.best
        if best.met:
            return ""
        hour = int(np.argmax(best.unserved_per_s))
        wanted = float(best.served_per_s[hour] + best.unserved_per_s[hour])
        return (
            f"{best.label} serves {best.served_per_s[hour]:.4g} of {wanted:.4g} requests/s in hour {hour} with "
            f"{best.gpus:g} accelerators and leaves {best.unserved_requests:.4g} requests of all hours unserved; "
            f"{best.gpus_needed:g} accelerators would serve them"
        )
