"""Schedules as tables and files that others can follow."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from joulewright.account import site_load
from joulewright.errors import DataError
from joulewright.io.exports import export_schedule, schedule_document, schedule_frame
from joulewright.io.frames import jobs_frame, routing_frame, series_frame, set_points_frame
from joulewright.model import Region

STEPS = 3


@pytest.fixture
def planned(tiny):
    """A scenario of one full site and one bare one, and a schedule for it."""
    site = tiny.site(
        STEPS,
        renewables=(tiny.plant([0.1, 0.2, 0.3], STEPS),),
        batteries=(tiny.battery(),),
        generators=(tiny.generator(STEPS),),
    )
    bare = tiny.site(STEPS, name="b", grid=None, fleets=())
    scenario = tiny.scenario(
        site,
        bare,
        steps=STEPS,
        training=(tiny.job(), tiny.job("split", kind="pausable"), tiny.job("never")),
        inference=(tiny.service(STEPS),),
        regions=(Region(name="west", latency_ms={"a": 9.0}),),
    )
    schedule = tiny.schedule(
        scenario,
        jobs={
            "train": (tiny.run(0, 2, last_fraction=0.25),),
            "split": (tiny.run(0, 1, accelerators=10.0), tiny.run(2, 3, accelerators=10.0)),
        },
        services={"chat": {("west", "a", "gpus"): [1e4, 2e4, 0.0]}},
        flows={
            "a": {
                "renewable_used_mw": {"roof": [1.0, 1.0, 3.0]},
                "batteries": {"store": ([1.0, 0.0, 0.0], [0.0, 0.5, 0.0])},
                "generators": {"turbine": [0.0, 3.0, 0.0]},
                "grid_export_mw": [0.0, 0.0, 2.0],
            }
        },
    )
    return scenario, schedule


def hour(number):
    return datetime(2022, 7, 4, number, tzinfo=UTC)


def test_jobs(planned):
    frame = jobs_frame(*planned)
    assert frame["job"].to_list() == ["train", "split", "split", "never"]
    assert frame["status"].to_list() == ["planned", "planned", "planned", "rejected"]
    assert frame["segment"].to_list() == [1, 1, 2, None]
    first = frame.row(0, named=True)
    assert (first["site"], first["fleet"], first["accelerator"], first["kind"]) == ("a", "gpus", "H100-SXM", "rigid")
    assert (first["start"], first["end"]) == (hour(0), hour(2))
    assert first["work_end"] == datetime(2022, 7, 4, 1, 15, tzinfo=UTC)
    assert first["power_mw"] == pytest.approx(40 * 0.01)
    assert frame.row(3, named=True)["start"] is None


def test_jobs_that_start_and_end_between_steps(tiny):
    """What was simulated starts after a quarter of a step, ends in the middle of one, and says what a failure undid."""
    scenario = tiny.scenario(tiny.site(3), steps=3, training=(tiny.job("train"),))
    runs = [
        tiny.run(0, 2, first_fraction=0.75, last_fraction=0.5, frees_at_end=True, lost_h=0.4),
        tiny.run(2, 3, first_fraction=0.5),
    ]
    frame = jobs_frame(scenario, tiny.schedule(scenario, jobs={"train": runs}))
    assert frame["start"].to_list() == [
        datetime(2022, 7, 4, 0, 15, tzinfo=UTC),
        datetime(2022, 7, 4, 2, 30, tzinfo=UTC),
    ]
    assert frame["end"].to_list() == [datetime(2022, 7, 4, 1, 30, tzinfo=UTC), hour(3)]
    assert frame["work_end"].to_list() == frame["end"].to_list()
    assert frame["lost_h"].to_list() == [0.4, None]


def test_routing(planned):
    frame = routing_frame(*planned)
    assert frame["token_s"].to_list() == [1e4, 2e4, 0.0]
    assert frame["accelerators"].to_list() == [10.0, 20.0, 0.0]
    assert frame["power_mw"].to_list() == pytest.approx([0.05, 0.1, 0.0])
    assert frame["start"].to_list() == [hour(0), hour(1), hour(2)]
    assert frame["end"].to_list() == [hour(1), hour(2), hour(3)]
    assert set(frame.select("service", "region", "site", "fleet").rows()) == {("chat", "west", "a", "gpus")}


def test_the_draw_of_a_point_is_computed_once_for_all_regions(planned, tiny, monkeypatch):
    from joulewright.io import frames

    names = ["west", "north", "east", "south"]
    regions = tuple(Region(name=name, latency_ms={"a": 9.0}) for name in names)
    wanted = tiny.service(STEPS, demand_token_s={name: tiny.series(4e3, STEPS) for name in names})
    scenario = replace(planned[0], regions=regions, inference=(wanted,))
    rates = {(name, "a", "gpus"): 1e3 * at for at, name in enumerate(names)}
    schedule = tiny.schedule(scenario, services={"chat": rates})
    calls, draw = [], frames.serving_draw
    monkeypatch.setattr(frames, "serving_draw", lambda *args, **kw: calls.append(args) or draw(*args, **kw))
    frame = routing_frame(scenario, schedule).filter(pl.col("start") == hour(0))
    assert len(calls) == 1
    # 6000 token/s take 6 accelerators; each region has its share, and the one without tokens no row.
    assert frame["region"].to_list() == ["north", "east", "south"]
    assert frame["accelerators"].to_list() == pytest.approx([1.0, 2.0, 3.0])
    assert frame["power_mw"].sum() == pytest.approx(0.03)


def test_routes_that_are_never_used_are_left_out(planned, tiny):
    scenario, _ = planned
    idle = tiny.schedule(scenario, services={"chat": {("west", "a", "gpus"): 0.0}})
    frame = routing_frame(scenario, idle)
    assert frame.height == 0
    assert frame.columns == routing_frame(*planned).columns


def test_set_points(planned):
    frame = set_points_frame(*planned)
    assert frame.height == STEPS * (7 + 3)

    def values(component, quantity, column="power_mw", site="a"):
        wanted = (pl.col("component") == component) & (pl.col("quantity") == quantity) & (pl.col("site") == site)
        return frame.filter(wanted).sort("start")[column].to_list()

    assert values("store", "charge") == [1.0, 0.0, 0.0]
    assert values("store", "discharge") == [0.0, 0.5, 0.0]
    assert values("turbine", "generation") == [0.0, 3.0, 0.0]
    assert values("turbine", "generation", "on") == [False, True, False]
    assert values("roof", "renewable", "on") == [None] * 3
    assert values("roof", "renewable") == [1.0, 1.0, 3.0]
    assert values("grid", "export") == [0.0, 0.0, 2.0]
    assert values("grid", "import") == planned[1].sites["a"].grid_import_mw.tolist()
    assert values("load", "unserved", site="b") == [0.0] * 3


def test_series(planned):
    scenario, schedule = planned
    frame = series_frame(scenario, schedule)
    assert frame.height == 2 * STEPS
    assert frame.columns[:3] == ["site", "start", "end"]
    site = frame.filter(pl.col("site") == "a")
    load = site_load(scenario, schedule, scenario.sites[0])
    np.testing.assert_array_equal(site["facility_load_mw"], load.facility_mw)
    assert site["renewable_available_mw"].to_list() == [1.0, 2.0, 3.0]
    assert site["curtailed_mw"].to_list() == [0.0, 1.0, 0.0]
    assert site["stored_energy_mwh"].to_list() == pytest.approx([5.8, 4.8, 4.8])
    assert site["accelerators_in_use"].to_list() == [60.0, 60.0, 10.0]
    assert site["import_price_usd_per_mwh"].to_list() == [50.0] * 3
    assert site["average_direct_carbon_intensity_kg_per_mwh"].to_list() == [400.0] * 3
    balance = (
        site["grid_import_mw"] + site["renewable_used_mw"] + site["discharge_mw"] + site["generation_mw"]
        + site["unserved_mw"] - site["facility_load_mw"] - site["charge_mw"] - site["grid_export_mw"]
    )  # fmt: skip
    np.testing.assert_allclose(balance, 0.0, atol=1e-9)
    assert frame.filter(pl.col("site") == "b")["import_limit_mw"].null_count() == STEPS


def test_one_table_of_instructions(planned):
    frame = schedule_frame(*planned)
    counts = dict(frame["record"].value_counts().iter_rows())
    assert counts == {"job": 3, "rejected": 1, "routing": 3, "set point": 30}
    assert frame["name"].null_count() == 0
    job = frame.filter(pl.col("name") == "train").row(0, named=True)
    assert (job["record"], job["site"], job["accelerators"], job["start"]) == ("job", "a", 40.0, hour(0))


def test_csv(planned, tmp_path):
    path = export_schedule(tmp_path / "plan.csv", *planned)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 37
    assert rows[0]["start"] == "2022-07-04T00:00:00Z"
    assert rows[0]["work_end"] == "2022-07-04T01:15:00Z"
    assert rows[3]["record"] == "rejected"
    assert rows[3]["start"] == ""


def test_parquet(planned, tmp_path):
    path = export_schedule(str(tmp_path / "plan.parquet"), *planned)
    frame = pl.read_parquet(path)
    assert frame.equals(schedule_frame(*planned))
    assert frame.schema["start"] == pl.Datetime("us", "UTC")


def test_json(planned, tmp_path):
    path = export_schedule(tmp_path / "plan.txt", *planned, "json")
    document = json.loads(path.read_text())
    assert document == schedule_document(*planned)
    assert document["schema_version"] == "joulewright/schedule/1"
    assert (document["scenario"], document["planner"], document["start"]) == ("tiny", "hand", "2022-07-04T00:00:00Z")
    assert document["jobs"][0] == {
        "name": "train",
        "site": "a",
        "fleet": "gpus",
        "start": "2022-07-04T00:00:00Z",
        "end": "2022-07-04T02:00:00Z",
        "work_end": "2022-07-04T01:15:00Z",
        "accelerators": 40.0,
        "power_mw": pytest.approx(0.4),
    }
    assert document["rejected"] == ["never"]
    assert len(document["routing"]) == 3
    assert document["set_points"][0]["quantity"] == "import"
    assert "region" not in document["set_points"][0]


def test_scenario_without_work(tiny, tmp_path):
    scenario = tiny.scenario(tiny.site(fleets=()))
    document = schedule_document(scenario, tiny.schedule(scenario))
    assert (document["jobs"], document["rejected"], document["routing"]) == ([], [], [])
    assert len(document["set_points"]) == 6


def test_problems(planned, tmp_path):
    with pytest.raises(DataError, match="schedule format 'xlsx' is unknown; use csv, parquet or json"):
        export_schedule(tmp_path / "plan.xlsx", *planned)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="which is a file"):
        export_schedule(tmp_path / "file" / "plan.csv", *planned)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file"]
