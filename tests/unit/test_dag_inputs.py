"""Jobs from every source that ``jw dag`` reads, told apart by content; signals from files and zones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.errors import DataError, ScenarioError
from joulewright.io.dag_files import write_dag_jobs
from joulewright.study.dag_inputs import jobs_from_tables, read_dag_input
from joulewright.study.dag_signal import played, read_signal, synthetic_signal

STAGE = {
    "parents": [],
    "num_tasks": 3,
    "first_wave_ms": {"5": [100, 200], "10": [110, 210, 310]},
    "rest_wave_ms": {"5": [90], "10": [40, 60]},
    "fresh_ms": {"5": [100], "10": [110]},
}
SERIES = "utc,ci_direct_g_kwh,price_usd_mwh,renewable_pct,load\n" + "".join(
    f"2022-07-04T{hour:02d}:00Z,{100 + hour},{50 - hour},{4 * hour},{hour}\n" for hour in range(24)
)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    path = tmp_path / "tpch.json"
    path.write_text(json.dumps({"2g-1": [STAGE], "2g-2": [STAGE, {**STAGE, "parents": [0]}]}), encoding="utf-8")
    return path


@pytest.fixture
def series(tmp_path: Path) -> Path:
    path = tmp_path / "series.csv"
    path.write_text(SERIES, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["jobs.json", "jobs.parquet"])
def test_our_formats(name: str, tmp_path: Path) -> None:
    jobs = generate_dag_jobs("layered", jobs=2, seed=3)
    path = write_dag_jobs(tmp_path / name, jobs)
    found = read_dag_input(str(path))
    assert (found.jobs, found.kind, found.exact, found.compressed) == (jobs, "jobs", True, False)
    assert len(found.sha256) == 64


def test_generated_jobs_take_options() -> None:
    found = read_dag_input("generated:layered,jobs=3,seed=7,gap_ms=100,waves=true")
    assert found.jobs == generate_dag_jobs("layered", jobs=3, seed=7, mean_gap_ms=100.0, waves=True)
    assert (found.exact, found.compressed, found.sha256) == (False, True, "")
    assert len(read_dag_input("generated:tpch-like").jobs) == 20


def test_a_table_is_drawn_from(tables: Path) -> None:
    found = read_dag_input(str(tables), "jobs=6,seed=4,gap_ms=500")
    assert (found.kind, len(found.jobs), found.exact) == ("tables", 6, True)
    assert "jobs=6, seed=4, gap_ms=500.0, waves=false" in found.notes[0]
    # Exact durations are those of later tasks at the greatest number of executors.
    assert {value for job in found.jobs for stage in job.stages for value in stage.task_ms} == {40, 60}
    assert found.jobs[0].arrival_ms == 0
    assert [job.arrival_ms for job in found.jobs] == sorted(job.arrival_ms for job in found.jobs)
    assert found.jobs == read_dag_input(str(tables), "jobs=6,seed=4,gap_ms=500").jobs
    assert found.jobs[:3] == read_dag_input(str(tables), "jobs=3,seed=4,gap_ms=500").jobs
    assert not read_dag_input(str(tables), "waves=true").exact


def test_a_table_of_the_reference_data(shared: Path) -> None:
    path = shared / "data" / "dag" / "tpch_dags_2g_10g_50g.json"
    if not path.is_file():
        pytest.skip(f"{path.name} is not among the reference data")
    found = read_dag_input(str(path), "jobs=5,seed=1")
    assert (found.kind, len(found.jobs), found.exact) == ("tables", 5, True)


def test_a_spark_event_log(tmp_path: Path) -> None:
    log = (Path(__file__).parents[1] / "data" / "spark_events.jsonl").read_bytes()
    path = tmp_path / "log.jsonl"
    path.write_bytes(log + b"{ no line\n")
    found = read_dag_input(str(path))
    assert (found.kind, found.exact, found.compressed) == ("spark", True, False)
    assert found.jobs
    assert "cannot be read: 1, the first" in found.notes[0]
    packed = tmp_path / "log.gz"
    packed.write_bytes(gzip.compress(log))
    assert read_dag_input(str(packed)).jobs == found.jobs


@pytest.mark.parametrize(
    ("text", "draw", "message"),
    [
        ("generated:nonsense", "", "no kind of job 'nonsense'"),
        ("generated:layered,job=3", "", "did you mean 'jobs'"),
        ("generated:layered,xyz", "", "'xyz' in .* is no option of a draw; there are jobs, seed, gap_ms, waves"),
        ("generated:layered,jobs=many", "", "jobs is 'many'"),
        ("generated:layered,jobs=2.5", "", "jobs is '2.5'"),
        ("generated:layered,jobs=0", "", "at least 1 job"),
        ("generated:layered,seed=-1", "", "seed of at least 0"),
        ("generated:layered,waves=yes", "", "waves is 'yes'.*true and false"),
        ("TABLE", "jobs=0", "0 jobs of 2 queries"),
        ("TABLE", "gap_ms=nan", "gap of nan"),
        ("TABLE", "gap_ms=soon", "gap_ms is 'soon'"),
    ],
)
def test_bad_sources(text: str, draw: str, message: str, tables: Path) -> None:
    with pytest.raises(ScenarioError, match=message):
        read_dag_input(text.replace("TABLE", str(tables)), draw)


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent.json' cannot be read: .*generated:tpch-like"):
        read_dag_input(str(tmp_path / "absent.json"))
    with pytest.raises(DataError):
        read_dag_input(str(tmp_path))
    (tmp_path / "text.json").write_text("no json", encoding="utf-8")
    with pytest.raises(ScenarioError, match="is not JSON"):
        read_dag_input(str(tmp_path / "text.json"))
    (tmp_path / "noise.parquet").write_bytes(b"\x00\x01")
    with pytest.raises(ScenarioError, match="no Parquet file"):
        read_dag_input(str(tmp_path / "noise.parquet"))
    jobs = write_dag_jobs(tmp_path / "jobs.json", generate_dag_jobs("layered", jobs=1))
    with pytest.raises(ScenarioError, match="holds jobs, not a table to draw from; leave 'jobs=3' out"):
        read_dag_input(str(jobs), "jobs=3")
    with pytest.raises(ScenarioError, match="0 queries"):
        jobs_from_tables({}, jobs=1, seed=0, gap_ms=1.0, waves=False)


def test_a_signal_from_a_file(series: Path) -> None:
    found = read_signal(series, hour_ms=60_000.0, renewable="renewable_pct")
    assert (found.signal.step_ms, found.signal.step_h) == (60_000, 1.0)
    assert found.signal.values.tolist() == [100.0 + hour for hour in range(24)]
    assert found.signal.renewable_fraction is not None
    assert found.signal.renewable_fraction[5] == pytest.approx(0.2)
    assert (found.unit, found.amount, found.amount_factor, found.quantity) == ("g/kWh", "kg CO2e", 1e-3, "carbon")
    assert (found.timeline.steps, found.synthetic) == (24, False)
    assert "column ci_direct_g_kwh" in found.name


def test_prices_and_plain_numbers_play_as_well(series: Path) -> None:
    price = read_signal(series, column="price_usd_mwh")
    assert (price.unit, price.amount, price.quantity, price.signal.step_ms) == ("USD/MWh", "USD", "cost", 3_600_000)
    plain = read_signal(series, column="load", unit="1")
    assert (plain.amount, plain.amount_factor, plain.quantity) == ("signal x kWh", 1.0, "signal")
    carbon = read_signal(series, column="load", unit="kg/kWh")
    assert carbon.signal.values[3] == 3000.0


def test_stamps_at_the_end_of_an_interval(tmp_path: Path) -> None:
    path = tmp_path / "ends.csv"
    path.write_text("end_utc,ci_g_kwh\n2022-01-01T01:00Z,5\n2022-01-01T02:00Z,6\n", encoding="utf-8")
    assert read_signal(path).timeline.start.hour == 0


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (SERIES, {"column": "nothing"}, "nothing"),
        (SERIES, {"column": "load"}, "column 'load' has no unit"),
        (SERIES, {"column": "load", "unit": "bananas"}, "bananas"),
        (SERIES.replace("ci_direct", "ci"), {"renewable": "price_usd_mwh"}, "price_usd_mwh"),
        (SERIES.replace("price_usd_mwh", "ci_lca_g_kwh"), {}, "2 columns of carbon intensity; choose one"),
        (SERIES.replace("ci_direct_g_kwh", "ci"), {}, "no column whose name ends in g_kwh"),
        (SERIES.replace(",105,", ",x,"), {}, "x"),
        (SERIES.replace("2022-07-04T05:00Z,105,45,20,5\n", ""), {}, "no values for 1 h"),
        (SERIES.replace("renewable_pct", "renewable_fraction"), {"renewable": "renewable_fraction"}, "range"),
        ("", {}, "empty"),
    ],
)
def test_bad_signals(text: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=message):
        read_signal(path, **options)


def test_a_made_up_year() -> None:
    found = synthetic_signal("DE-LU", hour_ms=60_000.0)
    assert (found.timeline.steps, found.synthetic, found.signal.step_ms) == (8760, True, 60_000)
    assert found.signal.renewable_fraction is not None
    assert 0.0 <= found.signal.renewable_fraction.min() <= found.signal.renewable_fraction.max() <= 1.0
    with pytest.raises(ScenarioError, match="no zone 'MARS'; there are US-CAL-CISO"):
        synthetic_signal("MARS")


@pytest.mark.parametrize(
    ("when", "step"), [("0", 0), ("23.9", 23), ("2022-01-02T00:30Z", 24), ("2022-01-01T02:00+01:00", 1)]
)
def test_starts(when: str, step: int) -> None:
    assert synthetic_signal("CA-ON").step_at(when) == step


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("8760", "lies outside the signal"),
        ("-1", "lies outside"),
        ("nan", "lies outside"),
        ("inf", "lies outside"),
        ("2021-12-31T23:00Z", "lies outside"),
        ("2022-01-02T00:30", "has no offset"),
        ("soon", "neither a number of hours"),
    ],
)
def test_bad_starts(when: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        synthetic_signal("CA-ON").step_at(when)


def test_an_hour_must_be_whole_milliseconds() -> None:
    assert played(np.ones(2), 0.25, 1000.0).step_ms == 250
    # A millisecond that was read as a part of an hour falls short of one by rounding.
    assert played(np.ones(2), 1.0, np.nextafter(1.0, 0.0)).step_ms == 1
    for hour_ms in (0.0, 0.5, 1001.0):
        with pytest.raises(ScenarioError, match="whole number of at least 1"):
            played(np.ones(2), 0.25, hour_ms)


@pytest.mark.parametrize("name", ["jobs.json.gz", "jobs.gz", "jobs.json"])
def test_gzipped_jobs_are_told_from_spark_logs_by_content(name: str, tmp_path: Path) -> None:
    jobs = generate_dag_jobs("layered", jobs=2, seed=3)
    plain = write_dag_jobs(tmp_path / "plain.json", jobs).read_bytes()
    path = tmp_path / name
    path.write_bytes(gzip.compress(plain))
    found = read_dag_input(str(path))
    assert (found.jobs, found.kind) == (jobs, "jobs")
    path.write_bytes(gzip.compress(plain)[:-20])
    with pytest.raises(ScenarioError, match="is no text in UTF-8, gzipped or not"):
        read_dag_input(str(path))


def test_a_gzipped_table_is_drawn_from(tables: Path, tmp_path: Path) -> None:
    packed = tmp_path / "tpch.json.gz"
    packed.write_bytes(gzip.compress(tables.read_bytes()))
    assert read_dag_input(str(packed), "jobs=3").jobs == read_dag_input(str(tables), "jobs=3").jobs


@pytest.mark.parametrize("content", [b"{nonsense", b"\xff\xfe", b"\x1f\x8b\x08nonsense"])
def test_files_of_no_format_are_invalid_not_unavailable(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    path.write_bytes(content)
    with pytest.raises(ScenarioError, match=r"is not JSON|is no text"):
        read_dag_input(str(path))
