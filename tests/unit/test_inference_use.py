"""Pools, caches, budgets and ends of a serving study: documents, facts and pages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulewright.errors import ScenarioError
from joulewright.report.infer_facts import run_facts
from joulewright.report.infer_page import render_infer_report
from joulewright.report.infer_serving_page import _thinned
from joulewright.report.infer_terminal import serving_tables
from joulewright.sim.processes.inference import (
    Autoscaling,
    Disaggregation,
    PrefixCache,
    RequestTrace,
    ServiceBudget,
    ServingOptions,
)
from joulewright.study import inference_requests
from joulewright.study.inference_deployment import DeploymentChoice
from joulewright.study.inference_requests import TraceInput, read_trace
from joulewright.study.inference_serving import NamedPools, ServingChoice, ServingStudy, study_serving
from joulewright.study.inference_settings import record_of

H100 = DeploymentChoice(model="Llama-3.1-8B", accelerator="H100").deploy()
L40S = DeploymentChoice(model="Llama-3.1-8B", accelerator="L40S").deploy()
POOLS = Disaggregation(decode_replicas=2, link_bytes_s=50e9)


def served(
    requests: str = "poisson:rate=10,requests=60,seed=1", *, choice: dict[str, Any] | None = None, **options: Any
) -> ServingStudy:
    return study_serving(read_trace(requests), H100, ServingChoice(options=ServingOptions(**options), **(choice or {})))


def facts(study: ServingStudy) -> dict[str, str]:
    return {name: text.replace("\u202f", " ") for name, text in run_facts(study.document())}


def page_of(study: ServingStudy) -> str:
    page = render_infer_report({"kind": "simulate", **json.loads(json.dumps(study.document()))}, study.tables())
    body = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body).replace("\u202f", " "))


def demand(path: Path) -> str:
    path.write_text("utc,requests_per_s\n2024-03-04T00:00Z,0.05\n2024-03-04T01:00Z,0\n", encoding="utf-8")
    return f"demand:{path},input=50,output=5,seed=1"


def test_replicas_are_billed_to_the_end_of_a_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = demand(tmp_path / "day.csv")
    assert served(text).document()["span_s"] == [0.0, 7200.0]
    assert served(text, choice={"end_s": 8000.0}).document()["span_s"] == [0.0, 8000.0]
    assert served(text, choice={"end_s": 10.0}).document()["span_s"] == [0.0, 7200.0]
    assert read_trace(text, first=3).end_s is None
    monkeypatch.setattr(inference_requests, "_MOST_ROWS", 1)
    assert served(text).document()["span_s"] == [0.0, 7200.0]
    assert read_trace(text, first=3).end_s is None


def test_every_pool_is_named_and_busy() -> None:
    study = served(choice={"replicas": 4, "decode": L40S}, disaggregation=POOLS)
    document = study.document()
    assert [(row["pool"], row["deployment"], row["replicas"]) for row in document["pools"]] == [
        ("prompts", "H100-SXM", 4),
        ("answers", "L40S", 2),
    ]
    span_s = document["span_s"][1]
    assert sum(row["busy_fraction"] * row["replicas"] * span_s for row in document["pools"]) == pytest.approx(
        study.result.busy_s
    )
    assert document["decode_deployment"]["accelerator"] == "L40S"
    fleet = "4 replicas of H100-SXM for prompts and 2 replicas of L40S for answers"
    assert fleet in facts(study)["service"]
    assert re.fullmatch(r"[\d.]+ % \(prompts\), [\d.]+ % \(answers\)", facts(study)["busy"])
    text = page_of(study)
    assert f"answered by {fleet}" in text
    assert "Constants L40S-uncalibrated" in text
    assert "Link of the pools: 50.0 GB/s" in text


def test_a_decode_pool_of_other_accelerators_is_slower() -> None:
    same, other = (served(disaggregation=POOLS, choice={"decode": item}) for item in (None, L40S))
    assert other.result.mean("tpot_s") > 2.0 * same.result.mean("tpot_s")
    json.dumps(other.document(), allow_nan=False)
    with pytest.raises(ScenarioError, match="give disaggregation as well"):
        ServingChoice(options=ServingOptions(), decode=L40S)


def test_scaling_is_told() -> None:
    rules = {
        "requests_per_replica=8,least_replicas=0": "8.00 requests in the system for each replica; at least 0 replicas",
        "rate_per_replica_s=2": "2.00 requests/s for each replica; at least 1 replica, 60.0 s to load",
        "schedule=0:1/3600:2,load_s=5": "replicas by schedule: 1 from 0 s, 2 from 60.0 min; at least 1 replica, 5.00 s",
    }
    for text, words in rules.items():
        study = served(autoscaling=record_of(Autoscaling, text, of="x"), choice={"replicas": 2})
        assert words in facts(study)["autoscaling"]
    pools = served(disaggregation=POOLS, decode_autoscaling=Autoscaling(requests_per_replica=4.0))
    assert "4.00 requests" in facts(pools)["autoscaling of answers"]


def test_a_schedule_is_written_with_strokes() -> None:
    assert record_of(Autoscaling, "schedule=0:2/3600.5:4", of="x").schedule == ((0.0, 2), (3600.5, 4))
    for text in ("0", "0:1.5", "0:2/", "a:2"):
        with pytest.raises(ScenarioError, match=r"it must be times in seconds and whole numbers, e\.g\. 0:2/3600:4"):
            record_of(Autoscaling, f"schedule={text}", of="x")


def test_kinds_of_settings_are_checked() -> None:
    for kind, text, words in (
        (ServiceBudget, "energy_kwh=true", "energy_kwh of x is 'true'; it must be a finite number"),
        (ServiceBudget, "tokens=nan", "tokens of x is 'nan'; it must be a finite number"),
        (NamedPools, "decode_replicas=1.5,link_bytes_s=1", "decode_replicas of x is '1.5'; it must be a whole number"),
        (PrefixCache, "shared=1", "shared of x is '1'; it must be true or false"),
    ):
        with pytest.raises(ScenarioError, match=words):
            record_of(kind, text, of="x")
    pools = record_of(NamedPools, "decode_replicas=2,link_bytes_s=5e9,decode_accelerator=2xH200", of="x")
    assert (pools.decode_replicas, pools.decode_accelerator) == (2, "2xH200")


def test_budgets_stand_against_their_use() -> None:
    study = served(budget=ServiceBudget(tokens=20_000, energy_kwh=5.0, midnight_s=2.0))
    by_limit = {row["limit"]: row for row in study.document()["budget_use"]}
    assert set(by_limit) == {"tokens", "energy_kwh"}
    assert 0.0 < by_limit["tokens"]["used"] <= by_limit["tokens"]["most"] == 20_000.0
    assert by_limit["energy_kwh"]["days"] == 2
    assert by_limit["energy_kwh"]["used"] < study.result.total_energy_j / 3.6e6
    one = served(budget=ServiceBudget(energy_kwh=5.0))
    (row,) = one.document()["budget_use"]
    assert row["used"] == pytest.approx(one.result.total_energy_j / 3.6e6)
    assert "of 5.00 kWh in a day" in facts(one)["energy budget"]
    assert "on the fullest of 2 days" in facts(study)["energy budget"]
    assert "Energy budget" in page_of(one)
    assert served().document()["budget_use"] == []


def test_a_budget_that_rest_takes_is_told() -> None:
    study = served(budget=ServiceBudget(energy_kwh=1e-6))
    assert study.result.served == 0
    assert any("Replicas at rest alone take" in note for note in study.notes)


def test_what_was_refused_is_no_sufficient_capacity() -> None:
    text = page_of(served(budget=ServiceBudget(tokens=1)))
    assert "Capacity suffices" not in text
    assert "100 % of all, by reason: 60 token budget." in text
    assert "0 of 60 requests are answered by H100-SXM, " in text
    assert "Times are those of the others" not in text


def hashed(**options: Any) -> ServingStudy:
    """Two requests with the same two blocks of 16 tokens, one after the other."""
    trace = RequestTrace(
        arrival_s=[0.0, 5.0], input_tokens=[40, 40], output_tokens=[2, 2], block_hashes=[1, 2, 1, 2],
        block_at=[0, 2, 4], block_tokens=16,
    )  # fmt: skip
    given = TraceInput(trace=trace, name="two", kind="file")
    return study_serving(given, H100, ServingChoice(options=ServingOptions(**options), replicas=2))


def test_the_share_found_in_a_cache_is_told_with_one_tenant() -> None:
    both = hashed(prefix_cache=PrefixCache())
    assert both.document()["cached_fraction"] == pytest.approx(32 / 80)
    assert facts(both)["prefix cache"] == "a store of all blocks for all replicas; 40 % of prompts found"
    assert "Found in the cache 40 %" in page_of(both)
    each = hashed(prefix_cache=PrefixCache(blocks=9, shared=False))
    assert each.document()["cached_fraction"] == 0.0  # the second goes to the other replica
    assert "a store of 9 blocks for each replica" in facts(each)["prefix cache"]
    assert "free blocks of each replica" in facts(hashed(prefix_cache=PrefixCache(blocks="free")))["prefix cache"]
    assert "50 % of each prompt" in facts(served(prefix_hit_fraction=0.5))["prefix cache"]
    assert served().document()["cached_fraction"] is None


def test_one_answered_request_is_drawn(tmp_path: Path) -> None:
    study = served("even:rate=1,requests=1,lengths=constant")
    page = render_infer_report({"kind": "simulate", **study.document()}, study.tables())
    spec = json.loads(re.search(r'id="jw-spec">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    for key in ("ttft", "tpot", "e2e"):
        (series,) = spec["charts"][f"cdf-{key}"]["views"][0]["series"]
        assert (len(series["x"]), series["mode"]) == (1, "points")
    text = page_of(study)
    assert "The one request is answered by" in text
    assert "1 request over" in text


def test_the_last_bin_is_as_long_as_the_run() -> None:
    assert _thinned(np.array([4.0, 4.0, 1.0]), 1, 0.25).tolist() == [4.0, 4.0, 4.0]
    assert _thinned(np.array([4.0, 4.0, 4.0, 2.0]), 2, 0.5).tolist() == [4.0, 4.0]
    assert _thinned(np.array([4.0, 2.0]), 1, 0.0).tolist() == [4.0, 2.0]


def test_terminal_tables_without_any_answer() -> None:
    tables = serving_tables(served(budget=ServiceBudget(tokens=1)).document())
    assert [str(table.title) for table in tables] == ["Latency", "Energy", "Run"]
