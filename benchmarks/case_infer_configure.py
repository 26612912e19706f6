"""Whether configurations meet their objectives on other requests, and whether the search misses none better."""

from __future__ import annotations

from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np

from benchmarks.registry import Measurement, case
from joulewright.errors import InfeasibleError
from joulewright.physics.inference.deployment import coefficients
from joulewright.physics.inference.models import find_language_model
from joulewright.sim.processes.inference import prepare_kernels
from joulewright.sim.processes.inference.generate import TokenLengths
from joulewright.study.configuration import (
    Configuration,
    Configurations,
    ConfigurationSpace,
    QuantileObjectives,
    ServiceNeed,
    Verification,
    configure,
)
from joulewright.study.configuration.trial import Trials

_MODELS = (
    "Llama-3.1-8B",
    "Llama-3.1-70B",
    "Qwen3-8B",
    "Qwen3-14B",
    "Qwen3-32B",
    "gemma-3-12b",
    "Mistral-7B-v0.3",
    "Qwen3-30B-A3B",
)
_ACCELERATORS = ("A100", "H100", "H200", "B200", "L40S")
_OTHER_SEED = 7919
_FIGURES = ("carbon_kg", "energy_kwh", "embodied_kg")


@dataclass
class _Tally:
    answered: int = 0
    unanswered: int = 0
    met: int = 0
    checks: int = 0
    late_checks: int = 0
    configurations: int = 0
    candidates: int = 0
    pruned: int = 0
    least_margin: float = 1.0


@case(
    "infer-configure",
    "Configurations of random services on other requests, and the search against simulating every candidate",
)
def measure(smoke: bool) -> Measurement:
    """Random services; the objectives are checked on requests that the search has not seen, without its margin."""
    services, compared = (4, 2) if smoke else (200, 40)
    prepare_kernels()
    tally = _Tally()
    late: list[int] = []
    begin = process_time()
    for number in range(services):
        need, space, intensity = random_service(number)
        found = _answer(need, space, intensity)
        if found is None:
            tally.unanswered += 1
            continue
        _count(tally, found)
        verdicts = [_meets(need, item, number, tally) for item in found.pareto]
        tally.met += all(verdicts)
        late += [] if all(verdicts) else [number]
    middle = process_time()
    same = [_same(*random_service(10_000 + number)) for number in range(compared)]
    judged = [outcome for outcome in same if outcome is not None]
    return Measurement(
        figures={
            "slo_met_share": tally.met / max(tally.answered, 1),
            "optimal_share": sum(judged) / max(len(judged), 1),
            "pruned_share": tally.pruned / max(tally.candidates, 1),
            "least_margin_fraction": tally.least_margin,
            "service_cpu_s": (middle - begin) / services,
            "comparison_cpu_s": (process_time() - middle) / max(compared, 1),
        },
        conditions={
            "services": services,
            "answered": tally.answered,
            "without_answer": tally.unanswered,
            "late_services": late,
            "late_checks": tally.late_checks,
            "checks": tally.checks,
            "configurations": tally.configurations,
            "possible_candidates": tally.candidates,
            "compared_with_exhaustive": len(judged),
        },
    )


def random_service(number: int) -> tuple[ServiceNeed, ConfigurationSpace, Any]:
    """A service, a space to choose from and the carbon intensity of a day [g/kWh], from a number."""
    draw = np.random.default_rng([5, number])
    mean_in, mean_out = np.exp(draw.uniform(np.log([60.0, 30.0]), np.log([2000.0, 500.0])))
    levels = np.exp(draw.uniform(np.log(0.1), np.log(60.0))) * np.array([0.3, 1.0, 0.6])
    need = ServiceNeed(
        name=f"service-{number}",
        model=find_language_model(str(draw.choice(_MODELS))),
        rate_per_s=np.repeat(levels, 8),
        input_tokens=_lengths(draw, mean_in),
        output_tokens=_lengths(draw, mean_out),
        objectives=QuantileObjectives(
            ttft_s=float(np.exp(draw.uniform(np.log(0.2), np.log(4.0)))),
            tpot_s=float(np.exp(draw.uniform(np.log(0.012), np.log(0.12)))),
            quantile=(None, 0.5, 0.9, 0.95, 0.99)[int(draw.integers(5))],
        ),
    )
    slower = (1.0, 0.6)
    capped = bool(draw.integers(2))
    space = ConfigurationSpace(
        accelerators=tuple(draw.choice(_ACCELERATORS, size=2, replace=False).tolist()),
        tensor_parallel=(1, 2, 4),
        max_sequences=(64, 256),
        power_caps_fraction=slower if capped else (1.0,),
        clock_fractions=(1.0,) if capped else slower,
    )
    return need, space, 300.0 + 150.0 * np.cos(2.0 * np.pi * (np.arange(24) + draw.integers(24)) / 24.0)


def _lengths(draw: np.random.Generator, mean_tokens: float) -> TokenLengths:
    return TokenLengths(
        kind="lognormal",
        mean_tokens=float(mean_tokens),
        variation=float(draw.uniform(0.2, 1.3)),
        most_tokens=int(8 * mean_tokens),
    )


def _answer(need: ServiceNeed, space: ConfigurationSpace, intensity: Any, **options: Any) -> Configurations | None:
    try:
        return configure(need, space, intensity_g_per_kwh=intensity, pareto_over=_FIGURES, **options)
    except InfeasibleError:
        return None


def _count(tally: _Tally, found: Configurations) -> None:
    tally.answered += 1
    tally.configurations += len(found.pareto)
    tally.pruned += found.pruned
    tally.candidates += found.pruned + len(found.evaluated)


def _meets(need: ServiceNeed, found: Configuration, number: int, tally: _Tally) -> bool:
    """Simulate whole fleets at every rate with requests of another seed."""
    trials = Trials(need, Verification(requests=4096, margin_fraction=0.0, most_replicas=128), _OTHER_SEED + number)
    engine, met = coefficients(found.deployment), not found.unserved_per_s.any()
    for rate, replicas in sorted(set(zip(need.rate_per_s.tolist(), found.replicas.tolist(), strict=True))):
        trial = trials.run(engine, found.options, replicas=replicas, rate_per_s=rate)
        for value, limit in ((trial.ttft_s, need.objectives.ttft_s), (trial.tpot_s, need.objectives.tpot_s)):
            tally.least_margin = min(tally.least_margin, 1.0 - value / (limit or np.inf))
        tally.checks += 1
        tally.late_checks += not trial.met
        met = met and trial.met
    return met


def _same(need: ServiceNeed, space: ConfigurationSpace, intensity: Any) -> bool | None:
    """Whether the search finds the objective and the Pareto set of an exhaustive one; None where nothing can serve."""
    quick, whole = (_answer(need, space, intensity, exhaustive=every) for every in (False, True))
    if quick is None or whole is None:
        return None if quick is whole else False
    fronts = [
        np.array(sorted([item.figures()[name] or 0.0 for name in _FIGURES] for item in found.pareto))
        for found in (quick, whole)
    ]
    return fronts[0].shape == fronts[1].shape and bool(np.allclose(*fronts, rtol=1e-9, atol=0.0))
