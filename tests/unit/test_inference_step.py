"""Steps of an inference engine against vectors worked out by hand from bytes, operations and constants."""

from __future__ import annotations

import numpy as np
import pytest

from joulewright.physics.inference.constants import CONSTANT_SETS
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.step import step

H100, B200, PRO6000 = CONSTANT_SETS["H100-1"], CONSTANT_SETS["B200-1"], CONSTANT_SETS["PRO6000-1"]


def batch(*parts):
    """Counts of a step from (sequences, tokens each, context each)."""
    return {
        "tokens": sum(n * q for n, q, _ in parts),
        "sequences": sum(n for n, _, _ in parts),
        "kv_tokens": sum(n * c for n, _, c in parts),
        "attention_pairs": sum(n * q * (c + q / 2.0) for n, q, c in parts),
    }


def engine(model, device, constants, **options):
    return coefficients(deploy(model, device, constants=constants, **options))


VECTORS = {
    "A": (("Llama-3.1-8B", "H100", H100, {}), [(1, 1, 1024)], 5.7208, 0.0240, 7.4218, 422.98, 3.1393),
    "B": (("Llama-3.1-8B", "H100", H100, {}), [(64, 1, 1024)], 8.7079, 1.5343, 13.2709, 512.71, 6.8041),
    "C": (("Llama-3.1-8B", "H100", H100, {}), [(1, 2048, 0)], 5.6734, 49.0978, 51.1254, 700.0, 35.7878),
    "D": (
        ("Llama-3.1-8B", "H100", H100, {}),
        [(64, 1, 1024), (1, 512, 1536)],
        8.7790,
        14.1066,
        21.0874,
        700.0,
        14.7611,
    ),
    "E": (
        ("Llama-3.1-70B", "H100", H100, {"tensor_parallel": 4}),
        [(128, 1, 1024)],
        16.2633,
        6.6508,
        30.4716,
        508.32,
        61.9574,
    ),
    "F": (
        ("Llama-3.1-405B-FP8", "H100", H100, {"tensor_parallel": 8}),
        [(32, 1, 1024)],
        18.6705,
        4.7393,
        31.5038,
        460.04,
        115.945,
    ),
    "G": (
        ("Qwen3-32B", "H100", H100, {"tensor_parallel": 2}),
        [(16, 1, 8192)],
        17.6561,
        0.9566,
        23.4134,
        506.43,
        23.7146,
    ),
    "H": (("Llama-3.1-8B", "B200", B200, {}), [(64, 1, 1024)], 3.3897, 0.6744, 10.0385, 680.39, 6.8301),
    "I": (("Llama-3.1-8B", "RTX-PRO-6000", PRO6000, {}), [(64, 1, 1024)], 19.2939, 3.2437, 20.5647, None, None),
    "J": (("Llama-3.1-8B", "RTX-PRO-6000", PRO6000, {}), [(1, 2048, 0)], 12.5704, 103.797, 105.555, None, None),
}
UTILIZATIONS = {
    "A": (0.6459, 0.0054, 0.0023),
    "C": (0.0938, 0.0, 0.6722),
    "D": (0.2273, 0.1244, 0.4683),
    "E": (0.3458, 0.1052, 0.1528),
    "G": (0.4182, 0.2190, 0.0286),
    "J": (0.0953, 0.0, 0.6392),
}


@pytest.mark.parametrize("name", VECTORS)
def test_steps_of_known_constants(name):
    (model, device, constants, options), parts, memory_ms, compute_ms, time_ms, power_w, energy_j = VECTORS[name]
    found = step(engine(model, device, constants, **options), **batch(*parts))
    assert found.memory_s * 1e3 == pytest.approx(memory_ms, rel=1e-3)
    assert found.compute_s * 1e3 == pytest.approx(compute_ms, rel=3e-3)  # 0.0240 has three digits
    assert found.time_s * 1e3 == pytest.approx(time_ms, rel=1e-3)
    if power_w is not None:
        assert found.power_w == pytest.approx(power_w, rel=1e-3)
        assert found.energy_j == pytest.approx(energy_j, rel=1e-3)
    if name in UTILIZATIONS:
        shares = (found.weight_utilization, found.kv_utilization, found.compute_utilization)
        assert shares == pytest.approx(UTILIZATIONS[name], abs=6e-5)


def test_power_above_the_board_limit_is_cut_and_the_raw_power_kept():
    one = engine("Llama-3.1-8B", "H100", H100)
    assert step(one, **batch((1, 2048, 0))).raw_power_w == pytest.approx(775.74, rel=1e-3)
    assert step(one, **batch((64, 1, 1024), (1, 512, 1536))).raw_power_w == pytest.approx(736.80, rel=1e-3)


def test_the_steps_of_a_small_trace():
    # Two requests, 100 + 3000 tokens of prompt, budget 2048: (context, tokens) of both in three steps.
    one = engine("Llama-3.1-8B", "RTX-PRO-6000", PRO6000)
    steps = [[(1, 100, 0), (1, 1948, 0)], [(1, 1, 100), (1, 1052, 1948)], [(1, 1, 101), (1, 1, 3000)]]
    times = [step(one, **batch(*parts)).time_s * 1e3 for parts in steps]
    assert times == pytest.approx([105.2458, 58.2537, 13.8890], rel=1e-3)


def test_bytes_and_operations_of_one_step():
    one = engine("Llama-3.1-70B", "H100", H100, tensor_parallel=4)
    assert one.weight_bytes == pytest.approx(3.53e10)
    assert one.kv_bytes_per_token * 128 * 1024 == 10_737_418_240
    flops = one.flops_per_token * 128 + one.flops_per_token_context * 128 * 1024.5
    assert flops == pytest.approx(4_604_341_288_960)


@pytest.mark.parametrize(
    ("memory_bytes", "overhead_bytes", "tokens"),
    [(80e9, 0.0, 426_788), (96e9, 0.0, 536_651), (25_250_627_584, 0.0, 50_854), (25_250_627_584, 1.24e9, 41_393)],
)
def test_capacity_of_the_cache(memory_bytes, overhead_bytes, tokens):
    from dataclasses import replace

    from joulewright.physics.accelerator import find_accelerator

    device = replace(find_accelerator("H100"), memory_gb=memory_bytes / 1e9)
    assert deploy("Llama-3.1-8B", device, overhead_bytes=overhead_bytes).kv_capacity_tokens == tokens


def test_arrays_give_arrays():
    one = engine("Llama-3.1-8B", "H100", H100)
    sequences = np.array([1.0, 64.0])
    found = step(
        one, tokens=sequences, sequences=sequences, kv_tokens=1024 * sequences, attention_pairs=1024.5 * sequences
    )
    assert found.time_s * 1e3 == pytest.approx(np.array([7.4218, 13.2709]), rel=1e-3)
    assert all(np.shape(value) == (2,) for value in found)
    assert isinstance(step(one, **batch((1, 1, 8))).time_s, float)
