"""Columns of measured runs: other names, those that nobody reads, contradictions, and batches that cannot have run."""

from __future__ import annotations

from typing import Any

import pytest

from joulewright.errors import ScenarioError
from joulewright.physics.inference.calibrate import calibrate
from joulewright.physics.inference.measurement_columns import unread_columns
from joulewright.physics.inference.measurements import Measurement, parse_measurements
from joulewright.physics.inference.precision import precision_name

ROW = {
    "model": "Llama-3.1-8B",
    "accelerator": "H100",
    "sequences": "64",
    "output_tokens": "400",
    "input_tokens": "300",
    "iteration_s": "0.012",
    "power_w": "550",
}


def parsed(**changes: str) -> Measurement:
    (run,) = parse_measurements([ROW | changes])
    return run


def renamed(**names: str) -> dict[str, str]:
    return {names.get(key, key): value for key, value in ROW.items()}


@pytest.mark.parametrize("name", ["tensor_parallel", "tp", "num_gpus", "Tensor Parallel", "tensor-parallel-size"])
def test_other_names_of_accelerators(name: str) -> None:
    assert parsed(**{name: "2"}).gpus == 2


@pytest.mark.parametrize(
    ("names", "attribute", "value"),
    [
        ({"input_tokens": "prompt_tokens"}, "input_tokens", 300.0),
        ({"input_tokens": "avg_input_len"}, "input_tokens", 300.0),
        ({"sequences": "batch_size"}, "sequences", 64.0),
        ({"output_tokens": "avg_output_len"}, "output_tokens", 400.0),
        ({"accelerator": "GPU"}, "power_w", 550.0),
        ({"iteration_s": "step_s"}, "iteration_s", 0.012),
        ({"model": "model_id"}, "model_name", "Llama-3.1-8B"),
    ],
)
def test_other_names_of_what_a_row_needs(names: dict[str, str], attribute: str, value: object) -> None:
    (run,) = parse_measurements([renamed(**names)])
    assert getattr(run, attribute) == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gpus": "2", "tp": "4"}, "gpus is '2' and tp is '4', which are the same; keep one"),
        ({"total_power_w": "700"}, "power_w is 550 W and total_power_w 700 W of 1 accelerators; keep the right one"),
        ({"gpus": "2", "total_power_w": "550"}, "total_power_w 550 W of 2 accelerators"),
        ({"iteration_ms": "20"}, "iteration_s is 0.012 s and iteration_ms says 0.02 s; keep the right one"),
        ({"output_tokens_per_s": "2000"}, "iteration_s is 0.012 s and output_tokens_per_s says 0.032 s"),
        ({"pipeline_parallel": "2"}, "pipeline_parallel is '2'; only runs with 1 can be used"),
        ({"pp": "2"}, "pipeline_parallel is '2'"),
        ({"data_parallel": "4"}, "data_parallel is '4'; only runs with 1 can be used"),
        ({"kv_precision": "fp8"}, "kv_precision is 'fp8'; only runs with bf16 can be used"),
        (
            {"power_cap_w": "400"},
            "power_cap_w is 400 W, below the 700 W of H100-SXM; only runs without a cap can be used",
        ),
        ({"clock_fraction": "0.8"}, "clock_fraction is '0.8'; only runs with 1 can be used"),
        ({"precison": "fp8"}, "column 'precison' is not read; rename it to precision, or drop it"),
        ({"input_token": "100"}, "gives no message"),
    ],
)
def test_columns_that_contradict_or_change_what_ran(change: dict[str, str], message: str) -> None:
    if message == "gives no message":  # the column that it resembles is there
        assert parsed(**change).input_tokens == 300.0
        return
    with pytest.raises(ScenarioError) as caught:
        parsed(**change)
    assert message in str(caught.value)


def test_columns_that_agree_are_no_contradiction() -> None:
    run = parsed(gpus="2", tp="2.0", total_power_w="1100.4", iteration_ms="12.1", output_tokens_per_s="5300",
                 pipeline_parallel="1", kv_precision="auto", power_limit_w="700", data_parallel="1",
                 gpu="0", weight_precision="float16", model_id="meta-llama/Llama-3.1-8B")  # fmt: skip
    assert (run.gpus, run.power_w, run.iteration_s) == (2, 550.0, 0.012)
    assert (run.accelerator.name, run.model_name, run.precision) == ("H100-SXM", "Llama-3.1-8B", "fp16")


def test_columns_that_nobody_reads_are_named() -> None:
    names = [*ROW, "date", "p99_itl_ms", "cached_part_fraction", "tp"]
    assert unread_columns(names) == [
        "the column 'date' is not read",
        "the column 'p99_itl_ms' is not read",
        "the column 'cached_part_fraction' is not read; rename it if it is cached_fraction",
    ]
    assert unread_columns(["model_id", "avg_batch_size", "output_throughput_tokens_per_sec", "avg_power_watts"]) == []


@pytest.mark.parametrize("text", ["0", "0.0", "0.00", "0e0", " 0.000 "])
def test_a_fraction_of_nothing(text: str) -> None:
    assert parsed(cached_fraction=text).cached_fraction == 0.0


@pytest.mark.parametrize("text", ["-0.1", "nan", "1.01", "x"])
def test_fractions_out_of_range(text: str) -> None:
    with pytest.raises(ScenarioError, match="cached_fraction is"):
        parsed(cached_fraction=text)


@pytest.mark.parametrize(
    ("text", "name"),
    [("torch.bfloat16", "bf16"), ("float8_e4m3fn", "fp8"), ("torch.float8_e4m3fn", "fp8"), ("fp8_e5m2", "fp8")],
)
def test_formats_as_engines_print_them(text: str, name: str) -> None:
    assert precision_name(text) == name
    assert parsed(precision=text, iteration_s="0.02").precision == name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_tokens": "131000", "sequences": "1"}, "131400 tokens; the context of Llama-3.1-8B holds 131072"),
        ({"input_tokens": "", "output_tokens": "140000", "sequences": "1"}, "140000 tokens; the context"),
        # 64 GB beside the weights are 976,000 tokens of 65,536 bytes in 8 bits.
        ({"input_tokens": "30000"}, "64 sequences of 30200 tokens are 1.93e+06 tokens of cache"),
        ({"sequences": "20000"}, "cache"),
    ],
)
def test_batches_that_cannot_have_run(change: dict[str, str], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parsed(**change | {"iteration_s": "0.1"})
    assert message in str(caught.value)


def test_batches_that_share_a_cached_prompt_fit() -> None:
    assert parsed(input_tokens="30000", cached_fraction="0.9", iteration_s="0.1").sequences == 64.0
    with pytest.raises(ScenarioError, match=r"64 sequences of 15200 tokens"):
        parsed(input_tokens="30000", cached_fraction="0.5", iteration_s="0.1", power_w="250", accelerator="A40")


def test_names_of_one_model_are_held_out_together() -> None:
    """Two names of the same weights would each be predicted by the other."""
    rows: list[dict[str, Any]] = []
    for name in ("Llama-3.1-8B", "meta-llama/Llama-3.1-8B-Instruct"):
        rows += [renamed() | {"model": name, "sequences": str(n), "iteration_s": f"{0.008 + n * 6e-5}"}
                 for n in (8, 16, 32, 64)]  # fmt: skip
    found = calibrate(parse_measurements(rows))
    assert [item.method for item in found.errors] == ["5 folds"]
    assert any("all runs of dense models are of Llama-3.1-8B" in text for text in found.warnings)
