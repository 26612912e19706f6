"""The whole page: order, tables, escaping, size, no network, and scenarios that lack parts."""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from joulewright.account import settle
from joulewright.errors import DataError
from joulewright.report import render_report, write_report

ORDER = ["decision", "validity", "balance", "heat", "jobs", "routing", "storage", "curves", "rivals", "carbon", "front",
         "connection", "ledger", "sources"]  # fmt: skip
CHARTS = {"balance", "heat-price", "heat-carbon", "heat-net", "jobs", "routing", "storage", "curve-load", "curve-net",
          "curve-price", "curve-carbon", "rivals-benefit", "rivals-carbon", "rivals-split", "waterfall", "methods",
          "front"}  # fmt: skip
HOSTILE = "<script>alert(1)</script>"
VOID = {"meta", "link", "input", "br", "hr", "img"}


class Page(HTMLParser):
    """Elements of a page with their attributes; refuses tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.data: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        tag, attributes = self.found[-1] if self.found else ("", {})
        if tag == "script" and attributes.get("id"):
            self.data[str(attributes["id"])] = self.data.get(str(attributes["id"]), "") + data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        names = {key.replace("_", "-"): value for key, value in wanted.items()}
        return [a for t, a in self.found if t == tag and all(a.get(key) == value for key, value in names.items())]


@pytest.fixture(scope="module")
def week(report_case: Any) -> str:
    scenario = report_case.make_scenario()
    result = report_case.make_result(scenario)
    return render_report(
        scenario=scenario,
        result=result,
        comparisons=report_case.make_comparisons(scenario),
        pareto=report_case.make_front(result.ledger),
        run_document={"command": ["jw", "plan", "a b.toml"], "versions": {"joulewright": "0.1.0"}, "platform": "Linux"},
    )


@pytest.fixture(scope="module")
def page(week: str) -> Page:
    return Page(week)


def test_sections_stand_in_reading_order(page: Page) -> None:
    assert [attributes["id"] for attributes in page.all("section")] == ORDER
    assert [a["href"] for a in page.all("a") if a.get("class") != "skip"] == [f"#{name}" for name in ORDER]


def test_every_chart_has_data_a_label_and_a_table(page: Page, week: str) -> None:
    holders = page.all("div", class_="chart") or [a for t, a in page.found if t == "div" and a.get("class") == "chart"]
    assert {holder["data-chart"] for holder in holders} == CHARTS
    assert all(holder["role"] == "img" and holder["aria-label"] for holder in holders)
    assert set(json.loads(page.data["jw-spec"])["charts"]) == CHARTS
    assert week.count("<summary>Show as a table</summary>") == len(CHARTS)
    for figure in re.findall(r"<figure>.*?</figure>", week, re.S):
        assert "<table>" in figure


def test_tables_name_their_units(week: str) -> None:
    captions = re.findall(r"<caption>(.*?)</caption>", week)
    assert len(captions) >= 25
    assert any("[MWh]" in caption for caption in captions)
    assert all(caption.strip() for caption in captions)


def test_the_page_asks_for_nothing_from_outside(page: Page, week: str) -> None:
    assert not [a for t, a in page.found if t in ("script", "img", "iframe", "source") and a.get("src")]
    assert [a["href"] for a in page.all("link")] == ["data:,"]
    bundle = re.sub(r"<script>var echarts=.*?</script>|<pre>.*?</pre>", "", week, flags=re.S)
    bundle = re.sub(r"<script>/\*! Apache ECharts.*?</script>", "", bundle, flags=re.S)
    assert not re.search(r"https?://|@import|url\(", bundle)


def test_the_page_can_be_used_without_a_mouse(page: Page) -> None:
    assert page.all("a", **{"class": "skip"})[0]["href"] == "#decision"
    themes = [a for a in page.all("input") if "data-theme" in a]
    assert [a["value"] for a in themes] == ["system", "light", "dark"]
    assert all(a.get("tabindex") == "0" for a in page.all("div", **{"class": "table"}))
    assert all(a.get("aria-pressed") == "true" for a in page.all("button"))
    assert page.all("html")[0]["lang"] == "en"


def test_synthetic_data_is_marked_where_it_is_shown(week: str) -> None:
    for name in ("balance", "heat", "routing", "storage", "curves", "carbon"):
        section = re.search(rf'<section id="{name}".*?</h2>', week, re.S)
        assert section is not None
        assert "synthetic data" in section.group()
    assert 'class="badge warn">synthetic data' in week.split("<main>")[0]


def test_provenance_names_command_versions_hashes_and_overrides(week: str) -> None:
    part = week.split('id="sources"')[1]
    for text in ("jw plan a b.toml", "joulewright 0.1.0", "4f" * 32, "0c" * 32, "site.texas.grid.import_limit=120 MW",
                 "seed 0", "Apache License", "BSD 3-Clause"):  # fmt: skip
        assert text in part


def test_hostile_names_stay_text(report_case: Any) -> None:
    names = (HOSTILE, 'a" onload="x', "</script><b>")
    scenario = report_case.make_scenario(days=1, jobs=3, names=names, name=f"{HOSTILE} & co")
    text = render_report(scenario=scenario, result=report_case.make_result(scenario))
    assert HOSTILE not in text
    parsed = Page(text)
    assert "onload" not in {key for _, attributes in parsed.found for key in attributes}
    spec = json.loads(parsed.data["jw-spec"])
    assert spec["charts"]["balance"]["views"][0]["name"] == HOSTILE
    assert len(parsed.all("script")) == 6


def test_sizes_and_time_stay_in_their_budget(report_case: Any, week: str, tmp_path: Path) -> None:
    assert len(week.encode()) <= 2_500_000
    scenario = report_case.make_scenario(days=365, jobs=400)
    result = report_case.make_result(scenario)
    began = time.process_time()
    path = write_report(tmp_path / "year.html", scenario=scenario, result=result)
    assert time.process_time() - began < 5.0
    assert path.stat().st_size <= 4_000_000
    text = path.read_text(encoding="utf-8")
    assert "Energy by month" in text
    assert "Shown: " in text
    spec = json.loads(Page(text).data["jw-spec"])
    assert spec["charts"]["balance"]["views"][0]["axis"]["steps"] == 168
    assert max(entry["n"] for entry in spec["arrays"]) <= 367 * 24


@pytest.mark.parametrize("step_s", [300, 1800, 10_800, 86_400])
def test_other_steps_are_drawn(report_case: Any, step_s: int) -> None:
    scenario = report_case.make_scenario(days=3, step_s=step_s, jobs=2)
    text = render_report(scenario=scenario, result=report_case.make_result(scenario))
    assert {a["id"] for a in Page(text).all("section")} >= {"balance", "heat"}


def test_parts_that_do_not_exist_are_left_out(tiny: Any, report_case: Any) -> None:
    scenario = tiny.scenario(tiny.site(24), steps=24)
    schedule = tiny.schedule(scenario)
    result = report_case.make_result(
        report_case.make_scenario(days=1, jobs=1), schedule=schedule, ledger=settle(scenario, schedule), duals=None
    )
    sections = [a["id"] for a in Page(render_report(scenario=scenario, result=result)).all("section")]
    assert sections == ["decision", "validity", "balance", "heat", "curves", "carbon", "ledger", "sources"]


def test_an_island_without_a_grid_has_no_prices(tiny: Any, report_case: Any) -> None:
    site = tiny.site(24, grid=None, renewables=(tiny.plant(0.5, 24),), unserved_power_penalty_per_mwh=100.0)
    scenario = tiny.scenario(site, steps=24)
    schedule = tiny.schedule(
        scenario, flows={"a": {"renewable_used_mw": {"roof": 0.1}, "unserved_mw": 0.05, "grid_import_mw": 0.0}}
    )
    result = report_case.make_result(
        report_case.make_scenario(days=1, jobs=1), schedule=schedule, ledger=settle(scenario, schedule), duals=None
    )
    text = render_report(scenario=scenario, result=result)
    charts = json.loads(Page(text).data["jw-spec"])["charts"]
    assert set(charts) >= {"balance", "curve-load"}
    assert not {"heat-price", "heat-carbon", "heat-net", "curve-price"} & set(charts)
    assert 'id="heat"' not in text
    assert "Left unserved" in text


def test_many_sites_use_a_drop_down(tiny: Any, report_case: Any) -> None:
    scenario = tiny.scenario(*(tiny.site(name=f"s{number}") for number in range(8)))
    schedule = tiny.schedule(scenario)
    result = report_case.make_result(
        report_case.make_scenario(days=1, jobs=1), schedule=schedule, ledger=settle(scenario, schedule), duals=None
    )
    page = Page(render_report(scenario=scenario, result=result))
    assert len(page.all("select", **{"data-group": "site"})) == 2
    assert len(page.all("option")) == 2 * 8


def test_a_result_without_a_plan_has_no_report(report_case: Any) -> None:
    scenario = report_case.make_scenario(days=1, jobs=1)
    result = report_case.make_result(scenario, schedule=None, ledger=None, status="time-limit")
    with pytest.raises(ValueError, match="time-limit"):
        render_report(scenario=scenario, result=result)


def test_a_path_that_cannot_be_written_is_named(report_case: Any, tmp_path: Path) -> None:
    scenario = report_case.make_scenario(days=1, jobs=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write the report .*file/report.html"):
        write_report(tmp_path / "file" / "report.html", scenario=scenario, result=report_case.make_result(scenario))
