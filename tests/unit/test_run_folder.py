"""Run folders: what they hold, reading them back, and never losing an earlier run."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from joulewright.account import settle
from joulewright.check import violations
from joulewright.errors import DataError, Diagnostic
from joulewright.io.codec import encode
from joulewright.io.run_folder import FrontPoint, read_run, write_run
from joulewright.model import Region
from joulewright.plan.options import PlanOptions
from joulewright.plan.planner import plain_options
from joulewright.plan.result import Duals, PlanResult

FILES = {"run.json", "state.json", "state.parquet"}
TABLES = {"series.parquet", "schedule.parquet", "routing.parquet", "ledger.parquet"}


def result_of(scenario, schedule, **changes: Any) -> PlanResult:
    ledger = None if schedule is None else settle(scenario, schedule)
    values: dict[str, Any] = {
        "schedule": schedule,
        "ledger": ledger,
        "status": "gap-reached",
        "objective": None if ledger is None else ledger.benefit,
        "bound": 600.0,
        "gap": 0.01,
        "cost": 10.0,
        "strategy": "guided",
        "solver": "HiGHS 1.11.0",
        "seconds": 1.5,
        "cpu_s": 2.5,
        "work": 100.0,
        "seed": 7,
        "threads": 2,
        "duals": None,
        "violations": (),
        "trace": ((0.1, None, 700.0), (0.2, 550.0, 600.0)),
        "notes": ("one note",),
        "options": PlanOptions(seed=7, without=frozenset({"export"})),
    }
    return PlanResult(**(values | changes))


@pytest.fixture
def scenario(tiny):
    return tiny.scenario(
        tiny.site(generators=(tiny.generator(),), batteries=(tiny.battery(),)),
        training=(tiny.job(), tiny.job("never")),
        inference=(tiny.service(),),
        regions=(Region(name="west", latency_ms={"a": 9.0}),),
        diagnostics=(
            Diagnostic(code="T016", severity="note", message="label"),
            Diagnostic(code="T012", severity="warning", message="noon"),
        ),
        provenance={"files": [{"path": "a.csv", "sha256": "ab" * 32}]},
    )


@pytest.fixture
def schedule(tiny, scenario):
    return tiny.schedule(
        scenario, jobs={"train": (tiny.run(0, 1),)}, services={"chat": {("west", "a", "gpus"): [1e4, 2e4]}}
    )


@pytest.fixture
def result(scenario, schedule):
    return result_of(scenario, schedule)


def equal(one: Any, other: Any) -> bool:
    """Same documents and arrays."""
    (first, mine), (second, yours) = encode(one), encode(other)
    return first == second and mine.keys() == yours.keys() and all(np.array_equal(mine[k], yours[k]) for k in mine)


def names(folder):
    return {item.name for item in folder.iterdir()}


def test_everything_comes_back(tmp_path, scenario, schedule, result):
    duals = Duals(
        power_price_per_mwh={"a": np.array([50.0, 60.0])},
        carbon_price_per_t=12.0,
        site_carbon_price_per_t={},
        import_limit_price_per_mw={"a": np.zeros(2)},
        export_limit_price_per_mw={"a": np.zeros(2)},
        accelerator_price_per_h={"a/gpus": np.array([0.0, 3.0])},
    )
    options = plain_options(PlanOptions(previous=schedule, churn_cost=5.0))
    result = replace(result, duals=duals, options=options, violations=tuple(violations(scenario, schedule)))
    path = write_run(tmp_path / "runs" / "one", scenario=scenario, result=result, command=["jw", "plan", "s.toml"])
    run = read_run(str(path))
    assert equal(run.scenario, scenario)
    assert equal(run.result, result)
    assert run.result.status == "gap-reached"
    assert run.result.options["without"] == []
    assert run.result.trace == result.trace
    assert run.result.violations == result.violations
    assert run.result.ledger == result.ledger
    assert settle(run.scenario, run.result.schedule) == result.ledger
    assert run.path == path


def test_manifest(tmp_path, scenario, result):
    path = write_run(
        tmp_path / "run", scenario=scenario, result=result, command="jw plan s.toml", extra={"gate": {"passed": True}}
    )
    document = json.loads((path / "run.json").read_text())
    assert names(path) == FILES | TABLES
    assert document["schema_version"] == "joulewright/run/1"
    assert document["command"] == ["jw plan s.toml"]
    assert document["name"] == "tiny"
    assert document["horizon"] == {
        "start": "2022-07-04T00:00:00+00:00",
        "end": "2022-07-04T02:00:00+00:00",
        "step_s": 3600,
        "steps": 2,
    }
    plan = document["plan"]
    assert (plan["exists"], plan["status"], plan["seed"], plan["gap"]) == (True, "gap-reached", 7, 0.01)
    assert plan["notes"] == ["one note"]
    assert document["versions"]["solver"] == "HiGHS 1.11.0"
    assert set(document["versions"]) == {"python", "joulewright", "highspy", "numpy", "scipy", "polars", "solver"}
    assert document["headline"]["benefit"] == result.ledger.benefit
    assert document["inputs"]["files"][0]["sha256"] == "ab" * 32
    assert document["diagnostics"] == {"warning": 1, "note": 1}
    assert document["extra"] == {"gate": {"passed": True}}
    for name in (FILES | TABLES) - {"run.json"}:
        content = (path / name).read_bytes()
        assert document["files"][name] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_tables(tmp_path, scenario, result):
    path = write_run(tmp_path / "run", scenario=scenario, result=result)
    series = pl.read_parquet(path / "series.parquet")
    assert series["grid_import_mw"].to_list() == result.schedule.sites["a"].grid_import_mw.tolist()
    assert pl.read_parquet(path / "schedule.parquet")["status"].to_list() == ["planned", "rejected"]
    assert pl.read_parquet(path / "routing.parquet")["token_s"].to_list() == [1e4, 2e4]
    ledger = pl.read_parquet(path / "ledger.parquet")
    assert ledger.columns == ["site", "section", "item", "value", "unit"]
    assert ledger.equals(result.ledger.frame())


def test_a_run_without_a_plan_claims_none(tmp_path, scenario):
    empty = result_of(scenario, None, status="time-limit", gap=None, bound=math.inf)
    path = write_run(tmp_path / "run", scenario=scenario, result=empty)
    assert names(path) == FILES
    run = read_run(path)
    assert run.document["plan"]["exists"] is False
    assert run.document["headline"] is None
    assert run.result.schedule is None
    assert run.result.ledger is None
    assert run.result.bound == math.inf


@dataclass(frozen=True)
class Row:
    """A comparison or a point of the front, as other parts define them."""

    name: str = ""
    description: str = ""
    result: Any = None
    benefit: float = 0.0
    cost: float = 0.0
    carbon_kg: float = 0.0
    abatement_cost_per_t: float | None = None


def test_comparisons_and_front(tmp_path, scenario, schedule, result, tiny):
    idle = result_of(scenario, tiny.schedule(scenario), status="optimal")
    rows = [Row(name="greedy", description="Earliest start.", result=idle), Row(name="sequential", result=result)]
    front = [Row(benefit=5.0, cost=1.0, carbon_kg=100.0), Row(benefit=4.0, carbon_kg=80.0, abatement_cost_per_t=50.0)]
    path = write_run(tmp_path / "run", scenario=scenario, result=result, comparisons=iter(rows), pareto=iter(front))
    run = read_run(path)
    assert [item.name for item in run.comparisons] == ["greedy", "sequential"]
    assert run.comparisons[0].description == "Earliest start."
    assert run.comparisons[0].ledger == idle.ledger
    assert run.comparisons[0].violations == 0
    assert run.document["comparisons"]["greedy"]["benefit"] == idle.ledger.benefit
    assert run.pareto[1] == FrontPoint(benefit=4.0, cost=0.0, carbon_kg=80.0, abatement_cost_per_t=50.0)
    again = write_run(
        tmp_path / "copy", scenario=run.scenario, result=run.result, comparisons=run.comparisons, pareto=run.pareto
    )
    assert equal(read_run(again).comparisons, run.comparisons)


def test_a_later_run_replaces_an_earlier_one(tmp_path, scenario, result):
    path = write_run(tmp_path / "run", scenario=scenario, result=result)
    (path / "report.html").write_text("stale")
    (path / "notes.txt").write_text("mine")
    empty = result_of(scenario, None, status="time-limit", gap=None)
    write_run(path, scenario=scenario, result=empty)
    assert names(path) == FILES | {"notes.txt"}
    assert read_run(path).result.schedule is None
    assert names(tmp_path) == {"run"}


def test_a_full_disk_leaves_the_earlier_run(tmp_path, scenario, result, monkeypatch):
    path = write_run(tmp_path / "run", scenario=scenario, result=result)
    before = {item.name: item.read_bytes() for item in path.iterdir()}

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("joulewright.io.atomic.os.fsync", full)
    with pytest.raises(DataError, match="No space left on device; the folder that was there is unchanged"):
        write_run(path, scenario=scenario, result=replace(result, seed=8))
    assert {item.name: item.read_bytes() for item in path.iterdir()} == before
    assert read_run(path).result.seed == 7
    assert names(tmp_path) == {"run"}


def test_other_folders_are_not_overwritten(tmp_path, scenario, result):
    folder = tmp_path / "thesis"
    folder.mkdir()
    for name in ("a.tex", "b.tex", "c.tex", "d.tex"):
        (folder / name).write_text("x")
    with pytest.raises(DataError, match=r"thesis is not a run folder: it holds a.tex, b.tex, c.tex, \.\.\.; choose"):
        write_run(folder, scenario=scenario, result=result)
    (folder / "run.json").write_text('{"schema_version": "another/1"}')
    with pytest.raises(DataError, match="is not a run folder"):
        write_run(folder, scenario=scenario, result=result)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert read_run(write_run(empty, scenario=scenario, result=result)).result.seed == 7


def test_output_below_a_file(tmp_path, scenario, result):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(DataError, match="is a file"):
            write_run(path, scenario=scenario, result=result)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda run: (run / "run.json").unlink(), "holds no run.json, so it is not a run folder"),
        (lambda run: (run / "run.json").write_text("{"), "run.json cannot be read"),
        (lambda run: (run / "run.json").write_text("[]"), "has schema_version None; this version reads"),
        (
            lambda run: (run / "run.json").write_text('{"schema_version": "joulewright/run/9"}'),
            "has schema_version 'joulewright/run/9'; this version reads 'joulewright/run/1': run jw plan again",
        ),
        (
            lambda run: (run / "state.json").write_text("{}"),
            "state.json was changed after the run: sha256 44136fa355b3",
        ),
        (lambda run: (run / "state.parquet").unlink(), "state.parquet cannot be read: No such file"),
    ],
    ids=["no-manifest", "broken-manifest", "list", "other-version", "changed-state", "no-arrays"],
)
def test_damaged_runs(tmp_path, scenario, result, spoil, words):
    path = write_run(tmp_path / "run", scenario=scenario, result=result)
    spoil(path)
    with pytest.raises(DataError, match=words):
        read_run(path)


def test_a_path_that_is_no_folder(tmp_path):
    with pytest.raises(DataError, match="is not a folder; name a run folder that jw plan wrote"):
        read_run(tmp_path / "nothing")
