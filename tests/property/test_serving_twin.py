"""The compiled serving loop gives the numbers of the plain one, and its books close."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.step import StepCoefficients, step_values
from joulewright.sim.processes.inference import RequestTrace, ServingOptions, simulate_serving
from joulewright.sim.processes.inference.compiled.step import step_kernel
from joulewright.sim.processes.inference.options import ROUTERS
from joulewright.sim.processes.inference.plain import serve_plainly

SMALL = coefficients(deploy("Llama-3.1-8B", "H100"))
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def engines() -> st.SearchStrategy[StepCoefficients]:
    """Deployments with and without experts, windows, several accelerators, caps and a small cache."""

    def engine(capacity: int, window: float, experts: bool, cap: float, gpus: int) -> StepCoefficients:
        k = SMALL._replace(
            kv_capacity_tokens=float(capacity),
            window_tokens=window,
            global_fraction=1.0 if window == float("inf") else 1.0 / 6.0,
            limit_w=cap,
            gpus=float(gpus),
            stages=float(2 if gpus == 4 else 1),
            seconds_per_token=0.0 if gpus == 1 else 1e-6,
        )
        if experts:
            k = k._replace(weight_bytes=2e9, expert_bytes=14e9, experts=16.0, experts_per_token=2.0)
            k = k._replace(
                expert_rate_per_token=0.1335,
                expert_popularity_variance=0.5,
                expert_w=300.0,
                sequence_w=90.0,
                expert_fixed_s=1e-3,
            )
        return k

    return st.builds(
        engine,
        st.sampled_from([480, 1000, 100_000]),
        st.sampled_from([float("inf"), 20.0, 64.0]),
        st.booleans(),
        st.sampled_from([700.0, 450.0, 300.0]),
        st.sampled_from([1, 2, 4]),
    )


@st.composite
def traces(draw: st.DrawFn) -> RequestTrace:
    """Up to 40 requests of up to 400 tokens, with ties and with gaps."""
    count = draw(st.integers(1, 40))
    gaps = draw(st.lists(st.sampled_from([0.0, 0.003, 0.05, 1.7]), min_size=count, max_size=count))
    inputs = draw(st.lists(st.integers(1, 250), min_size=count, max_size=count))
    outputs = draw(st.lists(st.integers(1, 150), min_size=count, max_size=count))
    return RequestTrace(arrival_s=np.cumsum(gaps), input_tokens=inputs, output_tokens=outputs)


@st.composite
def choices(draw: st.DrawFn) -> dict[str, Any]:
    options = ServingOptions(
        max_sequences=draw(st.sampled_from([2, 7, 64])),
        token_budget=draw(st.sampled_from([64, 200, 2048])),
        prefix_hit_fraction=draw(st.sampled_from([0.0, 0.4])),
        fill_sequences=draw(st.sampled_from([None, 3])),
        bin_s=draw(st.sampled_from([0.01, 1.0, 60.0])),
    )
    return {
        "replicas": draw(st.integers(1, 3)),
        "router": draw(st.sampled_from(ROUTERS)),
        "options": options,
    }


@QUICK
@given(engines(), traces(), choices())
def test_the_compiled_loop_equals_the_plain_one(
    engine: StepCoefficients, trace: RequestTrace, chosen: dict[str, Any]
) -> None:
    found = simulate_serving(trace, engine, **chosen)
    requests, fleet = serve_plainly(trace, engine, **chosen)
    assert found.steps == sum(len(replica.steps) for replica in fleet)
    assert found.preemptions == sum(request.preemptions for request in requests)
    rows = found.world.rows
    for name in ("first_token_s", "finish_s", "prefill_j", "decode_j", "preemptions"):
        np.testing.assert_allclose(rows[name], [getattr(request, name) for request in requests], rtol=1e-9, atol=1e-12)
    idle_j = sum(replica.idle_s + found.end_s - replica.now_s for replica in fleet) * engine.loaded_idle_w * engine.gpus
    assert found.energy_j["idle"] == pytest.approx(idle_j, rel=1e-9, abs=1e-9)


@QUICK
@given(engines(), traces(), choices())
def test_books_close(engine: StepCoefficients, trace: RequestTrace, chosen: dict[str, Any]) -> None:
    found = simulate_serving(trace, engine, **chosen)
    active = found.energy_j["prefill"] + found.energy_j["decode"]
    assert found.request_energy_j.sum() == pytest.approx(active, rel=1e-9)
    assert found.world.replicas["active_j"].sum() == pytest.approx(active, rel=1e-9)
    whole = found.request_energy_j.sum() + found.energy_j["idle"] + found.energy_j["host"]
    assert found.series["power_w"].sum() * found.options.bin_s == pytest.approx(whole, rel=1e-9)
    assert found.by_tenant["prefill_j"].sum() + found.by_tenant["decode_j"].sum() == pytest.approx(active, rel=1e-9)
    replica_s = found.world.replicas.size * found.end_s
    host_s = found.energy_j["host"] / engine.gpus
    expected = found.busy_s * engine.host_active_w + (replica_s - found.busy_s) * engine.host_idle_w
    assert host_s == pytest.approx(expected, rel=1e-9)
    repeated = found.preemptions > 0 or found.world.rows["cached"].sum() > 0
    if not repeated:
        assert found.scheduled_tokens == trace.scheduled_tokens
    assert np.all(found.world.replicas["free_blocks"] == found.world.engines["blocks"][0])
    assert not found.world.crossing.any()
    assert np.all(found.world.wheel == -1)


@QUICK
@given(
    engines(),
    st.integers(1, 4096),
    st.integers(1, 256),
    st.floats(0.0, 1e6),
    st.floats(0.0, 1e8),
)
def test_the_step_is_that_of_physics(
    engine: StepCoefficients, tokens: int, sequences: int, kv_tokens: float, pairs: float
) -> None:
    counts = (float(tokens), float(sequences), kv_tokens, pairs)
    plain = step_values(engine, *counts)
    time_s, power_w, raw_w, ratio, shared_j = step_kernel(engine, *counts)
    assert (time_s, power_w, raw_w) == pytest.approx((plain[0], plain[6], plain[7]), rel=1e-12)
    parts = engine.gpus / engine.stages
    read_j = parts * engine.kv_w * engine.kv_bytes_per_token * kv_tokens / engine.raw_bytes_per_s
    flops = engine.flops_per_token * tokens + engine.flops_per_token_context * pairs
    raw_j = shared_j + read_j + parts * engine.compute_w * flops / engine.raw_flops_per_s
    assert ratio * raw_j == pytest.approx(plain[8], rel=1e-9)
    assert shared_j > 0.0
