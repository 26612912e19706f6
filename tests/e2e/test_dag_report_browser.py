"""Reports of jobs with precedence in a real browser: every chart draws, nothing overflows, no errors, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from joulewright.cli.main import run as run_jw

pytestmark = pytest.mark.browser

LOOKS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
SCHEDULERS = ("fifo", "spade:gamma=0.5", "sap:minimum=5+fair")
CHARTS = {
    "compare": {"tradeoff", "split", "timeline", "stretch", "bound", "means"},
    "simulate": {"timeline", "stretch", "bound"},
    "bound": {"bounds", "work"},
    "sites": {"sites", "timeline"},
}


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


@pytest.mark.parametrize("kind", CHARTS)
@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_every_chart_draws_and_nothing_overflows(
    kind: str, width: int, theme: str, look_at: Any, pages: dict[str, Path]
) -> None:
    shown = look_at(pages[kind], width=width, theme=theme)
    ink = shown.ink()
    assert set(ink) == CHARTS[kind]
    assert {name: share for name, share in ink.items() if share < 0.001} == {}
    assert shown.overflow() <= 0
    assert shown.outside() == []


@pytest.mark.parametrize("width", [1440, 390])
def test_a_run_of_seconds_in_one_hour_and_equal_schedulers_draw(width: int, look_at: Any, tmp_path: Path) -> None:
    log = Path(__file__).parents[1] / "data" / "spark_events.jsonl"
    several = ("--scheduler", "fifo", "--scheduler", "fair")
    assert run_jw(["dag", "compare", str(log), *several, "--executors", "4", "-q", "-o", str(tmp_path / "run")]) == 0
    shown = look_at(tmp_path / "run" / "report.html", width=width)
    page, ink = shown.page, shown.ink()
    assert "split" not in ink
    assert "No scheduler differs from fifo" in page.locator("#split").inner_text()
    assert ink["timeline"] > 0.01
    assert ink["tradeoff"] > 0.0001
    assert shown.overflow() <= 0
    assert shown.outside() == []


def canvas_of(page: Any, chart: str) -> str:
    found: str = page.evaluate(f"document.querySelector('[data-chart={chart}] canvas').toDataURL()")
    return found


def test_the_timeline_follows_the_selector_and_the_theme(look_at: Any, pages: dict[str, Path]) -> None:
    page = look_at(pages["compare"]).page
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
def test_the_timeline_names_jobs_under_the_pointer(width: int, look_at: Any, pages: dict[str, Path]) -> None:
    shown = look_at(pages["compare"], width=width)
    page = shown.page
    chart = page.locator("[data-chart=timeline]")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 120)
    tip = page.locator("[data-chart=timeline] .tip").first
    tip.wait_for(timeout=5000)
    assert "Executors with tasks" in tip.inner_text()
    assert shown.overflow() <= 0


def test_the_picture_of_executors_fills_the_panel_when_zoomed(look_at: Any, pages: dict[str, Path]) -> None:
    shown = look_at(pages["simulate"])
    page = shown.page
    before = canvas_of(page, "timeline")
    page.evaluate(
        "echarts.getInstanceByDom(document.querySelector('[data-chart=timeline]'))"
        ".dispatchAction({ type: 'dataZoom', start: 20, end: 30 })"
    )
    page.wait_for_timeout(400)
    assert canvas_of(page, "timeline") != before
    assert shown.ink()["timeline"] > 0.01


def test_a_window_that_narrows_needs_no_scrolling_before_charts_are_drawn_anew(
    look_at: Any, pages: dict[str, Path]
) -> None:
    shown = look_at(pages["sites"], width=1440)
    shown.page.set_viewport_size({"width": 390, "height": 900})
    assert shown.overflow() <= 0
    shown.page.wait_for_function("document.querySelector('[data-chart=sites]').dataset.width < 390")
    assert shown.outside() == []
