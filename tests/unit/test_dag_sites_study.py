"""Jobs at several sites with signals of a clock: common starts, tables, the past, what is refused; their report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from joulewright.errors import ScenarioError, TraceError
from joulewright.model import Timeline
from joulewright.model.dag import DagCluster, DagJob, DagLink, DagLinks, DagSignal, DagStage
from joulewright.policy.dag import Fifo, make_dag_placement, make_dag_scheduler
from joulewright.report.dag_sites_page import render_dag_sites_report
from joulewright.report.dag_sites_terminal import sites_tables
from joulewright.report.terminal import as_text
from joulewright.sim.processes.dag import simulate_dag
from joulewright.study.dag_inputs import DagInput
from joulewright.study.dag_signal import DagSignalInput
from joulewright.study.dag_sites import DagSitesStudy, SiteInput, run_dag_sites

HOUR_MS = 1000
LINKS = DagLinks(default=DagLink(gb_per_s=1.0, kwh_per_gb=0.5))


def site(
    name: str, *values: float, first: int = 0, step_s: int = 3600, unit: str = "g/kWh", **cluster: Any
) -> SiteInput:
    """Hours that take a second; the signal begins ``first`` hours into 4 July."""
    timeline = Timeline(start=datetime(2022, 7, 4, first, tzinfo=UTC), step_s=step_s, steps=len(values))
    step_h = step_s / 3600.0
    signal = DagSignal(step_ms=round(HOUR_MS * step_h), step_h=step_h, values=np.array(values))
    executors = DagCluster(**{"executors": 2, "moving_delay_ms": 0, **cluster})
    return SiteInput(name=name, cluster=executors, signal=DagSignalInput(
        signal=signal, timeline=timeline, name=f"series of {name}", unit=unit))  # fmt: skip


def job(name: str, arrival_ms: int = 0, task_ms: int = HOUR_MS, **facts: Any) -> DagJob:
    stages = (DagStage(name="map", task_ms=(task_ms, task_ms)),)
    return DagJob(name=name, arrival_ms=arrival_ms, stages=stages, **facts)


def ran(jobs: list[DagJob], *inputs: SiteInput, placement: str = "lowest-signal", **facts: Any) -> DagSitesStudy:
    rules = {"scheduler": Fifo(), "links": LINKS, **facts}
    return run_dag_sites(jobs, inputs, placement=make_dag_placement(placement), **rules)


def test_tables_by_hand() -> None:
    """2 GB take 2 s and 1 kWh, half of it at either end; then two tasks of an hour at 100 g/kWh."""
    found = ran([job("a", home="east", input_gb=2.0)], site("east", *[400.0] * 6), site("west", *[100.0] * 6))
    east, west = found.sites_frame().to_dicts()
    assert (east["jobs"], east["cost"], east["mean_signal"]) == (0, 0.0, None)
    assert (west["jobs"], west["busy_ms"]) == (1, 2 * HOUR_MS)
    assert (west["cost"], west["mean_signal"]) == pytest.approx((200.0, 100.0))
    (sent,) = found.transfers_frame().to_dicts()
    assert (sent["job"], sent["source"], sent["target"]) == ("a", "east", "west")
    assert (sent["start_ms"], sent["finish_ms"]) == (0, 2000)
    assert (sent["energy_kwh"], sent["cost"]) == pytest.approx((1.0, 250.0))
    (row,) = found.jobs_frame().to_dicts()
    assert (row["home"], row["site"], row["ready_ms"], row["completion_ms"], row["stretch"]) == (
        "east", "west", 2000, 3000, 3.0)  # fmt: skip
    tasks, steps = found.tasks_frame(), found.steps_frame()
    assert tasks["site"].to_list() == ["west"] * 2
    assert tasks["start_ms"].to_list() == [2000, 2000]
    assert steps["cost"].sum() + sent["cost"] == pytest.approx(found.run.cost)
    assert found.local_run(1).jobs[0].arrival_ms == 2000
    assert found.local_run(0).jobs == ()


def test_one_site_is_a_plain_run() -> None:
    jobs = [job("a"), job("b", 500)]
    east = site("east", 400.0, 100.0, 300.0, 200.0, idle_power_kw=0.2)
    found = ran(jobs, east, placement="home")
    alone = simulate_dag(jobs, east.cluster, east.signal.signal, Fifo())
    assert found.run.cost == pytest.approx(alone.cost)
    assert found.run.makespan_ms == alone.makespan_ms
    assert found.sites_frame()["energy_kwh"].sum() == pytest.approx(alone.energy_kwh.sum())


def test_runs_begin_where_all_signals_have_begun() -> None:
    east, west = site("east", 1.0, 2.0, 3.0, 4.0, 5.0), site("west", 9.0, 8.0, 7.0, first=2)
    found = ran([job("a")], east, west)
    assert found.steps == (2, 0)
    assert found.start == datetime(2022, 7, 4, 2, tzinfo=UTC)
    assert found.run.sites[0].signal.values.tolist() == [3.0, 4.0, 5.0]
    past = found.run.sites[0].signal.past
    assert past is not None
    assert past.values.tolist() == [1.0, 2.0]
    assert ran([job("a")], east, west, start="3").steps == (3, 1)
    assert ran([job("a")], east, west, start="2022-07-04T03:00Z").steps == (3, 1)


def test_steps_of_different_length_meet() -> None:
    """Half hours beside hours: the cost of an hour at 100 and 300 g/kWh is that of 200."""
    halves = site("halves", 100.0, 300.0, *[900.0] * 6, step_s=1800)
    whole = site("whole", 400.0, 400.0, 400.0, 400.0)
    found = ran([job("a")], halves, whole)
    assert found.sites_frame()["cost"].to_list() == pytest.approx([400.0, 0.0])
    with pytest.raises(ScenarioError, match=r"within a step of 1 h of the signal of site 'whole'"):
        ran([job("a")], halves, whole, start="0.5")


def test_placements_and_schedulers_know_the_past() -> None:
    """After a day of clean nights the forecast of the east falls; without one it stays."""
    day = [500.0] * 12 + [100.0] * 12
    east, west = site("east", *day, *day), site("west", *[350.0] * 48)
    jobs = [job("a", task_ms=20 * HOUR_MS)]
    seen = ran(jobs, east, west, placement="least-cost", start="24")
    blind = ran(jobs, east, west, placement="least-cost")
    assert (seen.run.site_of.tolist(), blind.run.site_of.tolist()) == ([0], [1])


def test_bad_sites() -> None:
    east = site("east", *[1.0] * 4)
    with pytest.raises(ScenarioError, match="there is no site"):
        ran([job("a")])
    with pytest.raises(ScenarioError, match=r"different units.*g/kWh at 'east', EUR/MWh at 'west'"):
        ran([job("a")], east, site("west", *[1.0] * 4, unit="EUR/MWh"))
    with pytest.raises(ScenarioError, match=r"begins at 2022-07-04T09:00Z.*site 'east' goes from 2022-07-04T00:00Z"):
        ran([job("a")], east, site("late", 1.0, 1.0, first=9))
    with pytest.raises(ScenarioError, match=r"two sites are called 'east'"):
        ran([job("a")], east, east)
    with pytest.raises(TraceError, match=r"needs 9 h of the signal of site 'east', which holds 4 h from its start"):
        ran([job("a", task_ms=9 * HOUR_MS)], east, site("west", *[5.0] * 20))
    # The work is done in the west, but idle executors of the east draw power beyond its signal.
    with pytest.raises(TraceError, match=r"needs 9 h of the signal of site 'east'"):
        ran([job("a", task_ms=9 * HOUR_MS)], east, site("west", *[0.5] * 20))


def test_idle_draw_beyond_the_signal_is_refused_not_left_out() -> None:
    run = simulate_dag([job("a")], DagCluster(executors=2, idle_power_kw=0.1),
                       DagSignal(step_ms=HOUR_MS, values=np.ones(4)), Fifo())  # fmt: skip
    with pytest.raises(TraceError, match=r"ends at 5000 ms, but the signal of 4 steps"):
        _ = replace(run, end_ms=5000).cost


@pytest.mark.parametrize("sent", [True, False])
def test_terminal_and_report(sent: bool) -> None:
    home = {"home": "east", "input_gb": 2.0} if sent else {}
    jobs = [job("a", **home), job("b<", 10, **home)]
    found = ran(jobs, site("east", *[400.0] * 8), site("west", *[100.0] * 8), scheduler=make_dag_scheduler("spade"))
    text = "\n".join(as_text(table) for table in sites_tables(found))
    assert "transfers (4.00 GB)" in text if sent else "transfers (nothing)" in text
    for words in ("east", "west", "Mean signal [g/kWh]", "Makespan", "0.400 kg CO2e"):
        assert words in text.replace("\u202f", " ")
    source = DagInput(jobs=tuple(jobs), name="two jobs", kind="jobs")
    facts = {"placement": "lowest-signal", "schedulers": ["spade"], "notes": ["Something was assumed."],
             "links": {"all": {"gb_per_s": None, "latency_ms": 40, "kwh_per_gb": 0.5}},
             "references": [{"key": "k", "text": "Someone (2025)", "bibtex": ""}]}  # fmt: skip
    page = render_dag_sites_report(found, source, document=facts).replace("\u202f", " ")
    for words in ("2 jobs at 2 sites", "Placement lowest-signal, scheduler spade", "No job ran at east", "b&lt;",
                  "Something was assumed.", "Someone (2025)", "any rate, 40.0 ms more",
                  "No scheduler knows the future"):  # fmt: skip
        assert words in page, words
    assert ("Nothing was sent" in page) is not sent
    told = render_dag_sites_report(
        ran(jobs, *found.inputs, placement="least-cost:forecast= perfect"), source, document=facts
    )
    assert "Some schedulers know the future" in told
