"""Requests that follow a demand: rates, counts and constants, in one piece and in parts, and every kind of bad file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from joulewright.errors import DataError, ScenarioError, TraceError
from joulewright.sim.processes.inference import RequestTrace, ServingOptions
from joulewright.sim.processes.inference.generate import TokenLengths
from joulewright.study import inference_demand, inference_requests
from joulewright.study.inference_demand import Demand, DemandReading, constant_demand, read_demand
from joulewright.study.inference_deployment import DeploymentChoice
from joulewright.study.inference_requests import RequestStream, Tally, TraceInput, read_trace
from joulewright.study.inference_serving import ServingChoice, ServingStudy, study_serving

TEN = TokenLengths(mean_tokens=10.0)


def rates(path: Path, values: list[object], column: str = "requests_per_s") -> Path:
    rows = [f"2024-01-01T{hour:02d}:00Z,{value}" for hour, value in enumerate(values)]
    path.write_text(f"utc,{column}\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("column", "factor"),
    [
        ("requests_per_s", 1.0),
        ("rate", 1.0),
        ("requests_per_min", 1 / 60),
        ("requests_per_h", 1 / 3600),
        ("requests", 1 / 3600),
        ("demand_token_s", 1 / 50),
    ],
)
def test_units_come_from_the_name_of_the_column(column: str, factor: float, tmp_path: Path) -> None:
    found = read_demand(rates(tmp_path / "day.csv", [1, 2, 0, 4], column), 50.0)
    assert found.rate_per_s.tolist() == pytest.approx([factor, 2 * factor, 0.0, 4 * factor])
    assert found.step_s == 3600.0
    assert found.expected == pytest.approx(7 * 3600 * factor)
    assert len(found.sha256) == 64


def test_a_unit_that_is_given_goes_before_the_name(tmp_path: Path) -> None:
    path = rates(tmp_path / "day.csv", [60, 120], "load")
    assert read_demand(path, 1.0, DemandReading(unit="requests/min")).rate_per_s.tolist() == [1.0, 2.0]
    with pytest.raises(
        ScenarioError, match=r"'load' of day\.csv has no unit in its name; give unit, one of requests/s"
    ):
        read_demand(path, 1.0)
    with pytest.raises(ScenarioError, match="has the unit 'kW'"):
        read_demand(path, 1.0, DemandReading(unit="kW"))


def test_counts_without_stamps_need_a_step(tmp_path: Path) -> None:
    path = tmp_path / "count.csv"
    path.write_text("requests\n900\n1800\n", encoding="utf-8")
    found = read_demand(path, 1.0, DemandReading(step_s=900.0))
    assert found.rate_per_s.tolist() == [1.0, 2.0]
    with pytest.raises(ScenarioError, match="no time stamps beside 'requests'; give step_s"):
        read_demand(path, 1.0)
    with pytest.raises(ScenarioError, match="step_s of the demand is -1"):
        read_demand(path, 1.0, DemandReading(step_s=-1.0))
    path.write_text("requests,other\n900,1\n,2\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="no number in row 1"):
        read_demand(path, 1.0, DemandReading(step_s=900.0, column="requests"))


def test_one_of_several_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("utc,a_per_s,b_per_s\n2024-01-01T00:00Z,1,3\n2024-01-01T01:00Z,2,4\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"2 columns besides its time stamps; name that .* a_per_s, b_per_s"):
        read_demand(path, 1.0)
    assert read_demand(path, 1.0, DemandReading(column="b_per_s")).rate_per_s.tolist() == [3.0, 4.0]
    with pytest.raises(ScenarioError, match="c_per_s"):
        read_demand(path, 1.0, DemandReading(column="c_per_s"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, -2.5, 1], "asks for -2.5 requests/s in step 1"),
        ([1, "nan", 1], "no values"),
        ([1, "", 1], "no values for 1 h from 2024-01-01T01:00Z"),
        ([1, "many", 1], "many"),
        ([0, 0, 0], "asks for no request in any of 3 steps"),
    ],
)
def test_bad_values_are_errors(values: list[object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=message):
        read_demand(rates(tmp_path / "day.csv", values), 1.0)


def test_short_gaps_are_filled_where_that_is_asked_for(tmp_path: Path) -> None:
    path = rates(tmp_path / "day.csv", [1, "", 3])
    found = read_demand(path, 1.0, DemandReading(max_gap_h=1.0))
    assert found.rate_per_s.tolist() == [1.0, 2.0, 3.0]


def test_rates_that_are_not_finite() -> None:
    with pytest.raises(ScenarioError, match="asks for inf requests/s in step 1"):
        Demand(rate_per_s=np.array([1.0, np.inf]), step_s=60.0, name="x")
    for rate, hours in ((0.0, 1.0), (1.0, 0.0), (float("nan"), 1.0), (1.0, float("inf"))):
        with pytest.raises(ScenarioError, match="allowed is a positive number"):
            constant_demand(rate, hours)


def test_requests_follow_the_rates() -> None:
    """Poisson counts of 3600, 0 and 18000 lie within five standard deviations."""
    demand = Demand(rate_per_s=np.array([1.0, 0.0, 5.0]), step_s=3600.0, name="x")
    (trace,) = demand.parts(TEN, TEN, seed=4)
    counts = np.bincount((trace.arrival_s // 3600).astype(int), minlength=3)
    assert abs(counts[0] - 3600) < 5 * 60
    assert counts[1] == 0
    assert abs(counts[2] - 18_000) < 5 * 134
    (again,) = demand.parts(TEN, TEN, seed=4)
    (other,) = demand.parts(TEN, TEN, seed=5)
    assert again.arrival_s.tolist() == trace.arrival_s.tolist()
    assert other.arrival_s.tolist() != trace.arrival_s.tolist()


def test_parts_are_small_in_order_and_follow_the_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_demand, "_PART", 500)
    demand = Demand(rate_per_s=np.array([2.0, 0.0, 0.001, 6.0]), step_s=1000.0, name="x")
    parts = list(demand.parts(TEN, TEN, seed=1))
    assert len(parts) == 17  # 8001 requests over parts of at most 500
    assert max(len(part) for part in parts) < 500 + 5 * 23 + 63
    arrival = np.concatenate([part.arrival_s for part in parts])
    assert (np.diff(arrival) >= 0.0).all()
    assert 0.0 <= arrival[0] <= arrival[-1] <= 4000.0
    counts = np.bincount((arrival // 1000).astype(int), minlength=4)
    assert abs(counts[0] - 2000) < 5 * 45
    assert counts[1] == 0
    assert abs(counts[3] - 6000) < 5 * 78
    gaps = np.diff(arrival[arrival >= 3000.0])
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.06)
    again = np.concatenate([part.arrival_s for part in demand.parts(TEN, TEN, seed=1)])
    assert again.tolist() == arrival.tolist()


def test_a_demand_so_small_that_nothing_comes() -> None:
    with pytest.raises(TraceError, match="no request comes of a demand"):
        list(constant_demand(1e-9, 1.0).parts(TEN, TEN))


def test_texts_name_demands(tmp_path: Path) -> None:
    path = rates(tmp_path / "day.csv", [0.2, 0.4])
    short = read_trace(f"demand:{path},input=30,output=20,seed=3,lengths=constant")
    full = read_trace(f"demand:file={path},input=30,output=20,seed=3,lengths=constant,column=requests_per_s")
    assert isinstance(short.trace, RequestTrace)
    assert short.trace.arrival_s.tolist() == full.trace.arrival_s.tolist()
    assert (short.kind, short.facts()["mean_input_tokens"]) == ("demand", 30.0)
    assert "their rate is that of the demand" in short.notes[0]
    fixed = read_trace("demand:rate=0.5,hours=2,seed=1")
    assert fixed.facts()["requests"] == pytest.approx(3600, abs=300)
    assert fixed.sha256 == ""
    assert len(read_trace("demand:rate=0.5,hours=2", first=7).trace) == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("demand:", "neither a file nor a rate"),
        ("demand:rate=1,file=x.csv", "both a file and a rate"),
        ("demand:rate=1,column=a", "column of .* belongs to a demand from a file"),
        ("demand:x.csv,hours=3", "hours of .* belongs to a demand from a constant rate"),
        ("demand:rate=0", "rate of the demand is 0"),
        ("demand:rate=1,output=0", "output of .* is 0 tokens"),
        ("demand:rate=1,input=9e9", "input of .* is 9e9 tokens"),
        ("demand:rate=1,sed=1", "did you mean 'seed'"),
        ("demand:rate=1,seed=1.5", "seed of .* is 1.5; allowed is a whole number"),
        ("demand:rate=fast", "rate of .* is 'fast'"),
        ("demnd:rate=1", "did you mean 'demand'"),
    ],
)
def test_bad_texts_are_named(text: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        read_trace(text)


def test_a_demand_without_a_file() -> None:
    with pytest.raises(DataError, match=r"the demand 'absent.csv' cannot be read: there is no such file"):
        read_trace("demand:absent.csv")


def test_whole_numbers_may_have_exponents() -> None:
    assert read_trace("even:rate=1e3,requests=1e2").facts()["requests"] == 100


def test_a_stream_gives_the_same_each_time_and_counts() -> None:
    pieces = [
        RequestTrace(arrival_s=[0.0, 1.0], input_tokens=[4, 6], output_tokens=[1, 3]),
        RequestTrace(arrival_s=[2.0], input_tokens=[8], output_tokens=[2]),
    ]
    stream = RequestStream(lambda: iter(pieces))
    for _ in range(2):
        assert [len(part) for part in stream] == [2, 1]
        assert stream.tally == Tally(3, 2.0, 18.0, 6.0, 14.0)
    assert [len(part) for part in stream.first(2)] == [2]
    assert [len(part) for part in stream.first(1)] == [1]
    assert TraceInput(trace=stream, name="x", kind="demand").facts()["mean_output_tokens"] == 2.0


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> tuple[ServingStudy, ServingStudy]:
    """A demand served with every request kept, and as a stream."""
    monkeypatch.setattr(inference_demand, "_PART", 300)
    deployment = DeploymentChoice(model="Llama-3.1-8B", accelerator="H100").deploy()
    text, choice = "demand:rate=3,hours=0.2,input=200,output=40,seed=2", ServingChoice(options=ServingOptions())
    kept = study_serving(read_trace(text), deployment, choice)
    monkeypatch.setattr(inference_requests, "_MOST_ROWS", 1)
    return kept, study_serving(read_trace(text), deployment, choice)


def test_streams_are_served_as_what_is_kept(pair: tuple[ServingStudy, ServingStudy]) -> None:
    kept, streamed = pair
    assert isinstance(streamed.requests.trace, RequestStream)
    first, second = kept.document(), streamed.document()
    assert second["requests"] == first["requests"]
    assert second["served"] == first["served"]
    assert second["energy"][-1]["energy_kwh"] == pytest.approx(first["energy"][-1]["energy_kwh"], rel=1e-12)
    for one, other in zip(first["latencies"], second["latencies"], strict=True):
        assert other["mean_s"] == pytest.approx(one["mean_s"], rel=1e-9)
        assert other["p90_s"] == pytest.approx(one["p90_s"], rel=0.02)
    assert set(streamed.tables()) == {"series", "tenants"}
    assert set(kept.tables()) == {"series", "tenants", "requests"}
    assert first["distributions"] is None
    shares, times = zip(*second["distributions"]["e2e"], strict=True)
    assert list(shares) == sorted(shares)
    assert list(times) == sorted(times)
    assert any("too many to be kept" in note for note in second["notes"])


def test_a_stream_above_capacity_says_what_would_be_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = DeploymentChoice(model="Llama-3.1-8B", accelerator="L40S").deploy()
    choice = ServingChoice(options=ServingOptions())
    text = "demand:rate=100,hours=0.02,lengths=constant,seed=1"
    kept = study_serving(read_trace(text), deployment, choice).overloaded
    monkeypatch.setattr(inference_requests, "_MOST_ROWS", 1)
    streamed = study_serving(read_trace(text), deployment, choice).overloaded
    assert kept is not None
    assert streamed is not None
    assert streamed["needed_replicas"] == pytest.approx(kept["needed_replicas"], abs=1)
    assert streamed["served_fraction"] == pytest.approx(kept["served_fraction"], abs=0.15)


def test_many_drawn_requests_are_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_requests, "_MOST_ROWS", 99)
    found = read_trace("poisson:rate=5,requests=100,seed=1", first=60)
    assert isinstance(found.trace, RequestStream)
    assert sum(len(part) for part in found.trace) == 60
    assert found.facts()["requests"] == 60
