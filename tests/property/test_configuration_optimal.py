"""The search against simulating everything, and its bounds against simulations, on random small services."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from joulewright.errors import InfeasibleError
from joulewright.physics.inference.models import find_language_model
from joulewright.sim.processes.inference.generate import TokenLengths
from joulewright.study.configuration import (
    Configurations,
    ConfigurationSpace,
    Operation,
    QuantileObjectives,
    ServiceNeed,
    Verification,
    configure,
)
from joulewright.study.configuration.evaluate import with_capacity
from joulewright.study.configuration.prospect import Weights, lower_bound, prospect
from joulewright.study.configuration.trial import Trials

PHASES = (Phase.explicit, Phase.generate)
QUICK = Verification(requests=300, capacity_fraction=0.1)


@st.composite
def services(draw: st.DrawFn) -> tuple[ServiceNeed, ConfigurationSpace]:
    def lengths(low: float, high: float) -> TokenLengths:
        mean = draw(st.floats(low, high))
        kind = draw(st.sampled_from(["constant", "lognormal"]))
        return TokenLengths(kind=kind, mean_tokens=mean, variation=0.8, most_tokens=int(6 * mean))

    need = ServiceNeed(
        model=find_language_model(draw(st.sampled_from(["Llama-3.1-8B", "Qwen3-14B", "Qwen3-30B-A3B"]))),
        rate_per_s=np.array(draw(st.lists(st.floats(0.0, 40.0), min_size=1, max_size=2))),
        input_tokens=lengths(20.0, 800.0),
        output_tokens=lengths(10.0, 120.0),
        objectives=QuantileObjectives(
            ttft_s=draw(st.floats(0.2, 2.0)),
            tpot_s=draw(st.floats(0.015, 0.1)),
            quantile=draw(st.sampled_from([None, 0.9])),
        ),
    )
    capped = draw(st.booleans())
    space = ConfigurationSpace(
        accelerators=tuple(draw(st.sampled_from([("H100", "L40S"), ("A100", "H200")]))),
        tensor_parallel=(1, 2),
        max_sequences=(32,),
        power_caps_fraction=(1.0, 0.6) if capped else (1.0,),
        clock_fractions=(1.0,) if capped else (1.0, 0.7),
        gpus_available=draw(st.sampled_from([None, 4])),
    )
    return need, space


def answer(need: ServiceNeed, space: ConfigurationSpace, **options: Any) -> Configurations | None:
    try:
        return configure(need, space, intensity_g_per_kwh=200.0, verification=QUICK, **options)
    except InfeasibleError:
        return None


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
@given(services(), st.sampled_from(["carbon", "energy", "embodied+operational"]))
def test_search_equals_exhaustive_search(case: tuple[ServiceNeed, ConfigurationSpace], minimise: str) -> None:
    need, space = case
    names = ("carbon_kg", "energy_kwh", "embodied_kg")
    quick, whole = (
        answer(need, space, minimise=minimise, pareto_over=names, exhaustive=every) for every in (False, True)
    )
    if quick is None or whole is None:
        assert quick is whole
        return
    assert whole.pruned == 0
    assert len(quick.evaluated) <= len(whole.evaluated)
    rows = [
        sorted(tuple(item.figures()[name] or 0.0 for name in names) for item in found.pareto)
        for found in (quick, whole)
    ]
    np.testing.assert_allclose(*rows, rtol=1e-9)
    assert quick.best.unserved_requests == pytest.approx(whole.best.unserved_requests, rel=1e-9)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
@given(services())
def test_simulations_stay_above_their_bounds(case: tuple[ServiceNeed, ConfigurationSpace]) -> None:
    need, space = case
    found = answer(need, space, pareto_over=(), exhaustive=True)
    if found is None:
        return
    trials, weights = Trials(need, QUICK, 0), Weights(np.full(need.hours, 200.0), None)
    by_label = {candidate.label: candidate for candidate in space.candidates()}
    for item in found.evaluated:
        candidate = by_label[item.label]
        first = prospect(candidate, trials, Operation(), space.available(candidate.accelerator))
        for possible in (first, with_capacity(first, trials)):
            bound = lower_bound(possible, need, Operation(), weights)
            assert item.unserved_requests >= bound.unserved * (1.0 - 1e-9)
            if item.unserved_requests <= bound.unserved * (1.0 + 1e-9):
                for name in ("energy_kwh", "carbon_kg", "embodied_kg", "tpot_s"):
                    assert (item.figures()[name] or 0.0) >= (bound.elastic[name] + bound.fixed[name]) * (1.0 - 1e-12)
