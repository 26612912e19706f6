"""The closed form of the steady state against long simulations, dense and with experts, from light load to 80 %."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.steady import RequestShape, steady_state
from joulewright.sim.processes.inference import ServingOptions, simulate_serving
from joulewright.sim.processes.inference.generate import TokenLengths, generate_requests

MODELS = [("Llama-3.1-8B", 1), ("Llama-3.1-70B", 4), ("Qwen3-30B-A3B", 1), ("gemma-3-12b", 1)]
SHAPES = [(330, 397, 1.9), (2048, 28, 2.0), (6000, 100, 2.0), (100, 800, 2.0), (500, 250, 1.0)]
BINS = 200
FIRST, LAST = 60, 194
"""Bins that count: without the filling at the start and the end of the arrivals."""


@pytest.mark.parametrize(("model", "gpus"), MODELS)
@pytest.mark.parametrize(("prompt", "answer", "factor"), SHAPES)
@pytest.mark.parametrize("load", [0.03, 0.2, 0.5, 0.8])
def test_power_and_times(model: str, gpus: int, prompt: int, answer: int, factor: float, load: float) -> None:
    k = coefficients(deploy(model, "H100", tensor_parallel=gpus))._replace(host_idle_w=0.0, host_active_w=0.0)
    shape = RequestShape(input_tokens=prompt, output_tokens=answer, length_factor=factor)
    rate_per_s = load * steady_state(k, shape, rate_per_s=0.0).limit_per_s
    answers = TokenLengths(mean_tokens=answer)
    if factor > 1.0:
        variation = (factor - 1.0) ** 0.5
        answers = TokenLengths(kind="lognormal", mean_tokens=answer, variation=variation, most_tokens=30 * answer)
    count = int(np.clip(0.75 * rate_per_s * answer, 2000, 8000))
    trace = generate_requests(
        count, rate_per_s=rate_per_s, input_tokens=TokenLengths(mean_tokens=prompt), output_tokens=answers, seed=5
    )
    end_s = float(trace.arrival_s[-1])
    run = simulate_serving(trace, k, options=ServingOptions(bin_s=end_s / BINS))
    counted = (trace.arrival_s >= end_s * FIRST / BINS) & (trace.arrival_s < end_s * LAST / BINS)
    tokens = trace.output_tokens[counted].astype(float)
    drawn = RequestShape(
        input_tokens=prompt,
        output_tokens=tokens.mean(),
        length_factor=max(1.0, float((tokens**2).mean() / tokens.mean() ** 2)),
    )
    closed = steady_state(k, drawn, rate_per_s=counted.sum() / (end_s * (LAST - FIRST) / BINS))
    power_w = np.asarray(run.series["power_w"])[FIRST:LAST].mean() / k.gpus
    assert float(closed.power_w[0]) == pytest.approx(power_w, rel=0.02)
    times = run.requests["finish_s"].to_numpy() - run.requests["first_token_s"].to_numpy()
    assert float(closed.tpot_s[0]) == pytest.approx(times[counted].sum() / (tokens - 1.0).sum(), rel=0.1)
