"""Reports in a real browser: every chart draws, nothing overlaps or overflows, no errors, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from joulewright.model import Happening, JobRecord, Trajectory
from joulewright.report import write_report
from joulewright.report.study_page import write_study_report
from joulewright.report.trajectory_page import write_trajectory_report

pytestmark = pytest.mark.browser

LOOKS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]

# Pairs of visible boxes inside one parent that overlap by more than a pixel.
_OVERLAPS = """() => {
  const bad = [];
  const groups = [['main', 'section'], ['section', ':scope > *'], ['figure', ':scope > *'], ['.legend', 'li'],
                  ['.tiles', '.tile'], ['.checks', 'li'], ['.layout', ':scope > *'], ['.figures', 'figure'],
                  ['.masthead', ':scope > *'], ['.segmented', 'label'], ['.badges', 'li']];
  for (const [parents, children] of groups) for (const parent of document.querySelectorAll(parents)) {
    const boxes = [...parent.querySelectorAll(children)].map((e) => [e, e.getBoundingClientRect()])
      .filter(([, box]) => box.width > 1 && box.height > 1);
    boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 1 && tall > 1 && !one.contains(other) && !other.contains(one)) {
        bad.push(`${parents}: ${one.className || one.tagName} and ${other.className || other.tagName}`);
      }
    }));
  }
  return bad;
}"""

# What is wrong with visible tables: a title that is cut, or row names that leave no room for the first figures.
_CUT_TABLES = """() => [...document.querySelectorAll('.table')].filter((box) => box.offsetParent).flatMap((box) => {
  const area = box.getBoundingClientRect(), title = box.querySelector('caption').getBoundingClientRect();
  const names = Math.max(...[...box.querySelectorAll('tbody th')].map((e) => e.getBoundingClientRect().width));
  const found = [];
  if (title.right > area.right + 1) found.push('its title is cut');
  if (box.scrollWidth > box.clientWidth + 1) {
    if (names > 0.6 * area.width) found.push('row names take ' + Math.round(names));
    if (getComputedStyle(box).backgroundImage === 'none') found.push('nothing says that it scrolls');
  }
  return found.map((text) => box.getAttribute('aria-label').slice(0, 50) + ': ' + text);
})"""


@pytest.fixture(scope="module")
def week(report_case: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    scenario = report_case.make_scenario()
    result = report_case.make_result(scenario)
    return write_report(
        tmp_path_factory.mktemp("report") / "week.html",
        scenario=scenario,
        result=result,
        comparisons=report_case.make_comparisons(scenario),
        pareto=report_case.make_front(result.ledger),
        run_document={"command": ["jw", "plan", "scenario.toml"]},
    )


@pytest.fixture
def look(look_at: Any, week: Path) -> Any:
    """Opens a page, by default that of the week."""
    return lambda path=week, **options: look_at(path, **options)


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_every_chart_draws_and_nothing_overlaps_or_overflows(look: Any, width: int, theme: str) -> None:
    shown = look(width=width, theme=theme)
    ink = shown.ink()
    assert len(ink) == 17
    assert {name: share for name, share in ink.items() if share < 0.002} == {}
    assert shown.overflow() <= 0
    assert shown.outside() == []
    assert shown.page.evaluate(_OVERLAPS) == []
    assert shown.page.locator("table").count() >= 25


def test_opened_tables_neither_overlap_nor_overflow(look: Any) -> None:
    shown = look(width=390)
    shown.page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    shown.page.wait_for_timeout(300)
    assert shown.overflow() <= 0
    assert shown.page.evaluate(_OVERLAPS) == []
    assert shown.page.evaluate(_CUT_TABLES) == []


def test_the_reader_can_choose_the_theme(look: Any) -> None:
    shown = look(theme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = shown.page.evaluate(ground)
    before = shown.page.evaluate("document.querySelector('[data-chart=balance] canvas').toDataURL()")
    shown.page.locator("input[name=theme][value=dark]").check()
    shown.page.wait_for_timeout(500)
    assert shown.page.evaluate(ground) != light
    assert shown.page.evaluate("document.querySelector('[data-chart=balance] canvas').toDataURL()") != before
    shown.page.locator("input[name=theme][value=system]").check()
    assert shown.page.evaluate(ground) == light


def test_the_keyboard_reaches_link_toggle_selectors_and_tables(look: Any) -> None:
    shown = look()
    seen: list[str] = []
    for _ in range(60):
        shown.page.keyboard.press("Tab")
        seen.append(
            shown.page.evaluate(
                "(() => { const e = document.activeElement; return e.className || e.name || e.tagName; })()"
            )
        )
    assert seen[0] == "skip"
    assert "theme" in seen
    assert "SUMMARY" in seen
    assert "BUTTON" in seen
    assert "view-balance" in seen


def test_a_selector_moves_all_charts_of_its_group(look: Any) -> None:
    shown = look()
    shown.page.locator("input[name=view-balance][value='1']").check()
    shown.page.wait_for_timeout(300)
    assert shown.page.locator("[data-chart=storage]").get_attribute("data-view") == "1"
    assert shown.page.locator("input[name=view-storage][value='1']").is_checked()
    assert "texas" in shown.page.locator("[data-note=storage]").inner_text()
    assert "texas" in shown.page.locator("[data-chart=balance]").get_attribute("aria-label")


def test_a_legend_button_hides_its_series(look: Any) -> None:
    shown = look()
    button = shown.page.locator("button[data-toggles=balance][data-series='Grid import']")
    pixels = "document.querySelector('[data-chart=balance] canvas').toDataURL()"
    before = shown.page.evaluate(pixels)
    button.press("Enter")
    shown.page.wait_for_timeout(300)
    assert button.get_attribute("aria-pressed") == "false"
    assert shown.page.evaluate(pixels) != before
    button.press("Enter")
    shown.page.wait_for_timeout(300)
    assert shown.page.evaluate(pixels) == before


def test_a_hint_shows_the_step_under_the_pointer(look: Any) -> None:
    shown = look()
    box = shown.page.locator("[data-chart=balance]")
    box.scroll_into_view_if_needed()
    area = box.bounding_box()
    shown.page.mouse.move(area["x"] + area["width"] * 0.5, area["y"] + 120)
    shown.page.wait_for_selector(".tip-title", timeout=5_000)
    text = shown.page.locator("[data-chart=balance] .tip-title").inner_text()
    assert "Jul 2022" in text
    assert "Los Angeles time" in text
    assert "MW" in shown.page.locator("[data-chart=balance] .tip").first.inner_text()


def test_charts_draw_without_a_decompression_stream(look: Any) -> None:
    """The page inflates its data itself in browsers that cannot; both ways give the same picture."""
    pixels = "document.querySelector('[data-chart=balance] canvas').toDataURL()"
    usual = look().page.evaluate(pixels)
    own = look(script="delete window.DecompressionStream")
    assert own.page.evaluate("typeof DecompressionStream") == "undefined"
    assert own.page.evaluate(pixels) == usual


def test_hostile_names_do_not_run(look: Any, report_case: Any, tmp_path: Path) -> None:
    scenario = report_case.make_scenario(
        days=1, jobs=3, names=("<img src=x onerror=alert(1)>", "<script>alert(1)</script>")
    )
    path = write_report(tmp_path / "hostile.html", scenario=scenario, result=report_case.make_result(scenario))
    shown = look(path)
    alerts: list[str] = []
    shown.page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    box = shown.page.locator("[data-chart=jobs]")
    box.scroll_into_view_if_needed()
    area = box.bounding_box()
    for share in (0.3, 0.4, 0.5, 0.6, 0.7):
        shown.page.mouse.move(area["x"] + area["width"] * share, area["y"] + 20)
        shown.page.wait_for_timeout(60)
    assert alerts == []
    assert shown.page.locator("main img").count() == 0


@pytest.mark.parametrize("width", [1440, 390])
def test_a_year_draws(look: Any, report_case: Any, tmp_path: Path, width: int) -> None:
    scenario = report_case.make_scenario(days=365, jobs=300)
    path = write_report(tmp_path / "year.html", scenario=scenario, result=report_case.make_result(scenario))
    shown = look(path, width=width)
    ink = shown.ink()
    assert {"months", "heat-price", "jobs"} <= set(ink)
    assert min(ink.values()) > 0.002
    assert shown.overflow() <= 0
    assert shown.page.evaluate(_OVERLAPS) == []


# ---------------------------------------------------------------- studies and simulated runs


@pytest.fixture(scope="module")
def studied(study_report_case: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three policies on three variants under four seeds, one run of which failed."""
    study = study_report_case.make_study(
        ("calm", "a-policy-with-a-name:that_is=long+and+goes-on", "eager"),
        variants=study_report_case.sweep("site.texas.battery.energy"),
        seeds=(0, 1, 2, 3),
        failed={("eager", 1): "PolicyError: it asked for an unknown battery"},
        luck=20.0,
    )
    return write_study_report(tmp_path_factory.mktemp("study") / "study.html", study)


def clean(shown: Any) -> None:
    """Nothing sticks out of the window or lies over something else."""
    assert shown.overflow() <= 0
    assert shown.outside() == []
    assert shown.page.evaluate(_OVERLAPS) == []


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_every_chart_of_a_study_draws(look: Any, studied: Path, width: int, theme: str) -> None:
    shown = look(studied, width=width, theme=theme)
    ink = shown.ink()
    assert set(ink) == {"means", "regret", "differences", "sweep", "fans", "weeks", "timeline"}
    assert {name: share for name, share in ink.items() if share < 0.001} == {}
    clean(shown)
    shown.page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    shown.page.wait_for_timeout(300)
    assert shown.overflow() <= 0
    assert shown.page.evaluate(_CUT_TABLES) == []


def test_paired_differences_and_their_notes_fit_a_desktop(look: Any, studied: Path) -> None:
    shown = look(studied, width=1440)
    box = shown.page.locator(".table[aria-label^='Paired differences']")
    assert box.locator("thead th").last.inner_text() == "Note"
    assert box.evaluate("(e) => e.scrollWidth - e.clientWidth") <= 1


@pytest.mark.parametrize("width", [1440, 390])
def test_every_choice_of_a_study_draws(look: Any, studied: Path, width: int) -> None:
    """Each selector is put on its last choice: the views there exist, draw and do not overflow."""
    shown = look(studied, width=width)
    for group in shown.page.evaluate(
        "[...new Set([...document.querySelectorAll('[data-group]')].map((e) => e.dataset.group))]"
    ):
        control = shown.page.locator(f"[data-group='{group}']").last
        if control.evaluate("(e) => e.tagName") == "SELECT":
            control.select_option(index=control.locator("option").count() - 1)
        else:
            control.check()
    shown.page.wait_for_timeout(600)
    views = shown.page.evaluate(
        "[...document.querySelectorAll('[data-chart]')].map((e) => [e.dataset.chart, +e.dataset.view])"
    )
    counts = shown.page.evaluate(
        "Object.fromEntries(Object.entries(JSON.parse(document.getElementById('jw-spec').textContent).charts)"
        ".map(([name, chart]) => [name, chart.views.length]))"
    )
    assert {name: view for name, view in views if view == view} == {
        name: count - 1 for name, count in counts.items() if count > 1
    }
    clean(shown)


def test_two_selectors_of_a_chart_work_together(look: Any, studied: Path) -> None:
    shown = look(studied)
    fans = shown.page.locator("[data-chart=fans]")
    note = shown.page.locator("[data-note=fans]")
    shown.page.locator("#fans input[data-group^=place]").nth(2).check()
    assert note.inner_text() == "site.texas.battery.energy=10 MWh: calm, texas"
    shown.page.locator("#fans input[data-group^=policy]").nth(1).check()
    assert note.inner_text().endswith("goes-on, texas")
    assert fans.get_attribute("data-view") == str(1 * 3 + 2)


def test_a_fan_hint_names_medians_and_bands(look: Any, studied: Path) -> None:
    shown = look(studied)
    box = shown.page.locator("[data-chart=fans]")
    box.hover(position={"x": 500.0, "y": 80.0})
    shown.page.wait_for_selector("[data-chart=fans] .tip-title", timeout=5_000)
    text = shown.page.locator("[data-chart=fans] .tip").first.inner_text()
    assert "Facility load" in text
    assert "median" in text
    assert " to " in text


def test_runs_are_sorted_by_a_column_and_back(look: Any, studied: Path) -> None:
    shown = look(studied)
    head = shown.page.locator("#runs th", has_text="Cost")
    column = head.evaluate("(e) => e.cellIndex")
    cells = f"[...document.querySelectorAll('#runs tbody tr')].map((row) => row.cells[{column}].dataset.value)"
    read = f"{cells}.filter((value) => value).map(Number)"
    head.locator("button").click()
    rising = shown.page.evaluate(read)
    assert rising == sorted(rising)
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").press("Enter")
    falling = shown.page.evaluate(read)
    assert falling == sorted(rising, reverse=True)
    last = shown.page.locator("#runs tbody tr").last
    assert "it asked for an unknown battery" in last.inner_text()


def test_the_runs_scroll_inside_their_box_on_a_phone(look: Any, studied: Path) -> None:
    shown = look(studied, width=390)
    box = shown.page.locator("#runs .table")
    assert box.evaluate("(e) => e.scrollWidth > e.clientWidth + 100")
    assert box.evaluate("(e) => { e.scrollLeft = 200; return e.scrollLeft; }") == 200


@pytest.mark.parametrize("width", [1440, 390])
def test_a_study_of_one_run_and_one_without_any_draw(
    look: Any, study_report_case: Any, tmp_path: Path, width: int
) -> None:
    one = study_report_case.make_study(("calm",), seeds=(0,), oracle=False)
    shown = look(write_study_report(tmp_path / "one.html", one), width=width)
    assert set(shown.ink()) == {"fans", "weeks", "timeline"}
    clean(shown)
    failed = {("calm", 0): "broken", ("eager", 0): "broken"}
    none = study_report_case.make_study(seeds=(0,), failed=failed, oracle=False)
    shown = look(write_study_report(tmp_path / "none.html", none), width=width)
    assert shown.ink() == {}
    clean(shown)


@pytest.mark.parametrize(("width", "theme"), [(1440, "dark"), (390, "light")])
def test_a_simulated_run_draws(look: Any, report_case: Any, tmp_path: Path, width: int, theme: str) -> None:
    scenario = report_case.make_scenario()
    schedule = report_case.make_result(scenario).schedule
    trajectory = Trajectory(
        scenario=scenario,
        schedule=schedule,
        policy="grid-first",
        jobs={job.name: JobRecord(job=job.name, release_h=0.0) for job in scenario.training},
        happenings=(
            Happening(start_h=30.0, end_h=40.0, kind="grid-outage", where="texas"),
            Happening(start_h=167.9, end_h=168.0, kind="shed-load", where="texas"),
            Happening(start_h=50.0, end_h=50.0, kind="migration", where="job-1"),
        ),
    )
    shown = look(write_trajectory_report(tmp_path / "run.html", trajectory), width=width, theme=theme)
    ink = shown.ink()
    assert {"happenings", "balance", "jobs", "waterfall"} <= set(ink)
    assert {name: share for name, share in ink.items() if share < 0.002} == {}
    clean(shown)
