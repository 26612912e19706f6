"""Figures that the sections of the report derive from a plan."""

from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from joulewright.account import Change, settle
from joulewright.errors import Diagnostic
from joulewright.model import JobSchedule, Schedule, Segment
from joulewright.report.alternatives import best_rival, read_front, read_rivals
from joulewright.report.bottlenecks import bottlenecks
from joulewright.report.curves import duration_curve
from joulewright.report.decision import headline
from joulewright.report.figure import Figures
from joulewright.report.heatmaps import hour_by_day
from joulewright.report.jobs import job_section
from joulewright.report.numbers import THIN
from joulewright.report.reasons import job_grid_facts, job_options, job_reason, job_rows, run_cost
from joulewright.report.rivals import rivals_section
from joulewright.report.routing import routing_section
from joulewright.report.sources import data_files, estimated_fraction, is_synthetic
from joulewright.report.tradeoff import front_section
from joulewright.report.validity import validity_findings
from joulewright.report.view import ReportView, build_view
from joulewright.report.waterfall import waterfall_steps


def plain(text: str) -> str:
    """Text with ordinary spaces."""
    return text.replace(THIN, " ")


@pytest.fixture(scope="module")
def view(report_case: Any) -> ReportView:
    scenario = report_case.make_scenario()
    return view_of(scenario, report_case.make_result(scenario))


def view_of(scenario: Any, result: Any, document: Any = None) -> ReportView:
    return build_view(scenario, result, result.schedule, result.ledger, document or {})


# The view


def test_sources_equal_uses_in_every_step(view: ReportView) -> None:
    assert len(view.sites) == 3
    for site in view.sites:
        up = sum(flow.values_mw for flow in site.flows if not flow.down)
        down = sum(flow.values_mw for flow in site.flows if flow.down)
        np.testing.assert_allclose(up, down, atol=1e-9)
        assert site.residual_mw < 1e-9
        assert float(down.sum()) > 0.0


def test_a_broken_balance_is_seen(report_case: Any) -> None:
    scenario = report_case.make_scenario(days=1, jobs=2)
    schedule = report_case.make_schedule(scenario)
    schedule.sites["california"].grid_import_mw[5] += 0.25
    ledger = settle(scenario, schedule)
    result = report_case.make_result(scenario, schedule=schedule, ledger=ledger, objective=ledger.benefit)
    built = view_of(scenario, result)
    assert built.sites[0].residual_mw == pytest.approx(0.25)
    assert [item.mood for item in validity_findings(built)][2] == "bad"


def test_a_week_is_shown_whole_and_a_longer_horizon_by_its_worst_week(report_case: Any, view: ReportView) -> None:
    assert view.window == range(168)
    assert view.window_note == ""
    scenario = report_case.make_scenario(days=21, jobs=3)
    schedule = report_case.make_schedule(scenario)
    assert view_of(scenario, report_case.make_result(scenario)).window_note.startswith(" Shown: ")
    schedule.sites["texas"].unserved_mw[15 * 24] = 2.0
    result = report_case.make_result(scenario, schedule=schedule, ledger=settle(scenario, schedule))
    long = view_of(scenario, result)
    assert len(long.window) == 168
    assert 15 * 24 in long.window
    assert long.window.start % 24 == 0
    assert "most unserved energy" in long.window_note


def test_the_axis_of_a_window_starts_in_local_time(view: ReportView) -> None:
    axis = view.axis(view.site("california"), steps=range(24, 48))
    assert axis["start_ms"] == 1_656_979_200_000  # 2022-07-05T00:00Z
    assert axis["offsets"] == [[0, -420]]
    assert axis["zone"] == "Los Angeles time"
    assert view.axis()["zone"] == "UTC"
    assert view.common_zone() is None
    with pytest.raises(KeyError, match="no site 'mars'"):
        view.site("mars")


# Heat maps and duration curves


def test_hours_are_averaged_and_gaps_stay_open() -> None:
    local = np.array(["2022-07-04T22:30", "2022-07-04T23:00", "2022-07-04T23:30", "2022-07-05T00:00"], "datetime64[s]")
    days, cells = hour_by_day(local, np.array([1.0, 2.0, 4.0, 8.0]), step_s=1800)
    assert days == ["2022-07-04", "2022-07-05"]
    assert cells.shape == (2, 24)
    assert (cells[0, 22], cells[0, 23], cells[1, 0]) == (1.0, 3.0, 8.0)
    assert int(np.isfinite(cells).sum()) == 3


def test_a_long_step_fills_every_hour_it_covers() -> None:
    local = np.array(["2022-07-04T21:00", "2022-07-05T00:00"], "datetime64[s]")
    days, cells = hour_by_day(local, np.array([6.0, 9.0]), step_s=3 * 3600)
    assert days == ["2022-07-04", "2022-07-05"]
    assert cells[0, 21:].tolist() == [6.0] * 3
    assert cells[1, :3].tolist() == [9.0] * 3
    assert int(np.isfinite(cells).sum()) == 6


def test_a_duration_curve_falls_and_keeps_its_ends() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=8760)
    curve = duration_curve(values)
    assert curve.size == 400
    assert (curve[0], curve[-1]) == (values.max(), values.min())
    assert (np.diff(curve) <= 0).all()


# Reasons of jobs


def test_cost_of_a_run_past_the_horizon_counts_what_lies_inside() -> None:
    costs = run_cost(range(0, 3), 2, last_fraction=1.0, cost_per_step=np.array([1.0, 10.0, 100.0]))
    assert costs.tolist() == [11.0, 110.0, 100.0]


def job_view(tiny: Any, job: Any, first: int | None, price: Any) -> ReportView:
    """One site, one job that starts at ``first`` (None rejects it), a price per step."""
    steps = len(price)
    site = tiny.site(steps, grid=tiny.grid(steps, import_price_per_mwh=price))
    scenario = tiny.scenario(site, steps=steps, training=(job,))
    runs = {} if first is None else {job.name: (tiny.run(first, first + 1),)}
    schedule = tiny.schedule(scenario, jobs=runs)
    result = SimpleNamespace(schedule=schedule, ledger=settle(scenario, schedule), duals=None, violations=(), notes=())
    return view_of(scenario, result)


def test_the_reason_names_the_rank_of_the_chosen_start(tiny: Any) -> None:
    """40 accelerators of 10 kW behind a PUE of 1.5 draw 0.6 MW: 12 USD at 20 per MWh, 30 USD at 50."""
    job = tiny.job(duration_h=1.0)
    view = job_view(tiny, job, 2, [50.0, 40.0, 20.0, 30.0])
    options = job_options(view, job)
    assert options is not None
    assert options.costs.tolist() == pytest.approx([30.0, 24.0, 12.0, 18.0])
    text = plain(job_reason(view, job, view.schedule.jobs[job.name]))
    assert text == (
        "Power for this start costs 12.0 USD, the cheapest of 4 possible starts; "
        "starting as early as possible would cost 30.0 USD."
    )


def test_a_dear_start_is_explained_by_other_limits(tiny: Any) -> None:
    job = tiny.job()
    view = job_view(tiny, job, 0, [50.0, 40.0, 20.0, 30.0])
    text = plain(job_reason(view, job, view.schedule.jobs[job.name]))
    assert "3 starts of 4 possible starts would be cheaper (from 12.0 USD)" in text
    assert text.endswith("so other jobs or limits decide here.")


def test_a_middling_start_is_cheaper_than_a_share(tiny: Any) -> None:
    job = tiny.job()
    view = job_view(tiny, job, 1, [50.0, 20.0, 40.0, 10.0])
    assert "cheaper than 75 % of 4 possible starts" in plain(job_reason(view, job, view.schedule.jobs[job.name]))


def test_a_rejected_job_is_weighed_against_its_power(tiny: Any) -> None:
    job = tiny.job(value=5.0)
    view = job_view(tiny, job, None, [50.0, 40.0])
    text = plain(job_reason(view, job, view.schedule.jobs[job.name]))
    assert text.startswith("Rejected. Its value is 5.00 USD; power alone would cost at least 24.0 USD")
    assert dict(job_rows(view, job, view.schedule.jobs[job.name])).keys() == {"Kind", "May run", "Value"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"start": "start"}, "Its start is pinned in the scenario."),
        ({"running_since": "start", "site": "a", "duration_h": 5.0}, "It was running already and goes on."),
        ({"kind": "pausable"}, ""),
        ({"deadline": "soon"}, "It has only one possible start."),
    ],
)
def test_jobs_without_a_choice_say_so(tiny: Any, changes: dict[str, Any], text: str) -> None:
    times = {"start": tiny.start, "soon": tiny.at(1.0)}
    given = {key: times.get(value, value) if isinstance(value, str) else value for key, value in changes.items()}
    job = tiny.job(**given)
    view = job_view(tiny, job, 0, [50.0, 40.0, 30.0])
    assert job_reason(view, job, view.schedule.jobs[job.name]) == text


def test_the_plans_own_prices_replace_the_import_price(tiny: Any) -> None:
    job = tiny.job()
    view = job_view(tiny, job, 0, [50.0, 40.0])
    view.result.duals = SimpleNamespace(power_price_per_mwh={"a": np.array([10.0, 100.0])})
    options = job_options(view, job)
    assert options is not None
    assert options.costs.tolist() == pytest.approx([6.0, 60.0])


def test_grid_facts_of_a_job_count_its_last_fraction(tiny: Any) -> None:
    """0.4 MW of IT power x PUE 1.5 x (1 h + half an hour) = 0.9 MWh; 400 kg/MWh."""
    job = tiny.job(duration_h=1.5)
    scenario = tiny.scenario(tiny.site(4), steps=4, training=(job,))
    schedule = tiny.schedule(scenario, jobs={"train": (tiny.run(1, 3, last_fraction=0.5),)})
    result = SimpleNamespace(schedule=schedule, ledger=settle(scenario, schedule), duals=None, violations=(), notes=())
    view = view_of(scenario, result)
    facts = job_grid_facts(view, job, schedule.jobs["train"])
    assert facts.energy_mwh == pytest.approx(0.9)
    assert facts.grid_cost == pytest.approx(45.0)
    assert facts.grid_carbon_kg == pytest.approx(360.0)
    shown = {name: plain(value) for name, value in job_rows(view, job, schedule.jobs["train"])}
    assert shown["Slack"] == "45.5 h"
    assert shown["Starts"] == "Mon 4 Jul 2022, 01:00"


# Timeline of jobs


def gantt_rows(view: ReportView) -> list[dict[str, Any]]:
    figures = Figures()
    job_section(view, figures)
    rows: list[dict[str, Any]] = figures.specs["jobs"]["views"][0]["rows"]
    return rows


def test_few_jobs_have_a_named_row_each_in_order_of_site_and_start(view: ReportView) -> None:
    rows = gantt_rows(view)
    assert len(rows) == len(view.scenario.training)
    keys = [row["items"][0]["key"] for row in rows]
    assert keys == sorted(keys, key=[*(site.key for site in view.sites), "idle"].index)
    assert {row["name"] for row in rows} == {job.name for job in view.scenario.training}
    for row in rows:
        item = row["items"][0]
        assert item["window"][0] <= item["window"][1]
        assert all(item["window"][0] <= run[0] < run[1] <= item["window"][1] for run in item["runs"])


def test_many_jobs_are_packed_into_rows_without_overlap(report_case: Any) -> None:
    scenario = report_case.make_scenario(days=14, jobs=90)
    built = view_of(scenario, report_case.make_result(scenario))
    rows = gantt_rows(built)
    assert len(rows) < 90
    assert sum(len(row["items"]) for row in rows) == 90
    for row in rows:
        ends = [
            max([run[1] for run in item["runs"]], default=item["window"] and item["window"][1]) for item in row["items"]
        ]
        starts = [
            min([run[0] for run in item["runs"]], default=item["window"] and item["window"][0]) for item in row["items"]
        ]
        assert all(end <= start + 1 for end, start in zip(ends, starts[1:]))
    labels = [row["name"] for row in rows if row["name"]]
    assert labels == ["california · h100", "texas · h100", "ontario · h100", "rejected"]


def test_a_job_that_moves_names_both_sites(report_case: Any) -> None:
    scenario = report_case.make_scenario(days=2, jobs=3)
    schedule = report_case.make_schedule(scenario)
    job = scenario.training[2]
    half = {"fleet": "h100", "accelerators": float(job.gpus)}
    first = Segment(site="texas", first_step=0, stop_step=4, **half)
    second = Segment(site="ontario", first_step=6, stop_step=9, **half)
    moved = JobSchedule(job=job.name, segments=(first, second))
    jobs = {**schedule.jobs, job.name: moved}
    draft = Schedule(planner="hand", jobs=jobs, services=schedule.services, sites=schedule.sites)
    result = report_case.make_result(scenario, schedule=draft, ledger=settle(scenario, draft))
    assert dict(job_rows(view_of(scenario, result), job, moved))["Runs at"] == "ontario · h100, texas · h100"


# Routing


def test_routing_has_a_view_for_every_service_and_region(view: ReportView) -> None:
    figures = Figures()
    parts = routing_section(view, figures)
    names = [entry["name"] for entry in figures.specs["routing"]["views"]]
    assert len(names) == 2 * (1 + 4)
    assert names[:2] == ["chat, all regions", "chat, us-west"]
    assert len(parts) == 1 + 2
    assert "us-south" in parts[1]
    shares = [float(share) for share in re.findall(r"--share:([\d.]+)%", parts[1])]
    assert sum(shares) == pytest.approx(4 * 100.0, abs=0.5)


# Baselines, front, carbon


def test_rivals_come_from_ledgers_or_from_figures(view: ReportView, report_case: Any) -> None:
    rows = report_case.make_comparisons(view.scenario)
    bare = SimpleNamespace(name="quoted", benefit=1.0, cost=2.0, carbon_kg=3.0, violations=2)
    rivals = read_rivals([*rows, bare, SimpleNamespace(name="no plan", ledger=None)], view.ledger)
    assert [rival.name for rival in rivals] == ["compute-only", "sequential", "quoted"]
    assert [rival.violations for rival in rivals] == [0, 1, 2]
    assert rivals[0].change is not None
    assert rivals[0].change.total_kg == pytest.approx(view.ledger.carbon_kg - rivals[0].carbon_kg)
    assert rivals[2].change is None
    best = best_rival(rivals)
    assert best is not None
    assert best.name == "compute-only"
    assert best_rival(rivals[1:]) is None


def test_the_split_of_carbon_adds_up_in_the_chart(view: ReportView, report_case: Any) -> None:
    change = Change(
        less_work_kg=-40e3, cleaner_energy_kg=-60e3, less_work_cost=0.0, cheaper_energy_cost=0.0, work_fraction=0.9
    )
    row = SimpleNamespace(name="before", benefit=1e6, cost=2e6, carbon_kg=view.ledger.carbon_kg + 100e3, change=change)
    figures = Figures()
    rivals = read_rivals([row], view.ledger)
    text = plain("".join(rivals_section(view, figures, rivals)))
    series = figures.specs["rivals-split"]["views"][0]["series"]
    assert [item["values"] for item in series] == [[-40.0], [-60.0]]
    assert "90 %" in text
    assert "n/a" in text


def test_the_split_of_carbon_says_what_its_signs_mean(view: ReportView) -> None:
    """10 t by more work and less than a gram by the energy: the plan emits more, and noise is no change."""
    change = Change(
        less_work_kg=10e3, cleaner_energy_kg=-2e-10, less_work_cost=0.0, cheaper_energy_cost=0.0, work_fraction=1.1
    )
    row = SimpleNamespace(name="before", benefit=1e6, cost=2e6, carbon_kg=view.ledger.carbon_kg - 10e3, change=change)
    figures = Figures()
    page = "".join(rivals_section(view, figures, read_rivals([row], view.ledger)))
    table = page[page.index("Operational carbon of this plan less that of each baseline [t]: + for more") :]
    cells = [plain(cell.split("<")[0]) for cell in table[: table.index("</table>")].split('<td class="n">')[1:]]
    assert cells == ["+10.0", "+10.0", "0", "110 %"]
    assert "bars to the right are what the plan emits more" in plain(page)


def test_the_headline_names_the_baseline_and_the_work(view: ReportView) -> None:
    ledger = view.ledger
    row = SimpleNamespace(name="sequential", benefit=ledger.benefit - 5e4, cost=1e6, carbon_kg=ledger.carbon_kg + 2e5)
    rival = read_rivals([row], ledger)[0]
    text = plain(headline(view, rival))
    assert "finishes 16 of 18 training jobs" in text
    assert (
        "Against sequential, the best baseline that keeps every limit, that is 50.0 k USD (5 % of its costs) more"
        in text
    )
    assert "200 t" in text
    assert "less carbon" in text
    assert headline(view, None).endswith("of carbon.")
    row.carbon_kg = ledger.carbon_kg + 1e-9
    assert ", with the same carbon" in plain(headline(view, read_rivals([row], ledger)[0]))


def test_a_plan_that_breaks_limits_is_not_recommended(report_case: Any) -> None:
    scenario = report_case.make_scenario(days=1, jobs=2)
    result = report_case.make_result(scenario, violations=("balance at texas is 2 MW short",))
    built = view_of(scenario, result)
    assert headline(built, None).startswith("Do not follow this plan")
    assert validity_findings(built)[1].mood == "bad"


def test_the_front_is_sorted_and_holds_the_plan(view: ReportView, report_case: Any) -> None:
    points = read_front(reversed(report_case.make_front(view.ledger)))
    assert [point.carbon_kg for point in points] == sorted(point.carbon_kg for point in points)
    figures = Figures()
    assert len(front_section(view, figures, points)) == 1
    drawn = figures.specs["front"]["views"][0]["points"]
    assert [point["current"] for point in drawn].count(True) == 1
    assert front_section(view, figures, []) == []


def test_the_waterfall_adds_up_to_the_ledger(view: ReportView) -> None:
    steps = waterfall_steps(view)
    assert sum(step["kg"] for step in steps) == pytest.approx(view.ledger.carbon_kg)
    assert {step["key"] for step in steps} == {"import", "generator"}
    assert [step["kg"] for step in steps] == sorted((step["kg"] for step in steps), reverse=True)


def test_many_small_parts_of_the_waterfall_are_merged(tiny: Any) -> None:
    sites = tuple(tiny.site(name=f"s{number:02d}") for number in range(30))
    scenario = tiny.scenario(*sites)
    schedule = tiny.schedule(scenario)
    ledger = settle(scenario, schedule)
    result = SimpleNamespace(schedule=schedule, ledger=ledger, duals=None, violations=(), notes=())
    steps = waterfall_steps(view_of(scenario, result))
    assert len(steps) == 16
    assert steps[-1]["name"] == "15 smaller parts"
    assert sum(step["kg"] for step in steps) == pytest.approx(ledger.carbon_kg)


# Limits, data, validity


def test_binding_limits_say_what_relaxing_them_is_worth(view: ReportView) -> None:
    """The price 3 per MW in 7 steps is worth 21; a tenth of it per accelerator and hour 2.1."""
    found = [plain(text) for text in bottlenecks(view)]
    assert any(
        "carbon budget of 6 300 t" in text and "one tonne more would be worth 27.4 USD" in text for text in found
    )
    assert "The import limit at california binds for 7 h; one more MW throughout would be worth 21.0 USD." in found
    assert "All accelerators of h100 at california are taken for 7 h; one more would be worth 2.10 USD." in found


def test_limits_without_prices_name_the_budget_only(report_case: Any, tiny: Any) -> None:
    scenario = tiny.scenario(tiny.site(carbon_budget_kg=5000.0))
    schedule = tiny.schedule(scenario)
    result = report_case.make_result(report_case.make_scenario(days=1, jobs=1), duals=None, schedule=schedule,
                                     ledger=settle(scenario, schedule))  # fmt: skip
    assert [plain(text) for text in bottlenecks(view_of(scenario, result))] == [
        "a uses 0.120 t of its own carbon budget of 5.00 t."
    ]


def test_files_are_listed_once_with_their_columns(view: ReportView) -> None:
    (file,) = data_files(view.scenario)
    assert file.columns == ("price_usd_mwh", "ci_direct_g_kwh")
    assert (file.rows, file.interpolated, file.synthetic) == (168, 2, True)
    assert is_synthetic(view.scenario)
    assert estimated_fraction(view.scenario) == pytest.approx(0.03)


def test_measured_data_is_not_called_synthetic(tiny: Any) -> None:
    scenario = tiny.scenario()
    assert data_files(scenario) == ()
    assert not is_synthetic(scenario)
    assert estimated_fraction(scenario) == 0.0


def moods(view: ReportView) -> dict[str, str]:
    return {item.title: item.mood for item in validity_findings(view)}


def test_a_sound_plan_has_no_bad_finding(view: ReportView) -> None:
    found = moods(view)
    assert "bad" not in found.values()
    assert found["All limits hold"] == "good"
    assert found[f"Within 0.08{THIN}% of the best possible plan"] == "good"
    assert found["Planner and ledger agree"] == "good"
    assert found["Synthetic data"] == "warn"
    assert found["2 diagnostics"] == "warn"


@pytest.mark.parametrize(
    ("changes", "title", "mood"),
    [
        ({"gap": None}, "No certified gap", "warn"),
        ({"bound": float("inf")}, "No certified gap", "warn"),
        ({"objective": None}, "No objective value", "warn"),
        ({"objective": 1.0}, "Planner and ledger differ", "bad"),
        ({"gap": 0.05}, f"Within 5{THIN}% of the best possible plan", "warn"),
        ({"gap": 0.0}, f"Within 0.001{THIN}% of the best possible plan", "good"),
    ],
)
def test_doubts_are_shown(report_case: Any, changes: dict[str, Any], title: str, mood: str) -> None:
    scenario = report_case.make_scenario(days=1, jobs=2)
    assert moods(view_of(scenario, report_case.make_result(scenario, **changes)))[title] == mood


def test_a_churn_cost_does_not_look_like_a_wrong_total(report_case: Any) -> None:
    scenario = report_case.make_scenario(days=1, jobs=2)
    result = report_case.make_result(scenario)
    paid = report_case.make_result(scenario, objective=result.objective - 250.0, churn_cost=250.0)
    assert moods(view_of(scenario, paid))["Planner and ledger agree"] == "good"


def test_errors_among_the_diagnostics_are_bad(report_case: Any) -> None:
    wrong = (Diagnostic(code="D001", severity="error", message="x"),)
    scenario = report_case.make_scenario(days=1, jobs=2, diagnostics=wrong)
    assert moods(view_of(scenario, report_case.make_result(scenario)))["1 diagnostic"] == "bad"


def test_windows_that_start_before_the_release_are_clipped(report_case: Any) -> None:
    """Release and deadline outside the horizon must not widen the chart."""
    scenario = report_case.make_scenario(days=2, jobs=1)
    (job,) = scenario.training
    early = scenario.with_changes(
        training=(type(job)(**{**job.__dict__, "release": job.release - timedelta(days=9),
                               "deadline": scenario.timeline.end + timedelta(days=9)}),)
    )  # fmt: skip
    rows = gantt_rows(view_of(early, report_case.make_result(early)))
    assert rows[0]["items"][0]["window"] == [0, 48]
