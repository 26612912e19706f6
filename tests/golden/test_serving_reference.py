"""The serving simulator against published logs and traces, and against figures of an independent replay of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from joulewright.io.request_files import read_engine_log, read_requests
from joulewright.physics.inference.constants import CONSTANT_SETS
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.steady import RequestShape, steady_state
from joulewright.sim.processes.inference import RequestTrace, ServingOptions, ServingResult, simulate_serving
from joulewright.sim.processes.inference.generate import TokenLengths, generate_requests
from joulewright.sim.processes.inference.plain import serve_plainly

PRO = coefficients(deploy("Llama-3.1-8B", "RTX-PRO-6000", constants=CONSTANT_SETS["PRO6000-1"]))
H100 = coefficients(deploy("Llama-3.1-8B", "H100", constants=CONSTANT_SETS["H100-1"]))
AZURE = H100._replace(kv_capacity_tokens=426_788.0, idle_w=70.0, host_idle_w=0.0, host_active_w=0.0)
"""As the reference figures were made: no overhead memory, 70 W idle, no host."""


def test_a_small_trace_step_by_step() -> None:
    trace = RequestTrace(arrival_s=[0.0, 0.0], input_tokens=[100, 3000], output_tokens=[3, 2])
    found = simulate_serving(trace, PRO)
    assert found.steps == 3
    assert found.requests["first_token_s"].to_list() == pytest.approx([0.1052458, 0.1634995], rel=1e-6)
    assert found.requests["finish_s"].to_list() == pytest.approx([0.1773885, 0.1773885], rel=1e-6)
    _, (replica,) = serve_plainly(trace, PRO)
    assert replica.steps == [[(0, 100), (0, 1948)], [(100, 1), (1948, 1052)], [(101, 1), (3000, 1)]]


def test_a_log_of_vllm(shared: Path) -> None:
    log = read_engine_log(shared / "data/inference/vllm_rtxpro6000_llama8b/requests.jsonl")
    found = simulate_serving(log.trace, PRO, options=ServingOptions(max_sequences=128))
    assert found.steps == 2378
    assert found.makespan_s == pytest.approx(66.848, abs=1e-3)
    simulated = [found.mean(name) for name in ("ttft_s", "tpot_s", "e2e_s")]
    assert simulated == pytest.approx([7.1032, 0.03260, 28.2950], rel=2e-4)
    measured = [log.ttft_s, log.tpot_s, log.e2e_s]
    for name, values, mean_error in zip(("ttft_s", "tpot_s", "e2e_s"), measured, (0.02, 0.02, 0.01)):
        assert found.mean(name) == pytest.approx(np.nanmean(values), rel=mean_error)
        assert found.quantile(name, 0.9) == pytest.approx(np.nanquantile(values, 0.9), rel=0.03)


def azure(shared: Path, name: str, last: int | None = None) -> ServingResult:
    trace = read_requests(shared / f"data/inference/azure_llm_2023_{name}.csv")
    trace = trace if last is None else trace.part(0, last)
    found = simulate_serving(trace, AZURE, options=ServingOptions(idle="unloaded"))
    assert found.scheduled_tokens == trace.scheduled_tokens
    assert found.request_energy_j.sum() == pytest.approx(found.energy_j["prefill"] + found.energy_j["decode"], rel=1e-9)
    return found


def test_conversations(shared: Path) -> None:
    found = azure(shared, "conv")
    figures = found.figures()
    assert found.steps == 361_271
    assert found.scheduled_tokens == 26_431_169
    assert figures["makespan_s"] == pytest.approx(3504.33, rel=1e-5)
    assert figures["busy_s"] == pytest.approx(3495.15, rel=1e-5)
    assert figures["active_kwh"] == pytest.approx(0.479665, rel=1e-5)
    assert found.energy_j["idle"] / 3.6e6 == pytest.approx(0.000178, rel=5e-3)
    assert figures["mean_power_w"] == pytest.approx(492.94, rel=1e-4)
    assert figures["mean_ttft_s"] == pytest.approx(0.04641, rel=1e-3)
    assert figures["p99_ttft_s"] == pytest.approx(0.1943, rel=1e-3)
    assert figures["mean_tpot_s"] == pytest.approx(0.010089, rel=1e-3)


def test_code_completion(shared: Path) -> None:
    found = azure(shared, "code")
    figures = found.figures()
    assert found.steps == 67_752
    assert found.scheduled_tokens == 18_297_051
    assert figures["makespan_s"] == pytest.approx(3438.99, rel=1e-5)
    assert figures["busy_s"] == pytest.approx(918.40, rel=1e-5)
    assert figures["active_kwh"] == pytest.approx(0.145766, rel=1e-5)
    assert found.energy_j["idle"] / 3.6e6 == pytest.approx(0.049011, rel=1e-4)
    assert figures["mean_power_w"] == pytest.approx(203.90, rel=1e-4)
    assert figures["mean_ttft_s"] == pytest.approx(0.8476, rel=1e-3)
    assert figures["p50_ttft_s"] == pytest.approx(0.1802, rel=1e-3)
    assert figures["p99_ttft_s"] == pytest.approx(12.12, rel=1e-3)


def test_the_first_conversations(shared: Path) -> None:
    found = azure(shared, "conv", 1000)
    assert found.steps == 22_601
    assert found.makespan_s == pytest.approx(217.5236, rel=1e-6)
    assert found.figures()["active_kwh"] == pytest.approx(0.027987, rel=1e-4)
    assert found.energy_j["idle"] / 3.6e6 == pytest.approx(0.000164, rel=5e-3)
    assert found.mean_power_w == pytest.approx(465.90, rel=1e-4)


def test_long_prompts_in_bursts(shared: Path) -> None:
    trace = read_requests(shared / "data/inference/mooncake_conversation.csv.gz")
    options = ServingOptions(prefix_hit_fraction=0.3664)
    found = simulate_serving(trace, H100, replicas=16, router="least-outstanding", options=options)
    assert found.served == 12_031
    assert found.by_tenant["cached_tokens"][0] / trace.input_tokens.sum() == pytest.approx(0.3664, abs=1e-3)
    if found.preemptions == 0:
        assert found.scheduled_tokens == trace.scheduled_tokens - found.by_tenant["cached_tokens"][0]


@pytest.mark.parametrize("rate_per_s", [1.0, 5.0, 10.0])
def test_the_closed_form_is_near_the_simulation(rate_per_s: float) -> None:
    variation = 0.9**0.5
    lengths = TokenLengths(kind="lognormal", mean_tokens=397.0, variation=variation, most_tokens=20_000)
    trace = generate_requests(
        4000, rate_per_s=rate_per_s, input_tokens=TokenLengths(mean_tokens=330.0), output_tokens=lengths, seed=3
    )
    found = simulate_serving(trace, H100)
    shape = RequestShape(input_tokens=330.0, output_tokens=float(trace.output_tokens.mean()), length_factor=1.9)
    closed = steady_state(H100, shape, rate_per_s=[len(trace) / trace.arrival_s[-1]])
    power_w = (found.total_energy_j - found.energy_j["host"]) / found.end_s
    assert power_w == pytest.approx(closed.power_w[0], rel=0.03)
    tokens_s = (found.requests["finish_s"] - found.requests["first_token_s"]).sum()
    assert tokens_s / (trace.output_tokens - 1).sum() == pytest.approx(closed.tpot_s[0], rel=0.03)
    assert found.mean("ttft_s") == pytest.approx(closed.ttft_s[0], rel=0.25)
