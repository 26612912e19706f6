"""Inputs, settings, curves and frames behind ``jw infer``."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from joulewright.errors import DataError, ScenarioError
from joulewright.physics.inference.calibrate import Calibration
from joulewright.physics.inference.constants import CONSTANT_SETS
from joulewright.physics.inference.measurements import Measurement, parse_measurements
from joulewright.physics.inference.steady import RequestShape
from joulewright.sim.processes.inference import (
    Autoscaling,
    Disaggregation,
    Intensity,
    PrefixCache,
    ServiceBudget,
    ServingOptions,
)
from joulewright.study.configuration import ConfigurationSpace
from joulewright.study.inference_calibration import MeasurementInput, study_calibration, study_validation
from joulewright.study.inference_configuration import study_configuration
from joulewright.study.inference_curve import CurveLimits, study_curves
from joulewright.study.inference_deployment import (
    Catalogues,
    DeploymentChoice,
    constants_of,
    deployment_facts,
    deployment_name,
    several,
    standing_of,
)
from joulewright.study.inference_errors import Compared, groups_frame, mfu_powers_w, runs_frame
from joulewright.study.inference_folder import (
    infer_manifest,
    is_infer_run,
    read_infer_folder,
    write_infer_folder,
)
from joulewright.study.inference_intensity import IntensityReading, hourly_intensity, read_any_intensity, read_intensity
from joulewright.study.inference_need import ServiceChoice, Weighing, hourly, named_constants, request_of
from joulewright.study.inference_requests import read_trace
from joulewright.study.inference_serving import ServingChoice, study_serving
from joulewright.study.inference_settings import number_of, record_of, settings_of

LLAMA = DeploymentChoice(model="Llama-3.1-8B", accelerator="H100")
CHAT = RequestShape(input_tokens=500, output_tokens=250)


def test_settings_become_records_with_their_own_checks() -> None:
    assert record_of(ServiceBudget, "energy_kwh=2,gpu_h=1.5", of="the budget") == ServiceBudget(energy_kwh=2, gpu_h=1.5)
    scaling = record_of(Autoscaling, "rate_per_replica_s=4,least_replicas=0", of="x", without=("schedule",))
    assert (scaling.rate_per_replica_s, scaling.least_replicas) == (4, 0)
    with pytest.raises(ScenarioError, match="link_bytes_s"):
        record_of(Disaggregation, "decode_replicas=1", of="--disaggregate", without=("decode_engine",))
    with pytest.raises(ScenarioError, match="no setting of the budget"):
        record_of(ServiceBudget, "schedule=1", of="the budget")
    with pytest.raises(ScenarioError, match="given twice"):
        settings_of("a=1,a=2", ["a"], of="x")
    with pytest.raises(ScenarioError, match="plain number"):
        number_of("5 kWh", "energy_kwh", of="the budget")


@pytest.mark.parametrize(("kind", "variation"), [("poisson", 1.0), ("even", 0.0), ("bursts", 3.0)])
def test_kinds_of_arrivals(kind: str, variation: float) -> None:
    trace = read_trace(f"{kind}:rate=10,requests=20000,seed=3,lengths=constant").trace
    gaps = np.diff(trace.arrival_s, prepend=0.0)
    assert gaps.mean() == pytest.approx(0.1, rel=0.1)
    assert gaps.std() / gaps.mean() == pytest.approx(variation, abs=0.15)
    assert set(trace.input_tokens) == {500}
    assert set(trace.output_tokens) == {250}


def test_lengths_that_are_drawn() -> None:
    trace = read_trace("poisson:input=400,output=100,requests=20000,seed=1,spread=0.5").trace
    assert trace.input_tokens.mean() == pytest.approx(400, rel=0.02)
    assert trace.input_tokens.std() / trace.input_tokens.mean() == pytest.approx(0.5, abs=0.02)
    short = read_trace("poisson:input=400,requests=2000,seed=1", longest_tokens=1000).trace
    assert short.input_tokens.max() == 500
    with pytest.raises(ScenarioError, match="is 400 tokens; allowed is 1 to 300"):
        read_trace("poisson:input=400", longest_tokens=600)
    zipf = read_trace("poisson:input=64,output=16,requests=500,lengths=zipf,spread=1.2").trace
    assert zipf.input_tokens.max() <= 64
    assert zipf.input_tokens.mean() < 32
    same = [read_trace("poisson:requests=50,seed=7").trace.arrival_s for _ in range(2)]
    assert same[0].tolist() == same[1].tolist()


def test_the_first_requests_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n0,5,2\n1,6,3\n2,7,4\n", encoding="utf-8")
    found = read_trace(str(path), first=2)
    assert found.trace.input_tokens.tolist() == [5, 6]
    assert "first 2 of 3" in found.notes[0]
    assert read_trace(str(path), first=9).notes == ()
    assert found.facts()["sha256"] == read_trace(str(path)).sha256
    with pytest.raises(DataError, match="no such file"):
        read_trace(str(tmp_path / "other.csv"))
    with pytest.raises(ScenarioError, match="input of the trace 'poisson:input=inf' is inf tokens"):
        read_trace("poisson:input=inf")


def test_intensities(tmp_path: Path) -> None:
    fixed = read_intensity("0.5 kg/kWh", bin_s=3.0)
    assert fixed.intensity.kg_per_mwh.tolist() == [500.0]
    assert math.remainder(fixed.intensity.step_s, 3.0) == pytest.approx(0.0, abs=1e-6)
    year = read_intensity("zone:DE-LU", IntensityReading(start="24"))
    assert year.synthetic
    assert year.intensity.kg_per_mwh.size == 8760 - 24
    path = tmp_path / "price.csv"
    path.write_text("utc,price_eur_mwh\n2022-01-01T00:00Z,5\n2022-01-01T01:00Z,6\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="not a carbon intensity"):
        read_intensity(str(path), IntensityReading(column="price_eur_mwh"))


def test_deployments_by_name() -> None:
    assert several("8 x B200") == (8, "B200")
    deployment = DeploymentChoice(
        model="Llama-3.1-8B", accelerator="2xH100", precision="fp8", power_cap_w=500.0, clock_fraction=0.8
    ).deploy()
    assert deployment_name(deployment) == "2 x H100-SXM, fp8, 500 W cap, 80 % clock"
    facts = deployment_facts(deployment)
    assert (facts["tensor_parallel"], facts["weight_gb"]) == (2, pytest.approx(8.03))
    with pytest.raises(ScenarioError, match="give one"):
        DeploymentChoice(model="Llama-3.1-8B", accelerator="2xH100", tensor_parallel=4).deploy()
    mine = Catalogues(accelerators={"mine": deployment.accelerator})
    assert mine.accelerator("mine") is deployment.accelerator
    with pytest.raises(ScenarioError, match="did you mean 'mine'"):
        mine.accelerator("minee")


def test_constants_and_what_they_are_worth() -> None:
    device = LLAMA.deploy().accelerator
    assert constants_of(None, device) is None
    assert constants_of("H100-1", device) is CONSTANT_SETS["H100-1"]
    dense = standing_of(DeploymentChoice(model="Llama-3.1-8B", accelerator="H100", constants="H100-1").deploy())
    assert (dense.level, dense.power_error) == ("step model", 0.074)
    experts = DeploymentChoice(model="Qwen3-30B-A3B", accelerator="H100", constants="H100-1").deploy()
    assert standing_of(experts).power_error is None
    unknown = standing_of(DeploymentChoice(model="Llama-3.1-8B", accelerator="MI300X").deploy())
    assert unknown.level == "uncalibrated"
    assert "nobody has measured" in unknown.sentence()


def test_energy_is_the_sum_of_its_parts_and_unknown_amounts_are_absent() -> None:
    study = study_serving(
        read_trace("poisson:requests=80,seed=2"), LLAMA.deploy(), ServingChoice(options=ServingOptions())
    )
    frame = study.energy
    parts, total = frame[:-1], frame.row(-1, named=True)
    assert parts["energy_kwh"].sum() == pytest.approx(total["energy_kwh"], rel=1e-12)
    assert parts["share"].sum() == pytest.approx(1.0)
    assert frame["carbon_g"].null_count() == frame["water_l"].null_count() == frame.height
    assert "carbon_g" not in study.tables()["requests"].columns
    assert study.overloaded is None
    assert study.latencies["latency"].to_list() == ["ttft", "tpot", "e2e"]
    with pytest.raises(ScenarioError, match="at least 0"):
        ServingChoice(options=ServingOptions(), water_l_per_kwh=-1.0)


def test_one_token_answers_have_no_time_per_token() -> None:
    trace = read_trace("even:rate=5,output=1,requests=5,lengths=constant")
    study = study_serving(trace, LLAMA.deploy(), ServingChoice(options=ServingOptions()))
    assert study.latencies["mean_s"].to_list()[1] is None


def test_curves_rise_and_fall_as_they_must() -> None:
    found = study_curves([LLAMA], CHAT, limits=CurveLimits(points=50))
    (curve,) = found.curves
    rates = curve.rates
    assert rates["rate_per_s"][-1] == pytest.approx(curve.limit_per_s)
    for column in ("sequences", "power_per_accelerator_w", "tpot_s", "busy_fraction"):
        assert rates[column].is_sorted()
    assert rates["energy_with_host_j"].drop_nulls().is_sorted(descending=True)
    assert (rates["energy_with_host_j"].drop_nulls() > rates["energy_per_output_token_j"].drop_nulls()).all()
    for column in ("weight_utilization", "kv_utilization", "compute_utilization"):
        assert rates[column].is_between(0.0, 1.0).all()
    assert found.summary["share"].to_list() == [0.1, 0.25, 0.5, 0.75, 0.9, 1.0]
    assert found.document()["deployments"][0]["limit_token_s"] == pytest.approx(250 * curve.limit_per_s)
    shares = curve.limit_per_s * np.array([0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
    for points in (2, 3, 50):
        summary = study_curves([LLAMA], CHAT, limits=CurveLimits(points=points)).summary
        assert summary["rate_per_s"].to_numpy() == pytest.approx(shares, rel=1e-12)


def test_curves_without_any_deployment() -> None:
    with pytest.raises(ScenarioError, match="name at least one"):
        study_curves([], CHAT)
    with pytest.raises(ScenarioError, match="points is 1"):
        CurveLimits(points=1)


def measurement(**changes: str) -> Measurement:
    row = {"model": "Llama-3.1-8B", "accelerator": "H100", "sequences": "64", "input_tokens": "400",
           "output_tokens": "300", "iteration_s": "0.02", "power_w": "500"} | changes  # fmt: skip
    return parse_measurements([row])[0]


def test_errors_are_relative_and_grouped() -> None:
    rows = [Compared(measurement(), 0.022, 450.0, "step model"), Compared(measurement(), 0.018, 550.0, "corrected")]
    frame = runs_frame(rows)
    assert frame["error_iteration_s"].to_list() == pytest.approx([0.1, -0.1])
    assert frame["error_power_w"].to_list() == pytest.approx([-0.1, 0.1])
    assert frame["error_energy_per_output_token_j"].to_list() == pytest.approx([-0.01, -0.01])
    groups = groups_frame(frame)
    (kind,) = groups.filter(pl.col("grouping") == "kind").to_dicts()
    assert (kind["runs"], kind["time_error"], kind["energy_error"]) == (2, pytest.approx(0.1), pytest.approx(0.01))
    assert kind["power_bias"] == pytest.approx(0.0, abs=1e-12)
    assert groups.filter(pl.col("grouping") == "level")["group"].to_list() == ["step model", "corrected"]


def test_the_baseline_knows_operations_only() -> None:
    one, more = measurement(), measurement(iteration_s="0.01")
    power = mfu_powers_w([one, more])
    # 2 N T + 4 A L n (i + o / 2) FLOP over the peak of 989 TFLOP/s for 20 ms
    flops = 2 * 8.03e9 * 64 * (1 + 400 / 300) + 4 * 4096 * 32 * 64 * 550
    share = flops / (0.02 * 989e12)
    assert power[0] == pytest.approx(70 + 630 * (share / 0.45) ** 0.7)
    assert power[1] == pytest.approx(70 + 630 * (2 * share / 0.45) ** 0.7)


def measured(*runs: Measurement) -> MeasurementInput:
    return MeasurementInput(runs=runs, name="runs.csv", sha256="0" * 64)


def test_no_run_is_predicted_from_itself() -> None:
    runs = measured(*(measurement(sequences=str(n), iteration_s=str(0.005 + n * 1e-4)) for n in (8, 16, 32, 64)))
    levels = study_validation(runs, leave_out="batch").runs["level"].to_list()
    assert levels[1:3] == ["interpolated"] * 2
    assert "interpolated" not in (levels[0], levels[3])
    assert set(study_validation(runs).runs["level"]) == {"step model"}
    twice = study_validation(measured(runs.runs[0], measurement(sequences="8")), leave_out="batch")
    assert "interpolated" not in set(twice.runs["level"])


def test_calibration_without_held_out_runs_says_so() -> None:
    rows = [measurement(sequences=str(2**n), iteration_s=str(0.006 + 2**n * 5e-5)) for n in range(3, 10)]
    study = study_calibration(measured(*rows), held_out=False)
    assert isinstance(study.calibration, Calibration)
    assert study.document()["held_out"] is False
    assert study.document()["errors"] == []
    assert study.runs.height == 7


def test_a_folder_reads_back_what_was_written(tmp_path: Path) -> None:
    frame = pl.DataFrame({"deployment": ["a"], "rate_per_s": [1.0]})
    manifest = infer_manifest("curve", {"notes": []}, command=["jw"])
    folder = write_infer_folder(tmp_path / "run", manifest, {"rates": frame}, report="<p>page</p>")
    document, tables = read_infer_folder(folder)
    assert is_infer_run(folder)
    assert document["kind"] == "curve"
    assert tables["rates"].equals(frame)
    (folder / "rates.parquet").write_bytes(b"changed")
    with pytest.raises(DataError, match="was changed"):
        read_infer_folder(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(DataError, match=r"holds mine\.txt"):
        write_infer_folder(tmp_path / "other", manifest, {})


def test_one_rate_is_the_busiest_hour_of_a_day() -> None:
    assert hourly([8.0]).max() == 8.0
    assert hourly([8.0]).min() > 1.0
    request = request_of({"service": {"model": "Llama-3.1-8B", "rate_per_s": 8.0}, "space": {"accelerators": "H100"}})
    assert request.service.rate_per_s == (8.0,)
    with pytest.raises(ScenarioError, match="no accelerator is given"):
        request_of({"service": {"model": "Llama-3.1-8B", "rate_per_s": 8.0}})
    with pytest.raises(ScenarioError, match="the service lacks model\nthe service lacks rate_per_s"):
        request_of({"space": {"accelerators": ["H100"]}})


def test_the_chosen_configuration_is_the_least_of_those_that_serve(tmp_path: Path) -> None:
    path = tmp_path / "grid.csv"
    path.write_text(
        "utc,ci_g_kwh\n"
        + "\n".join(f"2022-07-04T{at // 2:02d}:{30 * (at % 2):02d}Z,{100 + 200 * (at % 2)}" for at in range(4)),
        encoding="utf-8",
    )
    service = ServiceChoice(model="Llama-3.1-8B", rate_per_s=(3.0, 1.0), lengths="constant", tpot_s=0.05)
    space = ConfigurationSpace(accelerators=("H100", "L40S"), tensor_parallel=(1,), max_sequences=(64,))
    weighing = Weighing(minimise="carbon", intensity=str(path), requests=200)
    study = study_configuration(service, space, weighing)
    frame = study.configurations()
    assert frame["best"].to_list()[0] is True
    assert frame["carbon_kg"][0] == frame.filter("met")["carbon_kg"].min()
    assert frame["carbon_kg"][0] == pytest.approx(0.2 * frame["energy_kwh"][0])  # half-hours of 100 and 300 g/kWh
    assert study.best_by()["carbon_kg"] == frame["configuration"][0]
    short = ServiceChoice(model="Llama-3.1-8B", rate_per_s=(3.0,) * 5, lengths="constant")
    with pytest.raises(ScenarioError, match="5 hours are needed"):
        study_configuration(short, space, weighing)


def test_hours_of_an_intensity_weigh_steps_by_their_overlap() -> None:
    """Forty minutes at 90, forty at 120 and forty at 30 g/kWh: (40*90 + 20*120)/60 and (20*120 + 40*30)/60."""
    uneven = Intensity(step_s=2400.0, kg_per_mwh=np.array([90.0, 120.0, 30.0]))
    assert hourly_intensity(uneven, 2).tolist() == pytest.approx([100.0, 60.0])
    long = Intensity(step_s=5400.0, kg_per_mwh=np.array([100.0, 300.0]))
    assert hourly_intensity(long, 3).tolist() == pytest.approx([100.0, 200.0, 300.0])
    values = np.random.default_rng(0).uniform(0, 900, 200)
    hours = hourly_intensity(Intensity(step_s=1260.0, kg_per_mwh=values), 70)
    assert hours.sum() * 3600 == pytest.approx(values.sum() * 1260)
    assert hourly_intensity(read_intensity("40 g/kWh").intensity, 3).tolist() == [40.0, 40.0, 40.0]


@pytest.mark.parametrize(
    ("text", "reading", "message"),
    [
        ("400 g/kWh", {"column": "ci"}, "column belongs to a file .* '400 g/kWh' is one value"),
        ("400 g/kWh", {"start": "5", "max_gap_h": 2.0}, "max-gap, start belongs"),
        ("zone:DE-LU", {"time_zone": "UTC", "start": "5"}, "time-zone belongs to a file .* a made-up year"),
        (None, {"unit": "g/kWh"}, "unit belongs to a carbon intensity, and none is given"),
    ],
)
def test_what_belongs_to_a_file_of_intensities_is_refused_elsewhere(
    text: str | None, reading: dict[str, object], message: str
) -> None:
    with pytest.raises(ScenarioError, match=message):
        read_any_intensity(text, IntensityReading(**reading))  # type: ignore[arg-type]


def test_nothing_given_is_no_intensity() -> None:
    assert read_any_intensity(None) is None
    assert read_any_intensity(None, IntensityReading()) is None


def test_the_least_of_a_figure_is_named_only_where_it_was_searched_for() -> None:
    service = ServiceChoice(model="Llama-3.1-8B", rate_per_s=(3.0, 1.0), lengths="constant", tpot_s=0.05)
    space = ConfigurationSpace(accelerators=("H100", "L40S"), tensor_parallel=(1,), max_sequences=(64,))
    narrow = study_configuration(service, space, Weighing(pareto_over=("tpot_s",), requests=200))
    assert set(narrow.best_by()) == {"energy_kwh", "tpot_s"}
    assert narrow.best_by()["energy_kwh"] == narrow.found.best.label
    wide = study_configuration(service, space, Weighing(requests=200))
    assert set(wide.best_by()) == {"energy_kwh", "embodied_kg", "tpot_s"}


def test_constants_of_the_user_change_only_their_accelerator(tmp_path: Path) -> None:
    devices = ConfigurationSpace(accelerators=("H100", "L40S")).devices
    found = named_constants(["H100-SXM=H100-1"], devices)
    assert {name: item.name for name, item in found.items()} == {"H100-SXM": "H100-1"}
    assert named_constants(["H100-1"], devices[:1])["H100-SXM"].name == "H100-1"
    for given, message in (
        (["H100-1"], "do not say of which accelerator; write H100-SXM=H100-1"),
        (["H100-9"], "did you mean 'H100-"),
        (["B200=B200-1"], "are of B200, which is not to choose from"),
        (["H100=H100-1", "H100-SXM=H100-2"], "two sets of constants for H100-SXM"),
    ):
        with pytest.raises(ScenarioError, match=message):
            named_constants(given, devices)
    service = ServiceChoice(model="Llama-3.1-8B", rate_per_s=(3.0,) * 2, lengths="constant")
    document = {"accelerators": ["H100", "L40S"], "constants": ["H100-SXM=H100-1"], "tensor_parallel": 1}
    request = request_of({"service": {"model": "Llama-3.1-8B", "rate_per_s": [1.0, 1.0]}, "space": document})
    study = study_configuration(service, request.space, Weighing(requests=200))
    by_name = {standing_of(item.deployment).constants for item in study.found.evaluated}
    assert by_name <= {"H100-1", "L40S-uncalibrated"}
    assert "H100-1" in by_name
    assert any("No constants are given for L40S" in note for note in study.notes)


GOOD = {"model": "Llama-3.1-8B", "rate_per_s": [1.0]}


@pytest.mark.parametrize(
    ("document", "messages"),
    [
        ({"service": GOOD | {"rate_per_s": ["a"]}}, ["rate_per_s of the service is \\['a'\\]; it must be a list"]),
        ({"service": GOOD | {"model": 3, "spread": True}}, ["model of the service is 3; it must be text", "spread of"]),
        ({"service": GOOD | {"tpot_s": float("nan")}}, ["tpot_s of the service is nan; it must be a finite number"]),
        ({"service": GOOD | {"tpot": 1.0}}, ["'tpot' is no setting of the service; did you mean 'tpot_s'"]),
        ({"service": GOOD | {"rate_per_s": -2.0}}, ["rate_per_s of 'Llama-3.1-8B' is -2"]),
        ({"service": GOOD | {"rate_per_s": []}}, ["is empty"]),
        ({"service": GOOD | {"input_tokens": 0}}, ["input_tokens of 'Llama-3.1-8B' is 0"]),
        ({"service": GOOD | {"lengths": "zipf"}}, ["lengths of the service is 'zipf'; it must be 'lognormal'"]),
        ({"service": [GOOD, GOOD]}, ["there are 2 services", "jw infer pack"]),
        ({"service": GOOD, "space": {"accelerators": 3}}, ["accelerators of the space holds 3"]),
        ({"service": GOOD, "space": {"accelerators": ["H100", "H100-SXM"]}}, ["more than once"]),
        ({"service": GOOD, "space": {"tensor_parallel": [1.5]}}, ["each a whole number"]),
        ({"service": GOOD, "space": {"tensor_parallel": [0]}}, ["tensor_parallel holds 0; allowed is at least 1"]),
        ({"service": GOOD, "space": {"precisions": ["fp3"]}}, ["precisions holds 'fp3'; allowed is bf16"]),
        ({"service": GOOD, "space": {"slices": ["9g.9gb"]}}, ["'9g.9gb' is no slice"]),
        ({"service": GOOD, "space": {"gpus_available": {"H100": "all"}}}, ["a table, each a whole number"]),
        ({"service": GOOD, "space": {"max_sequence": 3}}, ["did you mean 'max_sequences'"]),
        ({"service": GOOD, "weighing": {"minimise": "fast"}}, ["it must be 'carbon', 'energy'"]),
        ({"service": GOOD, "weighing": {"minimise": "carbon"}}, ["carbon is to be least", "give intensity"]),
        ({"service": GOOD, "weighing": {"minimise": "cost"}}, ["give price_per_kwh"]),
        ({"service": GOOD, "weighing": {"pareto_over": ["speed"]}}, ["'carbon_kg', 'energy_kwh'"]),
        ({"service": GOOD, "weighing": {"reading": "x"}}, ["'reading' is no setting of the weighing"]),
        ({"service": GOOD, "weighing": {"seed": -1}}, ["seed is -1"]),
        ({"service": GOOD, "weighing": {"colum": "x"}}, ["is no setting of the weighing"]),
    ],
)
def test_bad_tables_are_named(document: dict[str, object], messages: list[str]) -> None:
    given = {**document, "space": {"accelerators": ["H100"], **document.get("space", {})}}  # type: ignore[dict-item]
    for message in messages:
        with pytest.raises(ScenarioError, match=message):
            request_of(given)


def test_tables_of_a_file_reach_the_reading_of_the_intensity() -> None:
    document = {
        "service": GOOD | {"quantile": "mean"},
        "space": {"accelerators": "H100", "gpus_available": {"H100": 2}},
        "weighing": {"intensity": "grid.csv", "column": "ci", "start": "3", "price_per_kwh": [0.1]},
    }
    found = request_of(document)
    assert found.weighing.reading == IntensityReading(column="ci", start="3")
    assert found.weighing.price_per_kwh == (0.1,)
    assert found.service.need(Catalogues()).objectives.quantile is None
    assert found.space.available(found.space.devices[0]) == 2


def test_lengths_that_do_not_fit_the_context_are_refused_not_cut() -> None:
    for prompt, answer in ((200_000, 250), (131_000, 500)):
        service = ServiceChoice(model="Llama-3.1-8B", rate_per_s=(1.0,), input_tokens=prompt, output_tokens=answer)
        with pytest.raises(ScenarioError, match=r"longer than the context of Llama-3\.1-8B, which holds 131072"):
            service.need(Catalogues())
    long = ServiceChoice(model="Llama-3.1-8B", rate_per_s=(1.0, 1.0), input_tokens=100_000, output_tokens=1000)
    need = long.need(Catalogues())
    assert need.output_tokens.most_tokens == 8000
    assert need.longest_tokens == 131_072
    assert any("Prompts are cut at 123072 tokens" in note for note in long.notes(need))
    even = ServiceChoice(model="Llama-3.1-8B", rate_per_s=(1.0,), input_tokens=100_000, lengths="constant")
    assert even.need(Catalogues()).longest_tokens == 100_250


def test_a_prefix_cache_needs_named_blocks() -> None:
    options = ServingOptions(prefix_cache=PrefixCache())
    with pytest.raises(ScenarioError, match="names no blocks of prompts"):
        study_serving(read_trace("poisson:requests=5"), LLAMA.deploy(), ServingChoice(options=options))
