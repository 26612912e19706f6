"""Reports of jobs with precedence in a real browser: every chart draws, nothing overflows, no errors, no network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joulewright.cli.main import run as run_jw

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; install the test extra")
pytestmark = pytest.mark.browser

LOOKS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
READY_MS = 30_000
SCHEDULERS = ("fifo", "spade:gamma=0.5", "sap:minimum=5+fair")
CHARTS = {
    "compare": {"tradeoff", "split", "timeline", "stretch", "bound", "means"},
    "simulate": {"timeline", "stretch", "bound"},
    "bound": {"bounds", "work"},
    "sites": {"sites", "timeline"},
}

# Share of the canvas pixels that have a colour (axes and labels are grey), by chart.
_INK = """() => Object.fromEntries([...document.querySelectorAll('[data-chart]')].map((holder) => {
  let drawn = 0, all = 1;
  for (const canvas of holder.querySelectorAll('canvas')) {
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    all = Math.max(all, data.length / 4);
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b, a] = [data[i], data[i + 1], data[i + 2], data[i + 3]];
      if (a > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 40) drawn++;
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


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One report of each command."""
    base = tmp_path_factory.mktemp("dag")
    jobs = ["generated:tpch-like,jobs=12,seed=1", "--executors", "25", "-q"]
    several = [item for name in SCHEDULERS for item in ("--scheduler", name)]
    assert run_jw(["dag", "compare", *jobs, *several, "--starts", "5", "-o", str(base / "compare")]) == 0
    assert run_jw(["dag", "simulate", *jobs, "-o", str(base / "simulate")]) == 0
    assert run_jw(["dag", "bound", *jobs, "-o", str(base / "bound")]) == 0
    sites = ["--site", "east", "--site", "west:zone=CA-ON,executors=9", "--home", "east:input_gb=2"]
    sites += ["--placement", "round-robin", "--link", "all:gb_per_s=1,kwh_per_gb=0.1"]
    assert run_jw(["dag", "simulate", *jobs, *sites, "-o", str(base / "sites")]) == 0
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
        settle(page)
        return page

    yield show
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def settle(page: Any) -> None:
    page.wait_for_selector("html[data-ready=true]", timeout=READY_MS)
    drawn = "[...document.querySelectorAll('[data-chart]')].every((e) => e.dataset.drawn === 'true')"
    page.wait_for_function(drawn, timeout=READY_MS)


@pytest.mark.parametrize("kind", CHARTS)
@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_every_chart_draws_and_nothing_overflows(
    kind: str, width: int, theme: str, look: Any, pages: dict[str, Path]
) -> None:
    page = look(pages[kind], width=width, theme=theme)
    ink = page.evaluate(_INK)
    assert set(ink) == CHARTS[kind]
    assert {name: share for name, share in ink.items() if share < 0.001} == {}
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(_OUTSIDE) == []


@pytest.mark.parametrize("width", [1440, 390])
def test_a_run_of_seconds_in_one_hour_and_equal_schedulers_draw(width: int, look: Any, tmp_path: Path) -> None:
    log = Path(__file__).parents[1] / "data" / "spark_events.jsonl"
    several = ("--scheduler", "fifo", "--scheduler", "fair")
    assert run_jw(["dag", "compare", str(log), *several, "--executors", "4", "-q", "-o", str(tmp_path / "run")]) == 0
    page = look(tmp_path / "run" / "report.html", width=width)
    ink = page.evaluate(_INK)
    assert "split" not in ink
    assert "No scheduler differs from fifo" in page.locator("#split").inner_text()
    assert ink["timeline"] > 0.01
    assert ink["tradeoff"] > 0.0001
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(_OUTSIDE) == []


def canvas_of(page: Any, chart: str) -> str:
    found: str = page.evaluate(f"document.querySelector('[data-chart={chart}] canvas').toDataURL()")
    return found


def test_the_timeline_follows_the_selector_and_the_theme(look: Any, pages: dict[str, Path]) -> None:
    page = look(pages["compare"])
    first = canvas_of(page, "timeline")
    page.locator("#timeline input[type=radio]").nth(2).check(force=True)
    page.wait_for_timeout(400)
    second = canvas_of(page, "timeline")
    assert second != first
    assert "sap:minimum=5+fair" in page.locator("[data-note=timeline]").inner_text()
    page.locator("input[name=theme][value=dark]").check(force=True)
    page.wait_for_timeout(400)
    assert canvas_of(page, "timeline") != second


@pytest.mark.parametrize("width", [1440, 390])
def test_the_timeline_names_jobs_under_the_pointer(width: int, look: Any, pages: dict[str, Path]) -> None:
    page = look(pages["compare"], width=width)
    chart = page.locator("[data-chart=timeline]")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 120)
    tip = page.locator("[data-chart=timeline] .tip").first
    tip.wait_for(timeout=5000)
    assert "Executors with tasks" in tip.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_picture_of_executors_fills_the_panel_when_zoomed(look: Any, pages: dict[str, Path]) -> None:
    page = look(pages["simulate"])
    before = canvas_of(page, "timeline")
    page.evaluate(
        "echarts.getInstanceByDom(document.querySelector('[data-chart=timeline]'))"
        ".dispatchAction({ type: 'dataZoom', start: 20, end: 30 })"
    )
    page.wait_for_timeout(400)
    assert canvas_of(page, "timeline") != before
    assert page.evaluate(_INK)["timeline"] > 0.01
