"""Reports of ``jw infer`` in a real browser: every chart draws, nothing overflows, no errors, no network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joulewright.cli.main import run as run_jw
from joulewright.physics.inference.deployment import coefficients, deploy
from joulewright.physics.inference.workload import BatchWorkload, mean_step

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; install the test extra")
pytestmark = pytest.mark.browser

LOOKS = [(1440, "light"), (390, "dark"), (390, "light"), (1440, "dark")]
READY_MS = 30_000
PARITY = {"parity-power", "parity-time", "parity-energy", "baseline"}
CHARTS = {
    "simulate": {"cdf-ttft", "cdf-tpot", "cdf-e2e", "power", "energy"},
    "curve": {"energy-rate", "energy-batch", "power-rate", "power-batch", "ttft", "tpot", "weight-utilization",
              "kv-utilization", "compute-utilization", "busy-fraction"},
    "calibrate": PARITY,
    "validate": PARITY,
    "configure": {"front-embodied", "front-tpot", "day", "throughput"},
}  # fmt: skip

# Share of the canvas pixels that have a colour (axes and labels are grey), by chart.
_INK = """() => Object.fromEntries([...document.querySelectorAll('[data-chart]')].map((holder) => {
  let drawn = 0, all = 1;
  for (const canvas of holder.querySelectorAll('canvas')) {
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    all = Math.max(all, data.length / 4);
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 128 && Math.max(...data.slice(i, i + 3)) - Math.min(...data.slice(i, i + 3)) > 40) drawn++;
    }
  }
  return [holder.dataset.chart, drawn / all];
}))"""

# Elements that stick out of the window and are not inside a box that scrolls.
_OUTSIDE = """() => [...document.querySelectorAll('body *')].filter((e) => {
  const box = e.getBoundingClientRect();
  const scrolls = e.closest('.table') || e.closest('.skip') || e.closest('.visually-hidden') || e.closest('.contents');
  return box.width > 0 && !scrolls && (box.right > innerWidth + 1 || box.left < -1);
}).map((e) => e.tagName + '.' + e.className)"""


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
    }  # fmt: skip
    for kind, words in commands.items():
        assert run_jw(["infer", kind, *words, "-q", "-o", str(base / kind)]) == 0
    return {kind: base / kind / "report.html" for kind in CHARTS}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed; the report is not looked at in a browser")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--lang=en-US"])
        yield chromium
        chromium.close()


@pytest.fixture
def look(browser: Any) -> Iterator[Any]:
    """Opens a page; it must have been quiet and offline at the end of the test."""
    contexts: list[Any] = []
    complaints: list[str] = []
    requests: list[str] = []

    def show(path: Path, *, width: int = 1440, theme: str = "light") -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme))
        page = contexts[-1].new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready=true]", timeout=READY_MS)
        drawn = "[...document.querySelectorAll('[data-chart]')].every((e) => e.dataset.drawn === 'true')"
        page.wait_for_function(drawn, timeout=READY_MS)
        return page

    yield show
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize("kind", CHARTS)
@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_every_chart_draws_and_nothing_overflows(
    kind: str, width: int, theme: str, look: Any, pages: dict[str, Path]
) -> None:
    page = look(pages[kind], width=width, theme=theme)
    ink = page.evaluate(_INK)
    assert set(ink) == CHARTS[kind]
    assert {name: share for name, share in ink.items() if share < 0.0003} == {}
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(_OUTSIDE) == []


def test_the_pointer_names_runs_and_values(look: Any, pages: dict[str, Path]) -> None:
    page = look(pages["curve"])
    chart = page.locator("[data-chart=power-rate]")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 150)
    tip = page.locator("[data-chart=power-rate] .tip").first
    tip.wait_for(timeout=5000)
    assert "H100-SXM" in tip.inner_text()
    assert "L40S" in tip.inner_text()


def test_a_series_can_be_hidden(look: Any, pages: dict[str, Path]) -> None:
    page = look(pages["simulate"])
    picture = "document.querySelector('[data-chart=power] canvas').toDataURL()"
    before = page.evaluate(picture)
    page.locator("button[data-toggles=power]", has_text="host").click()
    page.wait_for_timeout(300)
    assert page.evaluate(picture) != before


def test_time_is_counted_from_the_beginning(look: Any, pages: dict[str, Path]) -> None:
    page = look(pages["simulate"])
    chart = page.locator("[data-chart=power]")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 120)
    tip = page.locator("[data-chart=power] .tip-title").first
    tip.wait_for(timeout=5000)
    assert tip.inner_text().startswith("0:0")
    assert "1970" not in tip.inner_text()
