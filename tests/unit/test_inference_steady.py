"""Closed form of the steady state, against published figures and Little's law."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.errors import ScenarioError
from joulewright.physics.inference.constants import CONSTANT_SETS
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.steady import RequestShape, seen_tokens, steady_state
from joulewright.physics.inference.step import StepCoefficients, step

CHAT = RequestShape(input_tokens=330, output_tokens=397, length_factor=1.9)


def engine(model: str = "Llama-3.1-8B", **options: Any) -> StepCoefficients:
    return coefficients(deploy(model, "H100", constants=CONSTANT_SETS["H100-1"], **options))


@pytest.mark.parametrize(
    ("rate", "sequences", "step_ms", "power_w", "energy_j"),
    [
        (1.0, 3.0016, 7.5607, 430.51, 1.08442),
        (5.0, 17.2429, 8.6866, 470.29, 0.236922),
        (10.0, 43.0581, 10.8459, 517.58, 0.130373),
        (20.0, 203.259, 25.5994, 600.27, 0.0756005),
    ],
)
def test_one_accelerator(rate: float, sequences: float, step_ms: float, power_w: float, energy_j: float) -> None:
    found = steady_state(engine(), CHAT, rate_per_s=rate, arrivals="even")
    assert float(found.sequences[0]) == pytest.approx(sequences, rel=1e-4)
    assert float(found.step_s[0]) * 1e3 == pytest.approx(step_ms, rel=1e-4)
    assert float(found.power_w[0]) == pytest.approx(power_w, rel=1e-4)
    assert float(found.energy_per_output_token_j[0]) == pytest.approx(energy_j, rel=1e-4)
    assert found.stable.tolist() == [True]


def test_four_accelerators() -> None:
    shape = RequestShape(input_tokens=330, output_tokens=354, length_factor=1.9)
    found = steady_state(engine("Llama-3.1-70B", tensor_parallel=4), shape, rate_per_s=5.0, arrivals="even")
    assert float(found.sequences[0]) == pytest.approx(39.7260, rel=1e-4)
    assert float(found.power_w[0]) == pytest.approx(476.51, rel=1e-4)
    assert float(found.energy_per_output_token_j[0]) == pytest.approx(1.07686, rel=1e-4)


def test_the_limit_without_a_cache_limit_is_that_of_the_slope() -> None:
    endless = engine()._replace(kv_capacity_tokens=math.inf)
    found = steady_state(endless, CHAT, rate_per_s=1.0, token_budget=10**12, max_sequences=10**9, arrivals="even")
    assert found.limit_per_s == pytest.approx(25.8248, rel=1e-4)


def test_beyond_the_limit_the_figures_are_those_at_it() -> None:
    found = steady_state(engine(), CHAT, rate_per_s=[20.0, 100.0], max_sequences=256)
    at_limit = steady_state(engine(), CHAT, rate_per_s=found.limit_per_s, max_sequences=256)
    assert found.stable.tolist() == [True, False]
    assert at_limit.stable.all()
    assert float(found.sequences[1]) == pytest.approx(256.0)
    assert float(found.power_w[1]) == pytest.approx(float(at_limit.power_w[0]))


def test_without_requests_a_loaded_model_waits() -> None:
    one = engine()
    for arrivals in ("poisson", "even"):
        found = steady_state(one, CHAT, rate_per_s=[0.0, 1e-6], arrivals=arrivals)  # type: ignore[arg-type]
        assert found.power_w.tolist() == pytest.approx([one.loaded_idle_w] * 2, rel=1e-3)
        assert math.isinf(float(found.energy_per_output_token_j[0]))
        assert np.isfinite(found.ttft_s).all()


@settings(deadline=None, max_examples=60)
@given(st.floats(10.0, 8000.0), st.floats(2.0, 2000.0), st.floats(1.0, 4.0))
def test_more_requests_never_mean_shorter_steps_or_more_energy_per_token(
    input_tokens: float, output_tokens: float, factor: float
) -> None:
    shape = RequestShape(input_tokens=input_tokens, output_tokens=output_tokens, length_factor=factor)
    limit = steady_state(engine(), shape, rate_per_s=0.0).limit_per_s
    found = steady_state(engine(), shape, rate_per_s=np.linspace(0.0, limit, 30))
    assert found.stable.all()
    assert (np.diff(found.sequences) >= -1e-9).all()
    assert (np.diff(found.step_s) >= -1e-12).all()
    energy_j = found.energy_per_output_token_j[1:]
    assert (np.diff(energy_j) <= 1e-9 * energy_j[1:]).all()
    assert (np.diff(found.ttft_s) >= -1e-12).all()
    assert (np.diff(found.busy_fraction) >= -1e-12).all()


@settings(deadline=None, max_examples=40)
@given(st.floats(10.0, 1000.0), st.floats(20.0, 2000.0))
def test_littles_law(input_tokens: float, output_tokens: float) -> None:
    # A prompt that fits into a step makes a request take part in as many steps as it has tokens of output.
    shape = RequestShape(input_tokens=input_tokens, output_tokens=output_tokens)
    limit = steady_state(engine(), shape, rate_per_s=0.0).limit_per_s
    found = steady_state(engine(), shape, rate_per_s=limit * np.linspace(0.01, 0.3, 7))
    assert found.sequences == pytest.approx(found.rate_per_s * output_tokens * found.step_s, rel=1e-3)
    assert (found.busy_fraction <= found.sequences).all()


@pytest.mark.parametrize("model", ["Llama-3.1-8B", "Qwen3-30B-A3B"])
def test_one_request_at_a_time_takes_its_prompt_and_its_decodes(model: str) -> None:
    k = coefficients(deploy(model, "H100"))
    shape = RequestShape(input_tokens=1000, output_tokens=101, length_factor=1.0)
    found = steady_state(k, shape, rate_per_s=[1e-5])
    prompt = step(k, tokens=1000, sequences=1, kv_tokens=0, attention_pairs=500_000)
    decode = step(k, tokens=1, sequences=1, kv_tokens=1050.5, attention_pairs=1051)
    assert float(found.ttft_s[0]) == pytest.approx(prompt.time_s, rel=1e-3)
    assert float(found.tpot_s[0]) == pytest.approx(decode.time_s, rel=1e-3)
    request_s = prompt.time_s + 100 * decode.time_s
    assert float(found.busy_fraction[0]) == pytest.approx(1e-5 * request_s, rel=1e-3)
    above_idle_j = prompt.energy_j + 100 * decode.energy_j - request_s * k.loaded_idle_w
    assert float(found.power_w[0]) - k.loaded_idle_w == pytest.approx(1e-5 * above_idle_j, rel=1e-3)


def test_rates_asked_together_give_what_each_gives_alone() -> None:
    rates = np.array([0.0, 0.3, 7.0, 12.0])
    together = steady_state(engine(), CHAT, rate_per_s=rates)
    for place, rate in enumerate(rates):
        alone = steady_state(engine(), CHAT, rate_per_s=rate)
        assert float(alone.power_w[0]) == pytest.approx(float(together.power_w[place]), rel=1e-12)


@pytest.mark.parametrize(
    ("window", "factor", "expected"),
    [
        (math.inf, 2.0, 1000.0),
        (100.0, 2.0, 100.0),
        (1000.0, 1.0, 500.0 + 250.0),
        (1000.0, 2.0, 500.0 + 500.0 * (1.0 - math.exp(-1.0))),
        (5000.0, 1.0, 750.0),
    ],
)
def test_context_inside_a_window(window: float, factor: float, expected: float) -> None:
    k = engine()._replace(window_tokens=window, global_fraction=0.0)
    # Uniform ages up to 500 tokens reach 500 to 1000; exponential ones of mean 500 are cut at the window.
    shape = RequestShape(input_tokens=500, output_tokens=500, length_factor=factor)
    assert seen_tokens(k, shape) == pytest.approx(expected, rel=1e-12)
    assert seen_tokens(k._replace(global_fraction=1.0), shape) == shape.context_tokens


def test_a_short_window_counts_only_its_part() -> None:
    # Ages from 0 to 500 beside a window that ends after 250: the mean of min(age, 250) is 187.5.
    k = engine()._replace(window_tokens=750.0, global_fraction=0.0)
    shape = RequestShape(input_tokens=500, output_tokens=500, length_factor=1.0)
    assert seen_tokens(k, shape) == pytest.approx(687.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate_per_s": -1.0}, "rate_per_s is -1 1/s; allowed is at least 0"),
        ({"rate_per_s": float("nan")}, "rate_per_s is nan"),
        ({"rate_per_s": 1.0, "max_sequences": 0}, "max_sequences 0; allowed is at least 1"),
        ({"rate_per_s": 1.0, "arrivals": "bursts"}, "arrivals is 'bursts'"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        steady_state(engine(), CHAT, **options)


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(ScenarioError, match="0 tokens in and 5 out; both must be positive"):
        RequestShape(input_tokens=0, output_tokens=5)
    with pytest.raises(ScenarioError, match=r"length_factor is 0.5; allowed is at least 1"):
        RequestShape(input_tokens=5, output_tokens=5, length_factor=0.5)
    with pytest.raises(ScenarioError, match="not one request of 1e\\+06 tokens of context fits"):
        steady_state(engine(), RequestShape(input_tokens=1e6, output_tokens=1, length_factor=1.0), rate_per_s=1.0)
