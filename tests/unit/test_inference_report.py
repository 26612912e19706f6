"""Figures, tables and pages of ``jw infer``."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import polars as pl
import pytest

from joulewright.physics.inference.steady import RequestShape
from joulewright.report.infer_charts import distribution, predictor_finding, spans_decades, xy_series
from joulewright.report.infer_configuration_terminal import configuration_sentence, refusal_rows, shown
from joulewright.report.infer_error_terminal import constant_rows, group_rows
from joulewright.report.infer_facts import run_facts
from joulewright.report.infer_figures import duration, grams, joules, kilowatt_hours, optional
from joulewright.report.infer_page import render_infer_report
from joulewright.report.infer_serving_page import _in_system, _thinned, piece_bins
from joulewright.report.infer_terminal import energy_rows, latency_rows, serving_tables
from joulewright.sim.processes.inference import LatencyObjectives, ServiceBudget, ServingOptions
from joulewright.study.inference_curve import CurveLimits, study_curves
from joulewright.study.inference_deployment import DeploymentChoice
from joulewright.study.inference_intensity import read_intensity
from joulewright.study.inference_requests import read_trace
from joulewright.study.inference_serving import ServingChoice, ServingStudy, study_serving

LLAMA = DeploymentChoice(model="Llama-3.1-8B", accelerator="H100")


def served(requests: str = "poisson:requests=60,seed=1", *, carbon: bool = False, **options: Any) -> ServingStudy:
    return study_serving(
        read_trace(requests),
        LLAMA.deploy(),
        ServingChoice(options=ServingOptions(**options), water_l_per_kwh=1.8 if carbon else None),
        carbon=read_intensity("400 g/kWh") if carbon else None,
    )


def page_of(study: ServingStudy) -> str:
    return render_infer_report({"kind": "simulate", **json.loads(json.dumps(study.document()))}, study.tables())


def text_of(page: str) -> str:
    body = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body).replace("\u202f", " "))


def plain(text: str) -> str:
    return text.replace("\u202f", " ")


def test_units_that_read_best() -> None:
    assert [plain(duration(value)) for value in (0.0, 0.0004, 119.0, 7300.0)] == ["0 s", "0.400 ms", "119 s", "2.03 h"]
    assert [plain(kilowatt_hours(value)) for value in (0.0, 0.5, 9999.0)] == ["0 kWh", "500 Wh", "9 999 kWh"]
    assert [plain(grams(value)) for value in (999.0, 2e4, 3e7)] == ["999 g CO2e", "20.0 kg CO2e", "30.0 t CO2e"]
    assert [plain(joules(value)) for value in (0.0, 0.05, 2.0)] == ["0 J", "50.0 mJ", "2.00 J"]
    assert optional(None, joules) == "n/a"


def test_a_distribution_keeps_its_ends_and_its_tail() -> None:
    values = np.arange(100_000, dtype=float)
    shown_values, share = distribution(values)
    assert (shown_values[0], shown_values[-1], share[-1]) == (0.0, 99_999.0, 100.0)
    assert len(shown_values) <= 300
    assert sum(value > 90_000 for value in shown_values) > 100
    for value, part in zip(shown_values, share):
        assert part == pytest.approx((value + 1) / 1000.0)


def test_series_leave_out_what_is_missing() -> None:
    series = xy_series("work", "one", [1.0, 2.0, float("inf")], [float("nan"), 3.123456789, 1.0])
    assert (series["x"], series["y"]) == ([2.0], [3.1235])
    assert not spans_decades([0.0, 1e9])
    assert not spans_decades([])


def test_power_is_thinned_by_means() -> None:
    assert _thinned(np.array([1.0, 3.0, 5.0]), 2).tolist() == [2.0, 5.0]
    assert [piece_bins(bins) for bins in (1, 480, 481, 86_400)] == [1, 1, 2, 300]


def test_requests_in_the_system_are_counted_exactly() -> None:
    frame = pl.DataFrame({"arrival_s": [0.0, 1.0, 1.5], "finish_s": [3.0, 2.0, None]})
    found = _in_system(frame, 1.0, 4)
    assert found.tolist() == pytest.approx([1.0, 2.0, 1.0, 0.0])
    assert found.sum() == pytest.approx(3.0 + 1.0)


def test_a_page_of_a_simulation_says_what_it_rests_on() -> None:
    text = text_of(page_of(served(carbon=True, objectives=LatencyObjectives(tpot_s=1.0))))
    for words in ("All 60 requests are answered by H100-SXM", "Predictor: step model", "Expected error: step time",
                  "The requests are made up", "Objectives met", "100 %", "g CO2e", "Capacity suffices"):  # fmt: skip
        assert words in text


def test_a_page_where_everything_was_refused() -> None:
    study = served(budget=ServiceBudget(tokens=1))
    text = text_of(page_of(study))
    assert "0 of 60 requests are answered" in text
    assert "60 requests refused" in text
    assert "No request was answered." in text
    assert [row[1] for row in latency_rows(study.document())] == ["n/a"] * 3
    assert [str(table.title) for table in serving_tables(study.document())] == ["Latency", "Energy", "Run"]


def test_names_cannot_break_the_page() -> None:
    study = served()
    document = study.document()
    document["requests"] = document["requests"] | {"source": "<script>alert(1)</script>"}
    page = render_infer_report({"kind": "simulate", **document}, study.tables())
    assert "<script>alert" not in page


def test_phases_without_energy_are_left_out() -> None:
    rows = energy_rows(served().document())
    assert [row[0] for row in rows] == ["prefill", "decode", "idle", "host", "total"]
    assert len(rows[0]) == 4
    assert len(energy_rows(served(carbon=True).document())[0]) == 6


def test_facts_of_a_run() -> None:
    facts = dict(run_facts(served(objectives=LatencyObjectives(ttft_s=1.0)).document()))
    assert facts["objectives met"].startswith("100")
    assert facts["service"] == "Llama-3.1-8B on H100-SXM, round-robin"
    assert "refused by" not in facts


def test_a_page_of_curves_compares_deployments() -> None:
    pair = [LLAMA, DeploymentChoice(model="Llama-3.1-8B", accelerator="L40S")]
    study = study_curves(pair, RequestShape(input_tokens=500, output_tokens=250), limits=CurveLimits(points=40))
    page = render_infer_report({"kind": "curve", **study.document()}, study.tables())
    text = text_of(page)
    assert "takes the least energy" in text
    assert "serves most per accelerator" in text
    assert "Uncalibrated predictor" in text
    spec = json.loads(re.search(r'id="jw-spec">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    names = [item["name"] for item in spec["charts"]["power-rate"]["views"][0]["series"]]
    assert names == ["H100-SXM", "L40S"]


def test_a_predictor_nobody_measured_is_worth_a_look() -> None:
    standing = {"level": "step model", "constants": "x", "status": "y", "time_error": 0.02, "power_error": None,
                "energy_error": None, "flags": ()}  # fmt: skip
    assert predictor_finding(standing).mood == "warn"
    assert predictor_finding(standing | {"power_error": 0.05}).mood == "good"


def test_rows_of_errors_have_dense_models_first_and_constants_what_is_known() -> None:
    group = {"grouping": "kind", "runs": 2, "levels": "corrected", "time_error": 0.1, "power_error": 0.05,
             "energy_error": 0.02, "mfu_power_error": None, "power_bias": -0.03}  # fmt: skip
    document = {
        "groups": [group | {"group": kind, "kind": kind} for kind in ("experts", "dense")],
        "constants": [
            {"constant": "t_seq_s", "fitted": 0.0, "shipped": 0.0},
            {"constant": "t_layer_s", "fitted": 5e-5, "shipped": None},
        ],
    }
    assert [row[0] for row in group_rows(document, "kind")] == ["dense", "experts"]
    assert group_rows(document, "kind")[0][-1] == "n/a"
    assert constant_rows(document) == [["t_layer_s", "5.0 × 10⁻⁵", "n/a"]]


def test_equal_refusals_are_gathered() -> None:
    document = {"refused": [{"label": str(number), "reason": "too slow"} for number in range(5)]}
    assert refusal_rows(document) == [["0, 1, 2 and 2 more", "too slow"]]
    assert plain(shown("carbon_kg", 2.0)) == "2.00 kg CO2e"
    best = {"configuration": "H100 256/2048", "replicas": [1, 2], "gpus": 2.0, "energy_kwh": 5.0}
    sentence = plain(configuration_sentence({"best": best, "minimise": "energy"}))
    assert sentence == "Least energy: H100 256/2048, up to 2 replicas on 2 accelerators, 5.00 kWh in 2 hours."
