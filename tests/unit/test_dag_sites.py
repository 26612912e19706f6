"""Jobs at several sites worked by hand: placements, transfers, their cost, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from joulewright.errors import PolicyError, ScenarioError, TraceError
from joulewright.model.dag import DagCluster, DagJob, DagLink, DagLinks, DagSignal, DagSite, DagStage
from joulewright.policy.dag import (
    AbstractDagPlacement,
    Fifo,
    SiteNow,
    dag_placements,
    make_dag_placement,
    make_dag_scheduler,
)
from joulewright.sim.processes.dag import DagSitesRun, simulate_dag, simulate_dag_sites

BOTH = pytest.mark.parametrize("engine", ["plain", "compiled"])


def site(name: str, *values: float, executors: int = 2, **facts: Any) -> DagSite:
    """Steps of 100 ms that stand for an hour; the last value lasts."""
    series = np.append(np.array(values), np.full(40, values[-1]))
    cluster = DagCluster(executors=executors, moving_delay_ms=0, **facts)
    return DagSite(name=name, cluster=cluster, signal=DagSignal(step_ms=100, values=series))


def job(name: str, arrival_ms: int = 0, *, output_gb: float = 0.0, **facts: Any) -> DagJob:
    """Two tasks of 50 ms, then one of 20 ms."""
    last = DagStage(name="sum", task_ms=(20,), parents=("map",), output_gb=output_gb)
    stages = (DagStage(name="map", task_ms=(50, 50), output_gb=9.0), last)
    return DagJob(name=name, arrival_ms=arrival_ms, stages=stages, **facts)


def placed(jobs: Sequence[DagJob], sites: Sequence[DagSite], placement: Any, **facts: Any) -> DagSitesRun:
    return simulate_dag_sites(jobs, sites, placement=placement, scheduler=Fifo(), **facts)


@BOTH
def test_transfers_by_hand(engine: Any) -> None:
    """2 GB at 0.1 GB/s and 5 ms: there at 20,005; 70 ms of work; 1 GB back in 10,005 ms at half the energy each."""
    sites = [site("coal", 800.0), site("hydro", 20.0)]
    for one in sites:
        object.__setattr__(one, "signal", DagSignal(step_ms=1000, values=np.full(60, one.signal.values[0])))
    links = DagLinks(pairs={("hydro", "coal"): DagLink(gb_per_s=0.1, latency_ms=5, kwh_per_gb=0.05)})
    work = job("a", home="coal", input_gb=2.0, output_gb=1.0)
    run = placed([work], sites, "lowest-signal", links=links, engine=engine)
    assert run.site_of.tolist() == [1]
    assert run.arrival_ms.tolist() == [20_005]
    assert run.runs[1].start_ms.tolist() == [20_005, 20_005, 20_055]
    assert run.completion_ms.tolist() == [20_075 + 10_005]
    assert [(one.source, one.target, one.size_gb) for one in run.transfers] == [(0, 1, 2.0), (1, 0, 1.0)]
    assert run.transfer_kwh == pytest.approx(0.15)
    assert run.transfer_cost == pytest.approx(0.15 * (800.0 + 20.0) / 2.0)
    # 120 executor-ms in steps of 1,000 ms that stand for an hour.
    assert run.by_site()["hydro"]["cost"] == pytest.approx(0.12 * 20.0)
    assert run.by_site()["coal"]["jobs"] == 0
    assert run.cost == pytest.approx(0.12 * 20.0 + run.transfer_cost)
    assert run.figures()["makespan_ms"] == 30_080
    at_home = placed([work], sites, "home", links=links, engine=engine)
    assert (at_home.completion_ms.tolist(), at_home.transfers) == ([70], ())
    assert at_home.cost == pytest.approx(0.12 * 800.0)
    # Sending costs 61.5 g and working there 2.4 g instead of 96 g.
    assert placed([work], sites, "least-cost", links=links, engine=engine).site_of.tolist() == [1]
    near = placed([work], sites, "least-cost:most_delay_ms=20000", links=links, engine=engine)
    assert near.site_of.tolist() == [0]


@BOTH
def test_placements_see_queues_signals_and_forecasts(engine: Any) -> None:
    """Signals cross at 100 ms: lowest-signal follows them, the shortest queue alternates, round robin counts."""
    sites = [site("a", 10.0, 90.0), site("b", 50.0)]
    jobs = [job(f"j{number}", arrival_ms) for number, arrival_ms in enumerate((0, 0, 100, 150))]
    assert placed(jobs, sites, "lowest-signal", engine=engine).site_of.tolist() == [0, 0, 1, 1]
    assert placed(jobs, sites, "round-robin", engine=engine).site_of.tolist() == [0, 1, 0, 1]
    assert placed(jobs, sites, "shortest-queue", engine=engine).site_of.tolist()[:2] == [0, 1]
    perfect = placed(jobs, sites, "least-cost:forecast=perfect", engine=engine)
    # The second job at a would wait for 120 ms of work on two executors and end in the dirty step: 40 of 70 ms clean.
    assert perfect.site_of.tolist() == [0, 0, 1, 1]
    busy = [job(f"k{number}") for number in range(6)]
    spread = placed(busy, sites, "least-cost:forecast=perfect", engine=engine).site_of
    assert (spread == 0).sum() == 2


@BOTH
def test_one_site_is_a_plain_run(engine: Any) -> None:
    jobs = [job("a", 30), job("b", 0, max_executors=1), job("c", 30)]
    only = site("here", 100.0, 50.0, executors=3, idle_power_kw=0.2, mean_up_ms=60.0, repair_ms=10)
    together = placed(jobs, [only], "home", engine=engine, seed=5)
    alone = simulate_dag(jobs, only.cluster, only.signal, Fifo(), seed=5, engine=engine)
    for name in ("task", "executor", "start_ms", "finish_ms", "failed", "completion_ms", "down_start_ms"):
        assert np.array_equal(getattr(together.runs[0], name), getattr(alone, name))
    assert together.cost == alone.cost
    assert together.figures()["p95_completion_ms"] == alone.figures()["p95_completion_ms"]


def test_idle_executors_of_all_sites_draw_power_until_the_end() -> None:
    """One job of 70 ms at a; b idles for 70 of 100 ms with 2 executors of 0.5 kW at 30 g/kWh."""
    sites = [site("a", 10.0), site("b", 30.0, idle_power_kw=0.5)]
    run = placed([job("j")], sites, "lowest-signal")
    assert run.by_site()["b"]["energy_kwh"] == pytest.approx(0.7)
    assert run.by_site()["b"]["cost"] == pytest.approx(21.0)
    assert run.energy_kwh == pytest.approx(1.2 + 0.7)


class Answering(AbstractDagPlacement):
    """Names a site that there is not."""

    def place(self, job: DagJob, sites: Sequence[SiteNow], placed: int) -> int:
        return len(sites)


def test_what_is_refused() -> None:
    here = site("here", 1.0)
    with pytest.raises(ScenarioError, match="no site; give at least one"):
        placed([job("a")], [], "home")
    with pytest.raises(ScenarioError, match="two sites are called 'here'"):
        placed([job("a")], [here, here], "home")
    with pytest.raises(ScenarioError, match="home at 'moon', which is no site; there are here"):
        placed([job("a", home="moon")], [here], "home")
    with pytest.raises(ScenarioError, match="link leads to 'moon'"):
        placed([job("a")], [here], "home", links=DagLinks(pairs={("here", "moon"): DagLink()}))
    with pytest.raises(ScenarioError, match="asks for 3 executors"):
        placed([job("a", max_executors=3)], [here], "home")
    with pytest.raises(PolicyError, match="answers site 1; there are 0 to 0"):
        placed([job("a")], [here], Answering())
    with pytest.raises(PolicyError, match="did you mean 'least-cost'"):
        make_dag_placement("least-costs")
    with pytest.raises(PolicyError, match="there are home"):
        make_dag_placement("zzz")
    with pytest.raises(PolicyError, match="most_delay_ms is -1"):
        make_dag_placement("least-cost:most_delay_ms=-1")
    with pytest.raises(PolicyError, match="no forecast 'guess'"):
        make_dag_placement("least-cost:forecast=guess")
    with pytest.raises(ValueError, match="no engine"):
        placed([job("a")], [here], "home", engine="fast")
    knowing = make_dag_scheduler("planned:known_arrivals=yes")
    sites = [here, site("there", 0.5)]
    with pytest.raises(PolicyError, match=r"Planned knows jobs before they arrive, .* 2 sites .* or run one site"):
        simulate_dag_sites([job("a")], sites, placement="round-robin", scheduler=knowing)
    one = simulate_dag_sites([job("a")], [here], placement="round-robin", scheduler=knowing)
    assert one.completion_ms.size == 1
    far = DagLinks(default=DagLink(gb_per_s=0.001))
    away = [job("a", home="here", input_gb=1.0)]
    with pytest.raises(TraceError, match="longer signal"):
        placed(away, [here, site("there", 0.5)], "lowest-signal", links=far)


@BOTH
def test_what_a_scheduler_cannot_do_at_a_site_names_the_site(engine: Any) -> None:
    sites = [site("large", 1.0, 2.0, executors=9), site("small", 1.0, 2.0, executors=5)]
    scheduler = make_dag_scheduler("sap:minimum=7")
    with pytest.raises(PolicyError, match="site 'small': the minimum of the quota is 7; allowed is 1 to the 5"):
        simulate_dag_sites([job("a"), job("b")], sites, placement="round-robin", scheduler=scheduler, engine=engine)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"gb_per_s": 0.0}, "link of 0.0 GB/s"),
        ({"gb_per_s": math.nan}, "link of nan GB/s"),
        ({"latency_ms": -1}, "latency_ms of a link is -1"),
        ({"kwh_per_gb": math.inf}, "kwh_per_gb of a link is inf"),
    ],
)
def test_links_out_of_range(facts: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        DagLink(**facts)


@pytest.mark.parametrize("facts", [{"gb_per_s": 1e-300}, {"gb_per_s": 1e-9}, {"latency_ms": 10**19}])
def test_a_transfer_that_takes_years_is_refused(facts: dict[str, Any]) -> None:
    """1 GB at 1e-9 GB/s takes 1e12 ms, 32 years."""
    link = DagLink(**({"gb_per_s": 1.0} | facts))
    with pytest.raises(ScenarioError, match=r"sending 1 GB .* at most 68719476735 ms: give a faster link"):
        link.transfer_ms(1.0)
    assert link.transfer_ms(0.0) == 0
    assert DagLink(gb_per_s=0.3, latency_ms=5).transfer_ms(1.0) == 3334 + 5


def test_links_hold_both_ways_and_every_name_makes_a_placement() -> None:
    slow = DagLink(latency_ms=7)
    links = DagLinks(default=DagLink(latency_ms=1), pairs={("a", "b"): slow})
    assert links.between("a", "b") is links.between("b", "a") is slow
    assert (links.between("a", "c").latency_ms, links.between("c", "c").transfer_ms(5.0)) == (1, 0)
    for name in dag_placements():
        assert make_dag_placement(name).outlook.window_h > 0.0
