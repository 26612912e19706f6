"""Sections of a study report: intervals, fans, worst weeks, timelines, sweeps, runs and validity, worked by hand."""

from __future__ import annotations

import re
import zlib
from base64 import b64decode
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from joulewright.model import CARBON_BUDGET, Happening
from joulewright.report.blobs import decode
from joulewright.report.figure import Figures
from joulewright.report.happenings import instant_text, timeline_view, told
from joulewright.report.study_differences import difference_section
from joulewright.report.study_fans import daily_means, fan_section
from joulewright.report.study_figures import figure_named, figures_of, interval_text, range_text, scaled
from joulewright.report.study_intervals import IntervalRow, interval_view
from joulewright.report.study_policies import policy_section, regret_section
from joulewright.report.study_runs import run_section
from joulewright.report.study_sweep import number_and_unit, sweep_section, swept_of
from joulewright.report.study_timeline import chosen_samples, timeline_section
from joulewright.report.study_validity import findings, validity_box
from joulewright.report.study_view import StudyView, spread, stacked, utc_axis
from joulewright.report.study_weeks import piece_sums, piece_word, span_of, week_section, worst_weeks
from joulewright.study.result import Estimate, Inference, Variant


def plain(text: object) -> str:
    """Text without tags, with plain spaces."""
    return re.sub(r"<[^>]+>", " ", str(text)).replace("\u202f", " ").replace("\xa0", " ")


def unpacked(figures: Figures, reference: dict[str, int]) -> np.ndarray:
    """Values behind a reference of a chart."""
    codes = np.frombuffer(zlib.decompress(b64decode(figures.blobs.payload())), dtype="<u2")
    return decode(figures.blobs.index()[reference["$"]], codes)


def moods(study: Any) -> dict[str, str]:
    return {plain(item.title): item.mood for item in findings(StudyView(study=study))}


# ---------------------------------------------------------------- figures and intervals


@pytest.mark.parametrize(
    ("key", "mean", "half", "text"),
    [
        ("cost", 13_315_700.0, 5_330.0, "13.3157 M USD ± 0.00533 M USD"),
        ("cost", 13_315_700.0, 250_000.0, "13.32 M USD ± 0.250 M USD"),
        ("cost", 13_315_700.4, 12.0, "13 315.700 k USD ± 0.0120 k USD"),
        ("cost", 1020.0, 19.1, "1 020 USD ± 19.1 USD"),
        ("benefit", 3.0, 25_000.0, "0.00300 k USD ± 25.0 k USD"),
        ("carbon_kg", 1_234_567.0, 8.0, "1 234.5670 t ± 0.00800 t"),
        ("unserved_mwh", 25_000.0, 3.0, "25.0000 GWh ± 0.00300 GWh"),
        ("peak_import_mw", 41.26, 0.004, "41.2600 MW ± 0.00400 MW"),
        ("served_fraction", 0.99951, 0.00002, "99.9510 % ± 0.002000 %"),
        ("deadlines_met", 8.0, 0.5, "8.00 ± 0.500"),
        ("cost", 1e6, 1e-5, "1.00 M USD"),
    ],
)
def test_a_mean_is_as_fine_as_its_interval(key: str, mean: float, half: float, text: str) -> None:
    value = Estimate(mean=mean, low=mean - half, high=mean + half, count=9)
    assert interval_text(value, figure_named(key, "USD").show).replace("\u202f", " ") == text


def test_the_ends_of_an_interval_can_be_told_apart() -> None:
    show = figure_named("cost", "USD").show
    near = Estimate(mean=13.3157e6, low=13.3104e6, high=13.321e6, count=9)
    assert range_text(near, show).replace("\u202f", " ") == "13.310 M USD to 13.321 M USD"
    around_zero = Estimate(mean=20.0, low=0.004, high=50.0, count=9)
    assert range_text(around_zero, show).replace("\u202f", " ") == "0.00400 USD to 50.0 USD"


def test_every_compared_figure_has_a_unit_and_a_direction() -> None:
    figures = figures_of("EUR")
    assert len({figure.key for figure in figures}) == len(figures)
    assert all(figure.better in (-1, 1) for figure in figures)
    assert {figure.key: figure.show(1500.0).replace("\u202f", " ") for figure in figures} == {
        "benefit": "1 500 EUR",
        "cost": "1 500 EUR",
        "carbon_kg": "1.50 t",
        "unserved_mwh": "1 500 MWh",
        "curtailed_mwh": "1 500 MWh",
        "peak_import_mw": "1 500 MW",
        "deadlines_met": "1 500",
        "served_fraction": "150 000 %",
        "regret": "1 500 EUR",
        "regret_fraction": "150 000 %",
    }


def test_interval_rows_share_one_unit() -> None:
    rows = [
        IntervalRow(name="a", colour="good", value=Estimate(mean=2e6, low=1e6, high=3e6), text="", facts=()),
        IntervalRow(name="b", colour="bad", value=Estimate(mean=500.0), text="", facts=()),
    ]
    view = interval_view("Cost", "Cost", rows, figure_named("cost", "USD"), currency="USD")
    assert view["axis"] == "Cost [M USD]"
    assert [row["mean"] for row in view["rows"]] == pytest.approx([2.0, 0.0005])
    assert (view["rows"][0]["low"], view["rows"][1]["low"]) == (pytest.approx(1.0), None)


def test_nothing_but_zeros_has_a_unit() -> None:
    rows = [IntervalRow(name="a", colour="good", value=Estimate(mean=0.0), text="", facts=())]
    view = interval_view("Unserved", "Unserved", rows, figure_named("unserved_mwh", "USD"), currency="USD")
    assert (view["axis"], view["rows"][0]["mean"]) == ("Unserved [MWh]", 0.0)
    assert scaled(figure_named("cost", "USD"), [], "USD") == ([], "USD")


def test_means_have_a_row_for_each_policy_and_the_oracle(study_report_case: Any) -> None:
    figures = Figures()
    (markup,) = policy_section(StudyView(study=study_report_case.make_study()), figures)
    spec = figures.specs["means"]
    benefit = next(view for view in spec["views"] if view["name"] == "Benefit")
    assert [row["name"] for row in benefit["rows"]] == ["calm", "eager", "perfect foresight"]
    assert benefit["rows"][0]["mean"] == pytest.approx(1.020)
    assert spec["strides"] == {f"figure-{len(spec['views'])}": 1}
    assert "1 020 USD ± 19.1 USD" in plain(markup)


def test_one_policy_alone_has_a_table_and_no_chart(study_report_case: Any) -> None:
    figures = Figures()
    (markup,) = policy_section(StudyView(study=study_report_case.make_study(("calm",), oracle=False)), figures)
    assert figures.specs == {}
    assert "<table>" in markup


def test_regret_is_what_the_bound_leaves(study_report_case: Any) -> None:
    """The bound is 2000; calm has 1000 to 1040 less nothing, so its regret is 980 of a cost of 4000 on average."""
    figures = Figures()
    (markup,) = regret_section(StudyView(study=study_report_case.make_study(luck=0.0)), figures)
    rows = figures.specs["regret"]["views"][0]["rows"]
    assert [row["mean"] for row in rows] == pytest.approx([980.0, 900.0])
    assert "(24.5 %)" in plain(rows[0]["text"])
    assert figures.specs["regret"]["bars"]
    assert "perfect foresight" in markup


def test_no_oracle_no_regret(study_report_case: Any) -> None:
    study = study_report_case.make_study(oracle=False)
    assert regret_section(StudyView(study=study), Figures()) == []
    assert moods(study)["No regret"] == "warn"


# ---------------------------------------------------------------- differences


def test_differences_are_coloured_by_direction_and_chance(study_report_case: Any) -> None:
    figures = Figures()
    (markup,) = difference_section(StudyView(study=study_report_case.make_study()), figures)
    views = {view["name"]: view for view in figures.specs["differences"]["views"]}
    assert views["Benefit"]["rows"][0]["colour"] == "good"
    assert views["Benefit"]["note"] == "Each less calm."
    assert views["Unserved"]["rows"][0]["colour"] == "muted"  # every pair differs by 2 MWh: nothing was tested
    assert "all pairs alike" in markup
    assert "<details open>" in markup


def test_a_cost_that_rises_is_worse(study_report_case: Any) -> None:
    study = study_report_case.make_study(("eager", "calm"))
    turned = tuple(
        study_report_case.replace(
            run, figures={**run.figures, "cost": 100.0 * run.key.seed + 50.0 * len(run.key.policy)}
        )
        for run in study.outcomes
    )
    study = study_report_case.replace(study, outcomes=turned)
    study = study_report_case.replace(study, comparisons=study_report_case.comparisons(study))
    figures = Figures()
    difference_section(StudyView(study=study), figures)
    cost = next(view for view in figures.specs["differences"]["views"] if view["name"] == "Cost")
    assert cost["rows"][0]["colour"] == "muted"
    assert cost["rows"][0]["mean"] == pytest.approx(-50.0)


def test_variants_are_compared_apart_from_policies(study_report_case: Any) -> None:
    study = study_report_case.make_study(variants=study_report_case.sweep())
    figures = Figures()
    difference_section(StudyView(study=study), figures)
    spec = figures.specs["differences"]
    count = len(spec["views"]) // 2
    assert spec["strides"] == {"compared-2": count, f"difference-{count}": 1}
    assert spec["views"][count]["rows"][0]["name"] == "calm: battery.energy=20 MWh"
    assert spec["views"][count]["note"] == "Each less battery.energy=10 MWh."


def test_one_policy_has_no_differences(study_report_case: Any) -> None:
    assert difference_section(StudyView(study=study_report_case.make_study(("calm",))), Figures()) == []


# ---------------------------------------------------------------- fans


def test_fans_hold_median_and_bands(study_report_case: Any) -> None:
    study = study_report_case.make_study()
    figures = Figures()
    (markup,) = fan_section(StudyView(study=study), figures)
    spec = figures.specs["fans"]
    assert len(spec["views"]) == 3 * 3  # two policies and the oracle, all sites and two of them
    assert spec["strides"] == {"policy-3": 3, "place-3": 1}
    load = spec["views"][0]["panels"][0]
    assert load["axis"] == "Facility load [MW]"
    pale, dark, line = load["series"]
    # Seeds 0 to 4 scale the swing by 1.0 to 1.4; at the first step it is 5.
    assert unpacked(figures, line["values"])[0] == pytest.approx(6.0, abs=1e-4)
    assert unpacked(figures, dark["low"])[0] == pytest.approx(5.5, abs=1e-4)
    assert unpacked(figures, pale["values"])[0] == pytest.approx(6.9, abs=1e-4)
    assert "With so few runs" in markup


def test_one_run_is_a_line(study_report_case: Any) -> None:
    figures = Figures()
    (markup,) = fan_section(StudyView(study=study_report_case.make_study(seeds=(0,), oracle=False)), figures)
    assert len(figures.specs["fans"]["views"][0]["panels"][0]["series"]) == 1
    assert "How the run went" in markup


def test_shortage_is_shown_only_where_there_is_one(study_report_case: Any) -> None:
    def titles(**changes: Any) -> list[str]:
        figures = Figures()
        fan_section(StudyView(study=study_report_case.make_study(**changes)), figures)
        return [panel["axis"] for panel in figures.specs["fans"]["views"][0]["panels"]]

    assert "Unserved load [MW]" in titles()
    assert "Unserved load [MW]" not in titles(policies=("calm",))


def test_a_wide_sweep_shows_some_variants(study_report_case: Any) -> None:
    values = tuple(f"{number} MWh" for number in range(1, 26))
    study = study_report_case.make_study(seeds=(0, 1), days=2, variants=study_report_case.sweep(values=values))
    figures = Figures()
    (markup,) = fan_section(StudyView(study=study), figures)
    assert len(figures.specs["fans"]["views"]) <= 60
    assert "Shown for 6 of 25 variants." in plain(markup)
    assert "battery.energy=1 MWh" in markup
    assert "battery.energy=25 MWh" in markup


def test_runs_that_kept_nothing_have_no_fan(study_report_case: Any) -> None:
    failed = {(policy, seed): "broken" for policy in ("calm", "eager") for seed in range(5)}
    view = StudyView(study=study_report_case.make_study(failed=failed, oracle=False))
    assert fan_section(view, Figures()) == []
    assert week_section(view, Figures()) == []
    assert timeline_section(view, Figures()) == []
    assert policy_section(view, Figures()) == []


def test_a_policy_that_failed_everywhere_says_so_in_its_fan(study_report_case: Any) -> None:
    failed = {("eager", seed): "broken" for seed in range(5)}
    figures = Figures()
    fan_section(StudyView(study=study_report_case.make_study(failed=failed)), figures)
    view = figures.specs["fans"]["views"][3]
    assert view["panels"] == []
    assert view["note"] == "eager, All sites kept no series: its runs failed."


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 90)), elements=st.floats(-1e6, 1e6)))
def test_daily_means_keep_the_sum_of_whole_days(values: np.ndarray) -> None:
    found = daily_means(values, 1.0)
    assert found.shape == values.shape
    whole = values.shape[1] // 24 * 24
    assert found[:, :whole].sum() == pytest.approx(values[:, :whole].sum(), rel=1e-9, abs=1e-3)
    assert daily_means(values, 24.0) is values


# ---------------------------------------------------------------- worst weeks


def test_the_worst_day_is_found_with_its_run_and_what_happened(study_report_case: Any) -> None:
    """Seed 3 costs ten times the usual on the third day: 24 h of 100 x 1.3 x 5 on average, times ten."""
    view = StudyView(study=study_report_case.make_study())
    worst = {item.measure.key: item for item in worst_weeks(view, view.at("")[0])}
    cost = worst["energy_cost_per_h"]
    assert (cost.week, cost.run.key.seed) == (2, 3)
    assert cost.value == pytest.approx(24 * 100 * 1.3 * 5 * 10)
    assert cost.usual == pytest.approx(24 * 100 * 1.2 * 5)
    assert "unserved_mw" not in worst  # calm never sheds anything
    figures = Figures()
    (markup,) = week_section(view, figures)
    text = plain(markup)
    assert "Wed 6 Jul 2022" in text
    assert "1 × grid outage (4 h), 1 × job restart" in text
    assert "11 times" in text
    chosen = figures.specs["weeks"]["views"][0]
    assert (chosen["axis"]["steps"], chosen["mark"]) == (72, [24, 48])
    assert chosen["panels"][0]["axis"] == "Energy cost [USD/h]"


def test_a_measure_without_a_worst_week_is_said_to_have_none(study_report_case: Any) -> None:
    figures = Figures()
    week_section(StudyView(study=study_report_case.make_study()), figures)
    shortage = figures.specs["weeks"]["views"][2]
    assert shortage["panels"] == []
    assert shortage["note"] == "No run of this policy has a day with unserved load."


def test_two_weeks_are_compared_as_weeks(study_report_case: Any) -> None:
    view = StudyView(study=study_report_case.make_study(days=15))
    assert piece_word(view) == "week"
    assert span_of(view, 1) == "from 11 Jul 2022"
    assert piece_word(StudyView(study=study_report_case.make_study(days=13))) == "day"


@given(st.integers(1, 3), st.integers(1, 60), st.sampled_from([1.0, 2.0, 24.0]))
def test_sums_of_pieces_add_up(runs: int, bins: int, bin_h: float) -> None:
    values = np.arange(runs * bins, dtype=float).reshape(runs, bins)
    sums = piece_sums(values, bin_h, 24.0)
    whole = sums.shape[1] * max(1, round(24.0 / bin_h))
    assert bins - whole < max(1, round(24.0 / bin_h))
    assert sums.sum() == pytest.approx(bin_h * values[:, :whole].sum())


# ---------------------------------------------------------------- timelines


def test_timelines_have_a_view_for_each_policy_and_seed(study_report_case: Any) -> None:
    figures = Figures()
    chart, totals = timeline_section(StudyView(study=study_report_case.make_study()), figures)
    spec = figures.specs["timeline"]
    assert len(spec["views"]) == 2 * 5
    assert spec["strides"] == {"policy-2": 5, "run-5": 1}
    assert [row["name"] for row in spec["views"][5]["rows"]] == [
        "job restart",
        "texas: grid outage",
        "texas: shed load",
    ]
    outage = spec["views"][0]["rows"][1]["items"][0]
    assert outage["runs"] == [[50.0, 54.0, 1.0, "generator"]]
    assert "as announced" in plain(chart)
    assert "1 (2 h)" in plain(totals)  # the shed load of eager


def test_a_failed_run_says_why_in_its_timeline(study_report_case: Any) -> None:
    figures = Figures()
    study = study_report_case.make_study(failed={("calm", 1): "PolicyError: it broke"})
    timeline_section(StudyView(study=study), figures)
    view = figures.specs["timeline"]["views"][1]
    assert view["note"] == "calm, seed 1 failed: PolicyError: it broke"
    assert view["rows"] == [{"name": "", "items": []}]


def test_many_seeds_show_the_worst_ones(study_report_case: Any) -> None:
    study = study_report_case.make_study(seeds=range(40), days=2)
    poor = {("calm", 33), ("eager", 21)}
    outcomes = tuple(
        study_report_case.replace(run, figures={**run.figures, "benefit": -1.0})
        if (run.key.policy, run.key.seed) in poor
        else run
        for run in study.outcomes
    )
    chosen = chosen_samples(StudyView(study=study_report_case.replace(study, outcomes=outcomes)))
    assert len(chosen) == 12
    assert {(33, None), (21, None), (0, None)} <= set(chosen)
    assert chosen == sorted(chosen)


def test_many_places_are_grouped_by_kind(study_report_case: Any) -> None:
    timeline = study_report_case.make_study(days=1).timeline
    axis = utc_axis(timeline, step_h=1.0, first=0, steps=24)
    happenings = [Happening(start_h=1.0, end_h=2.0, kind="shed-load", where=f"site-{n}") for n in range(30)]
    view = timeline_view("a run", happenings, timeline, axis)
    assert [row["name"] for row in view["rows"]] == ["shed load"]
    assert view["note"] == "a run: 30\xa0× shed load (30\xa0h)."
    crowd = timeline_view("", [happenings[0]] * 401, timeline, axis)
    assert crowd["note"].endswith("The first 400 of 401 are drawn.")


def test_nothing_happened_is_an_empty_sentence(study_report_case: Any) -> None:
    timeline = study_report_case.make_study(days=1).timeline
    assert told([]) == ""
    assert instant_text(timeline, 1.5) == "Mon 4 Jul 2022, 01:30 UTC"
    assert instant_text(timeline, 1.5, "America/Chicago") == "Sun 3 Jul 2022, 20:30 Chicago time"


# ---------------------------------------------------------------- sweep


def test_a_sweep_is_drawn_against_its_numbers(study_report_case: Any) -> None:
    study = study_report_case.make_study(variants=study_report_case.sweep())
    (swept,) = swept_of(StudyView(study=study))
    assert (swept.path, swept.numbers, swept.unit) == ("battery.energy", (10.0, 20.0, 40.0), "MWh")
    figures = Figures()
    sweep_section(StudyView(study=study), figures)
    benefit = figures.specs["sweep"]["views"][0]
    assert (benefit["x"], benefit["at"]) == ("battery.energy [MWh]", [10.0, 20.0, 40.0])
    assert [line["name"] for line in benefit["series"]] == ["calm", "eager"]
    assert [point[0] for point in benefit["series"][0]["points"]] == pytest.approx([1.020, 1.030, 1.040])


def test_words_are_swept_side_by_side(study_report_case: Any) -> None:
    variants = study_report_case.sweep("cooling.model", ("chiller", "constant"))
    figures = Figures()
    sweep_section(StudyView(study=study_report_case.make_study(variants=variants)), figures)
    view = figures.specs["sweep"]["views"][0]
    assert (view["at"], view["categories"]) == (None, ["chiller", "constant"])


def test_two_settings_make_lines_of_the_one_with_fewer_values(study_report_case: Any) -> None:
    variants = tuple(
        Variant(name=f"a={one}, b={other}", overrides=(f"a={one}", f"b={other}", "c=7"))
        for one in ("x", "y")
        for other in ("1 MW", "2 MW", "3 MW")
    )
    figures = Figures()
    (markup,) = sweep_section(StudyView(study=study_report_case.make_study(variants=variants)), figures)
    spec = figures.specs["sweep"]
    assert spec["views"][0]["x"] == "b [MW]"
    assert [line["name"] for line in spec["views"][0]["series"]] == ["a=x", "a=y"]
    assert list(spec["strides"]) == ["policy-2", f"swept-{len(spec['views']) // 2}"]
    assert "What b changes" in markup


def test_units_that_differ_are_no_axis(study_report_case: Any) -> None:
    variants = study_report_case.sweep("battery.energy", ("500 kWh", "2 MWh"))
    (swept,) = swept_of(StudyView(study=study_report_case.make_study(variants=variants)))
    assert swept.numbers is None
    assert sweep_section(StudyView(study=study_report_case.make_study()), Figures()) == []


@given(st.floats(-1e6, 1e6, allow_nan=False), st.sampled_from(["MWh", "USD/kW/month", "%", ""]))
def test_numbers_and_units_come_apart(value: float, unit: str) -> None:
    found = number_and_unit(f"{value!r} {unit}")
    assert found is not None
    assert found == (pytest.approx(value), unit)


# ---------------------------------------------------------------- runs and validity


def test_every_run_has_a_row_with_values_to_sort_by(study_report_case: Any) -> None:
    study = study_report_case.make_study(years=(2021, 2022), failed={("eager", 2): "PolicyError: <b>broken</b>"})
    (markup,) = run_section(StudyView(study=study))
    assert markup.count("<tr>") == 1 + len(study.outcomes)
    assert 'data-value="1011"' in markup
    assert "<b>" not in markup
    assert "failed: PolicyError: &lt;b&gt;" in markup
    heads = re.findall(r"data-sort>(.*?)</button>", markup)
    assert heads[:3] == ["Policy", "Seed", "Year"]
    assert "Restarts" in heads


def test_thousands_of_runs_are_cut_and_said_to_be(study_report_case: Any) -> None:
    study = study_report_case.make_study(("calm",), seeds=range(1501), days=1, oracle=False)
    (markup,) = run_section(StudyView(study=study))
    assert "the first 1 500 of 1 501" in plain(markup)
    assert markup.count("<tr>") == 1501


def test_the_validity_of_a_sound_study(study_report_case: Any) -> None:
    found = moods(study_report_case.make_study(("calm",)))
    assert found == {
        "5 seeds": "good",
        "All 10 runs finished": "good",
        "No decision was cut": "good",
        "Forecasts: day-ahead": "good",
        "Perfect foresight within 0.25 %": "good",
        "All load is served": "good",
        "Synthetic data": "warn",
    }


def test_what_is_wrong_is_said(study_report_case: Any) -> None:
    study = study_report_case.make_study(
        seeds=(0, 1), years=(2021, 2022), failed={("eager", 1): "PolicyError: it broke"}, forecast="perfect"
    )
    found = moods(study)
    assert found["2 of 12 runs failed"] == "bad"
    assert found["Decisions cut in 6 steps"] == "warn"
    assert found["Perfect forecasts"] == "warn"
    assert found["Left unserved"] == "warn"
    assert found["2 seeds"] == "warn"
    assert found["2 years"] == "good"
    text = plain(" ".join(validity_box(StudyView(study=study))))
    assert "PolicyError: it broke" in text
    assert "texas/battery discharge_mw" in text
    assert "A note about the study." in text
    assert "A note about the run." in text
    assert "Forecasts: day-ahead." not in text


def test_one_seed_and_equal_seeds_are_worth_a_look(study_report_case: Any) -> None:
    assert moods(study_report_case.make_study(seeds=(3,)))["1 seed"] == "warn"
    study = study_report_case.make_study()
    same = tuple(study_report_case.replace(run, figures={**run.figures, "benefit": 1.0}) for run in study.outcomes)
    assert moods(study_report_case.replace(study, outcomes=same))["5 seeds, all alike"] == "warn"


def test_the_interval_and_the_test_are_named(study_report_case: Any) -> None:
    study = study_report_case.make_study(inference=Inference(interval="bootstrap", test="wilcoxon", confidence=0.9))
    text = plain(findings(StudyView(study=study))[0].text)
    assert text.startswith("90 % intervals: intervals from resampled means.")
    assert "Wilcoxon" in text


# ---------------------------------------------------------------- the view


def test_one_site_is_one_place(study_report_case: Any) -> None:
    study = study_report_case.make_study()
    one = tuple(
        study_report_case.replace(run, bands=tuple(band for band in run.bands if band.place != "texas"))
        for run in study.outcomes
    )
    assert StudyView(study=study).places == ("", "california", "texas")
    assert StudyView(study=study_report_case.replace(study, outcomes=one)).places == ("",)


def test_series_of_other_lengths_are_cut_to_the_shortest(study_report_case: Any) -> None:
    long, short = (study_report_case.make_study(days=days).outcomes[0].bands[0] for days in (3, 2))
    found = stacked([long, None, short])
    assert found is not None
    assert found.shape == (2, 48)
    assert stacked([None]) is None


def test_years_are_samples_where_there_is_one_seed(study_report_case: Any) -> None:
    view = StudyView(study=study_report_case.make_study(seeds=(0,), years=(2020, 2021, 2022)))
    assert view.samples == 3
    assert view.run_name(view.entrants[0].runs[1]) == "seed 0, 2021"


@given(st.lists(st.text(max_size=3), max_size=40, unique=True), st.integers(1, 12))
def test_spread_keeps_order_and_ends(items: list[str], most: int) -> None:
    found = list(spread(items, most))
    assert len(found) == min(len(items), most)
    assert found == [item for item in items if item in found]
    if most > 1 and items:
        assert (found[0], found[-1]) == (items[0], items[-1])


def test_an_exceeded_carbon_budget_is_a_warning(study_report_case: Any) -> None:
    study = study_report_case.make_study(oracle=False)
    assert not any("budget" in item.title for item in findings(StudyView(study=study)))
    over = Happening(start_h=1.0, end_h=1.0, kind=CARBON_BUDGET, where="all sites", detail="2 t of a budget of 1 t")
    first, *others = study.outcomes
    spent = replace(study, outcomes=(replace(first, happenings=(*first.happenings, over)), *others))
    (found,) = [item for item in findings(StudyView(study=spent)) if "budget" in item.title]
    assert (found.mood, found.title) == ("warn", "Carbon budget exceeded in 1 run")
    assert f"{first.key.policy} in 1" in found.text
