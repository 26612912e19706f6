"""Reports of ``jw infer`` in a real browser: every chart draws, nothing overflows, no errors, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from joulewright.cli.main import run as run_jw
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.workload import BatchWorkload, mean_step

pytestmark = pytest.mark.browser

LOOKS = [(1440, "light"), (390, "dark"), (390, "light"), (1440, "dark")]
PARITY = {"parity-power", "parity-time", "parity-energy", "baseline"}
CHARTS = {
    "simulate": {"cdf-ttft", "cdf-tpot", "cdf-e2e", "power", "energy"},
    "curve": {"energy-rate", "energy-batch", "power-rate", "power-batch", "ttft", "tpot", "weight-utilization",
              "kv-utilization", "compute-utilization", "busy-fraction"},
    "calibrate": PARITY,
    "validate": PARITY,
    "configure": {"front-embodied", "front-tpot", "day", "throughput"},
    "pack": {"load"},
}  # fmt: skip


MIX = (
    "\n".join(
        f"[[service]]\nname = '{name}'\nmodel = '{model}'\nrate_per_s = {rate}\nlengths = 'constant'\n"
        for name, model, rate in (("a-long-name-of-chat", "Llama-3.1-8B", 20.0), ("code", "Qwen3-8B", 2.0))
    )
    + "\n[space]\naccelerators = 'H100'\nprecisions = ['fp8']\nmax_sequences = 64\n[weighing]\nrequests = 200\n"
)


def measured_rows() -> str:
    """Batches of two models as the step model has them, a little off."""
    rows = ["model,accelerator,gpus,sequences,input_tokens,output_tokens,iteration_s,power_w"]
    for model, gpus, off in (("Llama-3.1-8B", 1, 1.05), ("Llama-3.1-70B", 4, 0.96)):
        k = coefficients(deploy(model, "H100", tensor_parallel=gpus))
        for sequences in (8, 16, 32, 64, 128, 256):
            found = mean_step(k, BatchWorkload(sequences=sequences, input_tokens=400.0, output_tokens=300.0))
            time_s, power_w = float(found.time_s[0]) * off, float(found.power_w[0]) / off
            rows.append(f"{model},H100,{gpus},{sequences},400,300,{time_s!r},{power_w!r}")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One report of each command."""
    base = tmp_path_factory.mktemp("infer")
    (base / "runs.csv").write_text(measured_rows(), encoding="utf-8")
    (base / "mix.toml").write_text(MIX, encoding="utf-8")
    llama, runs = ["--model", "Llama-3.1-8B"], str(base / "runs.csv")
    pair = ["--accelerator", "H100", "--accelerator", "L40S"]
    commands = {
        "simulate": ["bursts:rate=8,requests=1500,seed=1", *llama, "--accelerator", "H100", "--tpot", "12 ms",
                     "--intensity", "400 g/kWh", "--wue", "1.8", "--replicas", "2"],
        "curve": [*llama, *pair, "--points", "80"],
        "calibrate": [runs],
        "validate": [runs, "--leave-out", "batch"],
        "configure": [*llama, *pair, "--rate", "20", "--tpot", "60 ms", "--requests", "200", "--lengths", "constant",
                      "--tensor-parallel", "1", "--intensity", "300 g/kWh"],
        "pack": [str(base / "mix.toml")],
    }  # fmt: skip
    for kind, words in commands.items():
        assert run_jw(["infer", kind, *words, "-q", "-o", str(base / kind)]) == 0
    return {kind: base / kind / "report.html" for kind in CHARTS}


@pytest.mark.parametrize("kind", CHARTS)
@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_every_chart_draws_and_nothing_overflows(
    kind: str, width: int, theme: str, look_at: Any, pages: dict[str, Path]
) -> None:
    shown = look_at(pages[kind], width=width, theme=theme)
    ink = shown.ink()
    assert set(ink) == CHARTS[kind]
    assert {name: share for name, share in ink.items() if share < 0.0003} == {}
    assert shown.overflow() <= 0
    assert shown.outside() == []


def test_the_pointer_names_runs_and_values(look_at: Any, pages: dict[str, Path]) -> None:
    page = look_at(pages["curve"]).page
    chart = page.locator("[data-chart=power-rate]")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 150)
    tip = page.locator("[data-chart=power-rate] .tip").first
    tip.wait_for(timeout=5000)
    assert "H100-SXM" in tip.inner_text()
    assert "L40S" in tip.inner_text()


def test_a_series_can_be_hidden(look_at: Any, pages: dict[str, Path]) -> None:
    page = look_at(pages["simulate"]).page
    picture = "document.querySelector('[data-chart=power] canvas').toDataURL()"
    before = page.evaluate(picture)
    page.locator("button[data-toggles=power]", has_text="host").click()
    page.wait_for_timeout(300)
    assert page.evaluate(picture) != before


def test_time_is_counted_from_the_beginning(look_at: Any, pages: dict[str, Path]) -> None:
    page = look_at(pages["simulate"]).page
    chart = page.locator("[data-chart=power]")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 120)
    tip = page.locator("[data-chart=power] .tip-title").first
    tip.wait_for(timeout=5000)
    assert tip.inner_text().startswith("0:0")
    assert "1970" not in tip.inner_text()
