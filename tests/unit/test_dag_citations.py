"""Which publications schedulers, runs and comparisons of jobs with precedence name."""

from __future__ import annotations

import re

import numpy as np
import pytest

from joulewright import cite
from joulewright.data.dag_generator import generate_dag_jobs
from joulewright.errors import PolicyError
from joulewright.model.dag import DagCluster, DagSignal, DagSite
from joulewright.policy.citations import REFERENCES, described, reference_list, sources_of
from joulewright.policy.dag import Sap, dag_schedulers, make_dag_scheduler
from joulewright.sim.processes.dag import simulate_dag, simulate_dag_sites
from joulewright.study.dag import compare_dag

JOBS = generate_dag_jobs("fork-join", jobs=2, seed=1)
SIGNAL = DagSignal(step_ms=60_000, values=np.full(60, 200.0))
CLUSTER = DagCluster(executors=4)


def keys(text: str) -> list[str]:
    return re.findall(r"@\w+\{(\w+),", text)


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ("fifo", []),
        ("spade", ["lechowicz2025"]),
        ("sap:minimum=2+critical-path", ["lechowicz2025", "lorenz2009", "graham1966"]),
        ("sap:minimum=2+spade", ["lechowicz2025", "lorenz2009"]),
        ("green-hadoop+shortest-work", ["goiri2012", "schrage1968"]),
        ("learned", ["mao2019"]),
    ],
)
def test_a_scheduler_names_its_sources_and_those_of_what_it_wraps(scheduler: str, expected: list[str]) -> None:
    made = make_dag_scheduler(scheduler)
    assert keys(cite(made)) == expected
    assert list(sources_of(made)) == expected


def test_runs_and_comparisons_can_be_cited() -> None:
    sap = make_dag_scheduler("sap:minimum=2+critical-path")
    run = simulate_dag(JOBS, CLUSTER, SIGNAL, sap)
    assert cite(run) == cite(sap)
    sites = [DagSite(name=name, cluster=CLUSTER, signal=SIGNAL) for name in ("east", "west")]
    assert cite(simulate_dag_sites(JOBS, sites, placement="round-robin", scheduler=sap)) == cite(sap)
    found = compare_dag(JOBS, CLUSTER, SIGNAL, ["fifo", "spade", "sap:minimum=2+shortest-work"], allowances_h=())
    assert keys(cite(found)) == ["lechowicz2025", "lorenz2009", "schrage1968"]
    assert cite(Sap) == cite("lechowicz2025", "lorenz2009")


def test_all_sources_exist_and_read_well() -> None:
    for name in dag_schedulers():
        assert set(sources_of(make_dag_scheduler(name))) <= set(REFERENCES)
    for key in REFERENCES:
        text = described(key)
        assert re.search(r"\(\d{4}\), (doi 10\.|arXiv \d{4}\.\d{5})", text), text
        assert " and others" not in text
    (item,) = reference_list(["mao2019"])
    assert item["bibtex"] == REFERENCES["mao2019"]
    assert item["text"].startswith("Mao, H., Schwarzkopf, M.")
    with pytest.raises(PolicyError, match="names no sources"):
        sources_of(object())
