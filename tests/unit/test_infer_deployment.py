"""Deployments: what fits, what is refused, and how parallelism, experts, slices and caps change the coefficients."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewright.errors import ScenarioError
from joulewright.physics.accelerator import catalogue, find_accelerator
from joulewright.physics.inference.constants import CONSTANT_SETS, EngineConstants, constants_for, scaled_power
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.models import find_language_model
from joulewright.physics.inference.step import step

FIRST = CONSTANT_SETS["H100-1"]


def one(model="Llama-3.1-8B", device="H100", **options):
    return coefficients(deploy(model, device, **({"constants": FIRST} | options)))


def decodes(coefficients_, sequences, context=1024.0):
    return step(
        coefficients_,
        tokens=sequences,
        sequences=sequences,
        kv_tokens=sequences * context,
        attention_pairs=sequences * (context + 0.5),
    )


@pytest.mark.parametrize(
    ("model", "device", "options", "message"),
    [
        ("Llama-3.1-70B", "H100", {}, r"its weights take 141.2 GB, and 1 x H100-SXM leave 70.8 GB .* at least 2 acc"),
        ("Llama-3.1-8B", "H100", {"overhead_bytes": 9e10}, "raise memory_utilization or lower overhead_bytes"),
        ("Llama-3.1-8B", "A100", {"precision": "fp8"}, "'fp8' is not known to run on A100-SXM; allowed is bf16, fp16"),
        ("Llama-3.1-8B", "V100", {}, "'bf16' is not known to run on V100-SXM2; allowed is fp16"),
        ("Llama-3.1-8B", "H100", {"precision": "fp3"}, "precision 'fp3' is unknown; allowed is bf16"),
        ("Llama-3.1-8B", "H100", {"kv_precision": "nf4"}, "precision 'nf4' is unknown"),
        ("Llama-3.1-8B", "H100", {"tensor_parallel": 3}, "tensor_parallel is 3; it must divide the 32 query heads"),
        ("Llama-3.1-8B", "H100", {"tensor_parallel": 0}, "tensor_parallel is 0; allowed is a whole number"),
        ("Llama-3.1-8B", "H100", {"pipeline_parallel": 33}, "pipeline_parallel is 33; allowed is up to the 32 layers"),
        ("Llama-3.1-8B", "H100", {"expert_parallel": 2}, "expert_parallel is 2, but Llama-3.1-8B has no experts"),
        ("Qwen3-30B-A3B", "H100", {"expert_parallel": 2}, "expert_parallel is 2; it must divide tensor_parallel 1"),
        (
            "Llama-3.1-8B",
            "H100",
            {"power_cap_w": 60.0},
            "power_cap_w is 60 W on H100-SXM; allowed is above 183.75 W",
        ),
        (
            "Llama-3.1-8B",
            "H100",
            {"power_cap_w": 150.0},
            "the step model stands still at a quarter of the limit, 175 W",
        ),
        ("Llama-3.1-8B", "H100", {"power_cap_w": 183.75}, "allowed is above 183.75 W"),
        ("Llama-3.1-8B", "H100", {"power_cap_w": 80.0, "slice": "3g.40gb"}, "power_cap_w is 80 W"),
        ("Llama-3.1-8B", "H100", {"power_cap_w": 701.0}, "up to its board limit of 700 W"),
        ("Llama-3.1-8B", "H100", {"clock_fraction": 0.0}, "clock_fraction is 0.0; allowed is above 0 up to 1"),
        (
            "Llama-3.1-8B",
            "H100",
            {"memory_utilization": 90.0},
            "memory_utilization is 90.0; allowed is above 0 up to 1",
        ),
        ("Llama-3.1-8B", "H100", {"overhead_bytes": -1.0}, "overhead_bytes is -1.0 B"),
        ("Llama-3.1-8B", "H100", {"slice": "3g.40gb", "tensor_parallel": 2}, "slice '3g.40gb' stands alone"),
        ("DeepSeek-V3", "H100", {"tensor_parallel": 16}, "latent attention or state-space"),
    ],
)
def test_refused_deployments(model, device, options, message):
    with pytest.raises(ScenarioError, match=message):
        deploy(model, device, **options)


@pytest.mark.parametrize("count", range(1, 9))
def test_a_refusal_names_how_many_accelerators_are_enough(count):
    if count < 2:
        with pytest.raises(ScenarioError, match=r"at least 2 accelerators"):
            deploy("Llama-3.1-70B", "H100", pipeline_parallel=count)
    else:
        assert deploy("Llama-3.1-70B", "H100", pipeline_parallel=count).kv_capacity_tokens > 0


def test_tensor_parallel_splits_bytes_and_adds_link_time():
    single, double = one("Qwen3-32B"), one("Qwen3-32B", tensor_parallel=2)
    assert double.weight_bytes == single.weight_bytes / 2
    assert double.kv_bytes_per_token == single.kv_bytes_per_token / 2
    assert (single.seconds_per_token, single.gpus, double.gpus) == (0.0, 1.0, 2.0)
    # Two all-reduces in each of 64 layers, 13.1 us each; per token 2 (tp - 1) / tp of 2 x 5,120 B over 450 GB/s.
    assert double.fixed_s - single.fixed_s == pytest.approx(2 * 64 * 13.1e-6)
    assert double.seconds_per_token == pytest.approx(2 * 64 * 1.0 * 2 * 5120 / 450e9)


def test_cache_heads_are_copied_beyond_their_number():
    four, eight = (one("Qwen3-235B-A22B-FP8", tensor_parallel=count, expert_parallel=count) for count in (4, 8))
    assert eight.kv_bytes_per_token == four.kv_bytes_per_token


def test_pipeline_stages_run_one_after_the_other():
    single, staged = one(), one(pipeline_parallel=2)
    assert staged.weight_bytes == single.weight_bytes
    assert staged.seconds_per_token == pytest.approx(2 * 4096 / 450e9)
    found, alone = decodes(staged, 8.0), decodes(single, 8.0)
    assert found.time_s >= alone.time_s
    assert found.weight_utilization == pytest.approx(alone.weight_utilization / 2, rel=1e-3)


def test_eight_bit_checkpoints_keep_the_peak_of_sixteen_bits():
    full, small = one(), one(precision="fp8")
    assert small.weight_bytes == full.weight_bytes / 2
    assert small.flops_per_s == full.flops_per_s


def test_four_bit_experts_leave_the_rest_in_sixteen_bits():
    model = find_language_model("gpt-oss-20b")
    found = one("gpt-oss-20b")
    assert found.weight_bytes == pytest.approx(2.0 * model.shared_parameters)
    assert found.expert_bytes == pytest.approx(0.53125 * model.expert_parameters)


@pytest.mark.parametrize(("tokens", "experts"), [(1.0, 8.0), (8.0, 51.6199), (64.0, 125.9423)])
def test_touched_experts(tokens, experts):
    found = one("Qwen3-30B-A3B")
    busy = decodes(found, tokens, 0.0)
    read = busy.weight_utilization * busy.time_s * found.raw_bytes_per_s - found.weight_bytes
    assert read / found.expert_bytes * 128 == pytest.approx(experts, rel=1e-5)


def test_rarely_chosen_experts_come_into_use_late():
    found = one("Qwen3-30B-A3B", constants=replace(FIRST, expert_popularity_variance=1.0))
    busy = decodes(found, 8.0, 0.0)
    read = busy.weight_utilization * busy.time_s * found.raw_bytes_per_s - found.weight_bytes
    # r = -ln(1 - 8 / 128) = 0.0645385, and 128 (1 - 1 / (1 + 8 r)) = 43.5844.
    assert read / found.expert_bytes * 128 == pytest.approx(43.5844, rel=1e-5)


@given(st.floats(0.0, 30.0), st.floats(0.05, 1.0), st.floats(0.0, 1e5))
def test_experts_in_use_are_a_share_that_grows_with_tokens_and_with_even_popularity(variance, variety, tokens):
    def share(spread, count):
        constants = replace(FIRST, expert_popularity_variance=spread, expert_variety=variety)
        k = one("Qwen3-30B-A3B", constants=constants)._replace(weight_bytes=1e-6)
        return decodes(k, count, 0.0).weight_utilization * decodes(k, count, 0.0).time_s

    most = one("Qwen3-30B-A3B").expert_bytes / one("Qwen3-30B-A3B").raw_bytes_per_s
    assert 0.0 <= share(variance, tokens) <= most * (1.0 + 1e-9)
    assert share(variance, tokens) <= share(variance, tokens + 1.0) * (1.0 + 1e-9)
    assert share(variance + 1.0, tokens) <= share(variance, tokens) * (1.0 + 1e-6) + 1e-15


def test_a_token_that_uses_every_expert_reads_all_of_them():
    model = replace(find_language_model("Qwen3-30B-A3B"), experts_per_token=128)
    k = one(model)
    assert decodes(k, 1.0, 0.0).weight_utilization * decodes(k, 1.0, 0.0).time_s == pytest.approx(
        (k.weight_bytes + k.expert_bytes) / k.raw_bytes_per_s
    )
    assert decodes(k, 0.0, 0.0).time_s > 0.0


def test_eight_bit_layers_go_through_every_expert_that_they_hold():
    constants = replace(FIRST, t_held_fp8_s=5e-6, t_expert_s=20e-6, t_expert_mxfp4_s=70e-6)

    def overhead_s(name, count, **options):
        return one(name, tensor_parallel=count, constants=constants, **options).expert_fixed_s

    # 94 layers, 128 experts over 4 or 8 groups; without groups every accelerator holds a part of all.
    assert overhead_s("Qwen3-235B-A22B-FP8", 4, expert_parallel=4) == pytest.approx(94 * 32 * 5e-6)
    assert overhead_s("Qwen3-235B-A22B-FP8", 8, expert_parallel=8) == pytest.approx(94 * 16 * 5e-6)
    assert overhead_s("Qwen3-235B-A22B-FP8", 8) == pytest.approx(94 * 128 * 5e-6)
    assert overhead_s("Qwen3-235B-A22B", 8, expert_parallel=8) == pytest.approx(94 * 20e-6)
    assert overhead_s("gpt-oss-20b", 2) == pytest.approx(24 * 70e-6)
    assert overhead_s("Llama-3.1-8B", 1) == 0.0


def test_experts_in_groups_wait_for_the_busiest():
    together, spread = (one("Qwen3-30B-A3B", tensor_parallel=2, expert_parallel=count) for count in (1, 2))
    assert together.expert_imbalance == 0.0
    assert spread.expert_imbalance == pytest.approx(0.5642 / 8.0)  # of 64 experts in each of two groups
    assert decodes(spread, 4.0).memory_s > decodes(together, 4.0).memory_s
    # Once every expert is in use, there is no busiest group.
    assert decodes(spread, 4096.0, 0.0).memory_s == pytest.approx(decodes(together, 4096.0, 0.0).memory_s)


def test_a_slice_is_a_smaller_device():
    whole, part = one(), one(slice="3g.40gb")
    assert part.raw_bytes_per_s == whole.raw_bytes_per_s / 2
    assert part.limit_w == pytest.approx(700.0 * 60 / 132)
    assert part.p0_w == pytest.approx(198.0 * 60 / 132)
    assert decodes(part, 8.0).time_s > decodes(whole, 8.0).time_s


def test_the_lowest_cap_gives_finite_steps():
    found = decodes(one(power_cap_w=184.0), 64.0)
    assert 0.0 < decodes(one(), 64.0).time_s < found.time_s < 1.0
    assert found.power_w == 184.0


def test_caps_slow_down_only_below_the_draw():
    free, high, low = one(), one(power_cap_w=600.0), one(power_cap_w=300.0)
    draw = decodes(free, 64.0)
    assert decodes(high, 64.0) == draw
    capped = decodes(low, 64.0)
    assert capped.power_w == 300.0
    assert capped.time_s > draw.time_s
    assert capped.raw_power_w == draw.raw_power_w


def test_a_locked_clock_slows_operations_and_saves_energy():
    full, slow, slowest = one(), one(clock_fraction=0.7), one(clock_fraction=0.3)
    assert slow.flops_per_s == pytest.approx(0.7 * full.flops_per_s)
    assert slow.raw_flops_per_s == full.raw_flops_per_s
    assert slow.bytes_per_s == full.bytes_per_s
    assert slowest.bytes_per_s == pytest.approx(full.bytes_per_s / 2)  # half of 0.6
    assert slow.compute_w == pytest.approx(812.0 * 0.88**2)
    assert slow.p0_w == pytest.approx(70.0 + 128.0 * 0.7 * 0.88**2)
    fast, saving = decodes(full, 64.0), decodes(slow, 64.0)
    assert saving.energy_j < fast.energy_j
    assert fast.time_s < saving.time_s < 1.02 * fast.time_s
    assert one(clock_fraction=1.0) == full


def test_links_must_be_known():
    device = replace(find_accelerator("H100"), name="Card", link_gb_s=None)
    with pytest.raises(ScenarioError, match=r"link rate of Card is unknown, and 2 x 1 of them share the model"):
        one(device=device, tensor_parallel=2)
    known = replace(FIRST, link_bytes_s=20e9)
    assert one(device=device, tensor_parallel=2, constants=known).seconds_per_token > 0.0


def test_the_vocabulary_must_be_known_where_constants_use_it():
    model = replace(find_language_model("Llama-3.1-8B"), vocabulary=None)
    with pytest.raises(ScenarioError, match=r"vocabulary of model 'Llama-3.1-8B' is unknown"):
        one(model, constants=CONSTANT_SETS["H100-2"])
    assert one(model).seconds_per_sequence == FIRST.t_seq_s


@pytest.mark.parametrize("device", catalogue().values(), ids=lambda device: device.name)
def test_every_device_has_constants(device):
    found = constants_for(device)
    assert found.status
    uncalibrated = device.name not in {"H100-SXM", "B200", "RTX-PRO-6000"}
    assert found.status.startswith("uncalibrated") == uncalibrated
    assert (found.energy_error is None) == (uncalibrated or device.name == "RTX-PRO-6000")


def test_constants_out_of_range():
    with pytest.raises(ScenarioError, match=r"eta_b of the constants 'H100-1' is 84.5; allowed is above 0 up to 1"):
        replace(FIRST, eta_b=84.5)
    for key, value in (("eta_expert", 1.2), ("expert_variety", 0.0)):
        with pytest.raises(
            ScenarioError, match=rf"{key} of the constants 'H100-1' is {value}; allowed is above 0 up to 1"
        ):
            replace(FIRST, **{key: value})
    with pytest.raises(ScenarioError, match=r"expert_popularity_variance of the constants 'H100-1' is -1.0"):
        replace(FIRST, expert_popularity_variance=-1.0)
    with pytest.raises(ScenarioError, match=r"p0_w of the constants 'H100-1' is nan"):
        replace(FIRST, p0_w=float("nan"))
    with pytest.raises(ScenarioError, match=r"link_bytes_s of 'H100-1' is 0"):
        replace(FIRST, link_bytes_s=0.0)
    assert scaled_power(FIRST, 0.5).p0_w == 99.0
    assert isinstance(constants_for(find_accelerator("H100")), EngineConstants)


MODELS = st.sampled_from(
    [("Llama-3.1-8B", {}), ("Qwen3-30B-A3B", {}), ("gemma-3-12b", {}), ("Qwen3-32B", {"tensor_parallel": 2})]
)


@given(MODELS, st.floats(1.0, 512.0), st.floats(0.0, 30_000.0), st.floats(0.0, 4096.0))
def test_steps_grow_with_their_work_and_energy_adds_up(model, sequences, context, chunk):
    name, options = model
    k = one(name, constants=CONSTANT_SETS["H100-2"], **options)
    less = step(k, tokens=sequences, sequences=sequences, kv_tokens=0.0, attention_pairs=0.0)
    more = step(
        k,
        tokens=sequences + chunk,
        sequences=sequences,
        kv_tokens=sequences * context,
        attention_pairs=sequences * context,
    )
    assert 0.0 < less.time_s <= more.time_s * (1.0 + 1e-12)
    assert more.power_w <= 700.0
    assert more.energy_j == pytest.approx(more.power_w * more.time_s * k.gpus, rel=1e-12)
    slower = k._replace(bytes_per_s=k.bytes_per_s / 2, expert_bytes_per_s=k.expert_bytes_per_s / 2)
    again = step(slower, tokens=sequences, sequences=sequences, kv_tokens=0.0, attention_pairs=0.0)
    assert again.time_s >= less.time_s


@given(st.floats(1.0, 256.0), st.floats(1.0, 8192.0))
def test_raw_energy_is_linear_in_bytes_and_operations(sequences, context):
    k = one()
    found = decodes(k, sequences, context)
    bytes_w, bytes_kv = k.weight_bytes, k.kv_bytes_per_token * sequences * context
    flops = k.flops_per_token * sequences + k.flops_per_token_context * sequences * (context + 0.5)
    parts = 198.0 * found.time_s + (340.0 * bytes_w + 653.0 * bytes_kv) / 3.35e12 + 812.0 * flops / 989e12
    assert found.raw_power_w * found.time_s == pytest.approx(parts, rel=1e-12)


@pytest.mark.parametrize("key", ["tokens", "sequences", "kv_tokens", "attention_pairs"])
@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_counts_must_be_finite_and_not_negative(key, value):
    counts = {"tokens": 1.0, "sequences": 1.0, "kv_tokens": 8.0, "attention_pairs": 8.0}
    with pytest.raises(ScenarioError, match=r"allowed is at least 0"):
        step(one(), **(counts | {key: value}))
