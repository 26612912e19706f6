"""Requests of a service: checks of traces, generators, files, options and budgets."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from joulewright.errors import DataError, ScenarioError, TraceError
from joulewright.io.request_files import read_engine_log, read_requests, write_requests
from joulewright.sim.processes.inference import (
    Autoscaling,
    Disaggregation,
    Intensity,
    LatencyObjectives,
    PrefixCache,
    RequestTrace,
    ServiceBudget,
    ServingOptions,
    join_traces,
    merge_traces,
)
from joulewright.sim.processes.inference.generate import (
    TokenLengths,
    assign_tenants,
    generate_requests,
    requests_from_demand,
    stream_requests,
)
from joulewright.sim.processes.inference.histogram import histogram_quantile


def trace(**changes: Any) -> RequestTrace:
    values: dict[str, Any] = {"arrival_s": [0.0, 1.0, 1.0], "input_tokens": [5, 6, 7], "output_tokens": [1, 2, 3]}
    return RequestTrace(**values | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arrival_s": [], "input_tokens": [], "output_tokens": []}, "the trace has no requests"),
        ({"arrival_s": [0.0, 2.0, 1.0]}, "request 2 arrives at 1 s, before request 1 at 2 s; sort the trace"),
        ({"arrival_s": [0.0, float("nan"), 1.0]}, "arrival_s of request 1 is nan; it must be a finite time"),
        ({"arrival_s": [0.0, 1.0, float("inf")]}, "arrival_s of request 2 is inf"),
        ({"arrival_s": [-1.0, 1.0, 1.0]}, "arrival_s of request 0 is -1 s; times count from the start"),
        ({"input_tokens": [5, -6, 7]}, "input_tokens of request 1 is -6; allowed is 1 to"),
        ({"output_tokens": [1, 2, 0]}, "output_tokens of request 2 is 0; allowed is 1 to"),
        ({"input_tokens": [5, 6.5, 7]}, r"input_tokens of request 1 is 6\.5; it must be a whole number"),
        ({"input_tokens": [5, np.nan, 7]}, "input_tokens of request 1 is nan; it must be a whole number"),
        ({"input_tokens": [5, 6]}, r"input_tokens has shape \(2,\); expected \(3,\)"),
        ({"input_tokens": ["a", "b", "c"]}, "it must hold whole numbers"),
        ({"tenant": [0, 0, 1]}, "tenant of request 2 is 1; allowed is 0 to 0"),
        ({"block_hashes": [1, 2], "block_at": [0, 1, 2, 3]}, "block_at goes from 0 to 3 over 2 block hashes"),
        (
            {"block_hashes": [1, 2, 3], "block_at": [0, 1, 3, 3], "block_tokens": 6},
            "request 1 has 2 block hashes for 6 tokens; blocks of 6 tokens make at most 1",
        ),
        ({"block_hashes": [], "block_at": [0, 0, 0, 0], "block_tokens": 0}, "block_tokens is 0; allowed is 1 to"),
        ({"block_hashes": [1, 2], "block_at": [0, 2]}, r"block_at has shape \(2,\); expected \(4,\)"),
    ],
)
def test_invalid_traces(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        trace(**changes)


def test_parts_joins_and_tenants() -> None:
    whole = trace(tenant=[0, 1, 0], tenants=("a", "b"))
    joined = join_traces([whole.part(0, 2), whole.part(2, 3)])
    assert joined.input_tokens.tolist() == [5, 6, 7]
    assert joined.tenant.tolist() == [0, 1, 0]
    split = whole.by_tenant()
    assert {name: part.input_tokens.tolist() for name, part in split.items()} == {"a": [5, 7], "b": [6]}
    assert merge_traces(split).input_tokens.tolist() == [5, 7, 6]  # at ties the first tenant comes first
    with pytest.raises(TraceError, match="no trace to merge"):
        merge_traces({})
    with pytest.raises(TraceError, match="they must agree"):
        join_traces([whole, trace()])


def test_parts_keep_their_block_hashes() -> None:
    whole = trace(block_hashes=[9, 8, 7, 6], block_at=[0, 1, 2, 4], block_tokens=4)
    part = whole.part(1, 3)
    assert part.block_hashes is not None
    assert part.block_at is not None
    assert part.block_hashes.tolist() == [8, 7, 6]
    assert part.block_at.tolist() == [0, 1, 3]
    joined = join_traces([whole.part(0, 1), part])
    for name in ("block_hashes", "block_at", "block_tokens"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    with pytest.raises(TraceError, match=r"blocks of \[4, 512\] tokens; they must agree"):
        join_traces([whole, trace(arrival_s=[2.0] * 3, block_hashes=[], block_at=[0, 0, 0, 0])])


def test_tenants_keep_their_block_hashes_and_share_none() -> None:
    whole = trace(
        block_hashes=[9, 8, 9, 6], block_at=[0, 1, 2, 4], block_tokens=4, tenant=[0, 1, 0], tenants=("a", "b")
    )
    split = whole.by_tenant()
    assert split["a"].block_hashes is not None
    assert split["a"].block_hashes.tolist() == [9, 9, 6]
    assert split["b"].block_at is not None
    assert split["b"].block_at.tolist() == [0, 1]
    merged = merge_traces(split | {"c": trace(arrival_s=[1.0, 3.0, 4.0])})
    assert merged.block_hashes is not None
    assert merged.block_at is not None
    # Rows in the order a0, a2, b1, c0, c1, c2; 6 and 9 of a become 0 and 1, and 8 of b becomes 2.
    assert merged.block_hashes.tolist() == [1, 1, 0, 2]
    assert merged.block_at.tolist() == [0, 1, 3, 4, 4, 4, 4]
    assert merge_traces({"a": trace()}).block_hashes is None


def test_arrays_that_cannot_be_written_are_copied() -> None:
    times = np.zeros(2)
    times.setflags(write=False)
    assert RequestTrace(arrival_s=times, input_tokens=[1, 1], output_tokens=[1, 1]).arrival_s.flags.writeable


# Generators.


def test_moments_of_generated_requests() -> None:
    inputs = TokenLengths(kind="lognormal", mean_tokens=400.0, variation=0.9)
    outputs = TokenLengths(kind="zipf", least_tokens=16, most_tokens=4096, exponent=1.1)
    found = generate_requests(50_000, rate_per_s=4.0, input_tokens=inputs, output_tokens=outputs, seed=5, variation=2.0)
    gaps = np.diff(found.arrival_s)
    assert gaps.mean() == pytest.approx(0.25, rel=0.03)
    assert gaps.std() / gaps.mean() == pytest.approx(2.0, rel=0.05)
    assert found.input_tokens.mean() == pytest.approx(400.0, rel=0.02)
    assert found.input_tokens.std() == pytest.approx(360.0, rel=0.05)
    assert found.output_tokens.mean() == pytest.approx(outputs.expected_tokens, rel=0.03)
    assert (found.output_tokens.min(), found.output_tokens.max()) == (16, 4096)


def test_seeds_and_streams() -> None:
    options = {"rate_per_s": 1.0, "input_tokens": TokenLengths(), "output_tokens": TokenLengths(kind="lognormal")}
    one, same = (generate_requests(20, seed=3, **options) for _ in range(2))
    assert np.array_equal(one.arrival_s, same.arrival_s)
    assert not np.array_equal(one.arrival_s, generate_requests(20, seed=4, **options).arrival_s)
    parts = list(stream_requests(20, seed=3, part=8, **options))
    assert [len(part) for part in parts] == [8, 8, 4]
    assert all(late.arrival_s[0] > early.arrival_s[-1] for early, late in pairwise(parts))


def test_requests_follow_a_demand() -> None:
    demand = np.array([1000.0, 0.0, 4000.0])
    lengths = TokenLengths(mean_tokens=10.0)
    found = requests_from_demand(demand, step_s=100.0, input_tokens=lengths, output_tokens=lengths, seed=2)
    counts = np.bincount((found.arrival_s // 100.0).astype(int), minlength=3)
    assert counts[1] == 0
    assert counts[[0, 2]] == pytest.approx([10_000, 40_000], rel=0.03)


def test_tenants_by_shares() -> None:
    even = TokenLengths(mean_tokens=10.0)
    source = generate_requests(4000, rate_per_s=1.0, input_tokens=even, output_tokens=even)
    found = assign_tenants(source, {"a": 3.0, "b": 1.0}, seed=1)
    assert (found.tenant == 0).mean() == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda even: generate_requests(0, rate_per_s=1.0, input_tokens=even, output_tokens=even), "0 requests"),
        (lambda even: generate_requests(1, rate_per_s=0.0, input_tokens=even, output_tokens=even), "rate_per_s is 0"),
        (
            lambda even: generate_requests(1, rate_per_s=1.0, input_tokens=even, output_tokens=even, variation=-1.0),
            r"variation is -1\.0",
        ),
        (
            lambda even: requests_from_demand(
                np.array([1.0, np.nan]), step_s=1.0, input_tokens=even, output_tokens=even
            ),
            "nan token/s in step 1",
        ),
        (
            lambda even: requests_from_demand(np.ones(2), step_s=0.0, input_tokens=even, output_tokens=even),
            r"step_s is 0\.0 s",
        ),
        (
            lambda even: requests_from_demand(np.zeros(2), step_s=1.0, input_tokens=even, output_tokens=even),
            "no request comes of a demand",
        ),
        (lambda even: assign_tenants(trace(), {}), "the shares of tenants"),
        (lambda even: assign_tenants(trace(), {"a": -1.0}), "the shares of tenants"),
        (lambda even: TokenLengths(kind="uniform"), "no distribution 'uniform'"),
        (lambda even: TokenLengths(least_tokens=0), "lengths go from 0"),
        (lambda even: TokenLengths(mean_tokens=float("nan")), "mean_tokens is nan"),
    ],
)
def test_invalid_generators(call: Any, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        call(TokenLengths(mean_tokens=10.0))


# Files.


def test_an_azure_file(tmp_path: Path) -> None:
    path = tmp_path / "azure.csv"
    path.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319601,3180,8\n"
    )
    found = read_requests(path)
    assert found.arrival_s.tolist() == [0.0, 0.0520001]
    assert found.input_tokens.tolist() == [4808, 3180]


def test_a_mooncake_file_with_hashes(tmp_path: Path) -> None:
    rows = [
        {"timestamp": 500, "input_length": 700, "output_length": 5, "hash_ids": [1, 2]},
        {"timestamp": 3500, "input_length": 512, "output_length": 7, "hash_ids": [1]},
    ]
    path = tmp_path / "mooncake.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows).encode()))
    found = read_requests(path)
    assert found.arrival_s.tolist() == [0.0, 3.0]
    assert found.block_hashes is not None
    assert found.block_at is not None
    assert (found.block_hashes.tolist(), found.block_at.tolist()) == ([1, 2, 1], [0, 2, 3])


@pytest.mark.parametrize(
    ("hash_ids", "message"),
    [
        ([1, 2], "request 1 has 2 block hashes for 512 tokens"),
        ([None], "hash_ids of request 1 has an empty entry"),
        (["a"], "hash_ids hold List"),
    ],
)
def test_hashes_that_cannot_be(tmp_path: Path, hash_ids: list[Any], message: str) -> None:
    rows = [
        {"timestamp": 0, "input_length": 700, "output_length": 5, "hash_ids": None},
        {"timestamp": 1, "input_length": 512, "output_length": 7, "hash_ids": hash_ids},
    ]
    path = tmp_path / "mooncake.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(TraceError, match=message):
        read_requests(path)
    path.write_text(json.dumps(rows[0]))
    found = read_requests(path)
    assert found.block_at is not None
    assert found.block_at.tolist() == [0, 0]
    path.write_text(json.dumps(rows[0] | {"hash_ids": 7}))
    with pytest.raises(TraceError, match="hash_ids hold Int64; each request needs a list of whole numbers"):
        read_requests(path)


def engine_rows() -> list[dict[str, Any]]:
    return [
        {"queued_ts": 11.5, "input_toks": 7, "output_toks": 1, "first_token_ts": 12.0, "last_token_ts": 12.0},
        {"queued_ts": 10.0, "input_toks": 5, "output_toks": 3, "first_token_ts": 10.5, "last_token_ts": 11.5},
    ]


def test_an_engine_log_is_put_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in engine_rows()))
    assert read_requests(path).input_tokens.tolist() == [5, 7]
    log = read_engine_log(path)
    assert log.ttft_s.tolist() == [0.5, 0.5]
    assert log.tpot_s[0] == 0.5
    assert np.isnan(log.tpot_s[1])
    assert log.e2e_s.tolist() == [1.5, 0.5]
    rows = engine_rows()
    rows[0]["first_token_ts"] = 11.0
    path.write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(TraceError, match=r"request 1 in the order of queueing has its first token -0\.5 s"):
        read_engine_log(path)


@pytest.mark.parametrize("name", ["trace.csv", "trace.parquet"])
def test_a_table_comes_back(tmp_path: Path, name: str) -> None:
    source = trace(arrival_s=[3.25, 4.1, 4.1], tenant=[1, 0, 1], tenants=("a", "b"))
    found = read_requests(write_requests(tmp_path / name, source))
    for column in ("arrival_s", "input_tokens", "output_tokens", "tenant", "tenants"):
        assert np.array_equal(getattr(found, column), getattr(source, column))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("arrival_s,input_tokens,output_tokens\n", "has no requests"),
        ("a,b\n1,2\n", r"has the columns a, b; known formats are azure: ContextTokens"),
        ("arrival_s,input_tokens,output_tokens\n0,5,\n", "output_tokens of request 0 is None; it must be a number"),
        ("arrival_s,input_tokens,output_tokens\n0,5,1\n1,NaN,1\n", "input_tokens of request 1"),
        ("arrival_s,input_tokens,output_tokens\n1,5,1\n0,5,1\n", "bad.csv: request 1 arrives at 0 s, before request 0"),
        ("arrival_s,input_tokens,output_tokens,tenant\n0,5,1,a\n1,5,1,\n", "tenant of request 1 is empty"),
        ("input_length,output_length\n5,1\n", "no column timestamp"),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens\n16.11.2023,5,1\n",
            r"TIMESTAMP of request 0 is '16\.11\.2023'; it must look like",
        ),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(TraceError, match=message):
        read_requests(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_requests(tmp_path / "absent.csv")
    damaged = tmp_path / "damaged.csv.gz"
    damaged.write_bytes(gzip.compress(b"a,b\n1,2\n" * 100)[:30])
    with pytest.raises(DataError, match="cannot be read"):
        read_requests(damaged)
    pl.DataFrame({"queued_ts": [1.0], "input_toks": [1], "output_toks": [1]}).write_ndjson(tmp_path / "x.jsonl")
    with pytest.raises(TraceError, match="an engine log needs"):
        read_engine_log(tmp_path / "x.jsonl")


# Options.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ServingOptions(max_sequences=0), "max_sequences is 0; allowed is a whole number of at least 1"),
        (lambda: ServingOptions(max_sequences=512, token_budget=256), "needs a token of the budget"),
        (lambda: ServingOptions(token_budget=2048.5), r"token_budget is 2048\.5"),
        (lambda: ServingOptions(idle="off"), "idle is 'off'; use 'loaded' or 'unloaded'"),
        (lambda: ServingOptions(prefix_hit_fraction=1.0), "allowed is 0 up to below 1"),
        (lambda: ServingOptions(bin_s=0.0), r"bin_s is 0\.0 s; allowed is a positive number"),
        (lambda: ServingOptions(waiting_limit=0), "waiting_limit is 0"),
        (
            lambda: ServingOptions(decode_autoscaling=Autoscaling(schedule=((0.0, 1),))),
            "decode_autoscaling is given, but there is no decode pool",
        ),
        (
            lambda: ServingOptions(prefix_hit_fraction=0.5, prefix_cache=PrefixCache()),
            "prefix_hit_fraction is 0.5 and a prefix_cache is given",
        ),
        (lambda: PrefixCache(blocks="all"), "blocks of the prefix cache is 'all'"),
        (lambda: ServiceBudget(tokens=1.0, midnight_s=86_401.0), r"midnight_s of the budget is 86401\.0 s"),
        (lambda: ServiceBudget(midnight_s=3600.0), "the budget has no limit"),
        (lambda: PrefixCache(blocks=0), "blocks of the prefix cache is 0"),
        (lambda: Disaggregation(decode_replicas=0, link_bytes_s=1.0), "decode_replicas is 0"),
        (lambda: Disaggregation(decode_replicas=1, link_bytes_s=0.0), r"link_bytes_s is 0\.0 B/s"),
        (lambda: Autoscaling(), "autoscaling has 0 rules"),
        (lambda: Autoscaling(requests_per_replica=1.0, rate_per_replica_s=1.0), "autoscaling has 2 rules"),
        (lambda: Autoscaling(requests_per_replica=0.0), "requests_per_replica is 0"),
        (lambda: Autoscaling(schedule=((5.0, 1), (5.0, 2))), "they must rise"),
        (lambda: Autoscaling(schedule=((0.0, -1),)), "replicas of the schedule is -1"),
        (lambda: Autoscaling(requests_per_replica=1.0, load_s=0.0, load_energy_j=5.0), "load_s is 0"),
        (lambda: LatencyObjectives(ttft_s=float("nan")), "ttft_s is nan s"),
        (lambda: Intensity(0.0, np.ones(2)), "step of the carbon intensity is 0"),
        (lambda: Intensity(1.0, np.array([1.0, np.nan])), "the carbon intensity is nan at step 1"),
        (lambda: Intensity(1.0, np.ones((2, 2))), r"of shape \(2, 2\)"),
        (lambda: ServiceBudget(), "the budget has no limit"),
        (lambda: ServiceBudget(tokens=-1.0), r"tokens of the budget is -1\.0"),
        (lambda: ServiceBudget(energy_kwh=float("nan")), "energy_kwh of the budget is nan"),
    ],
)
def test_invalid_options(make: Any, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        make()


def test_quantiles_of_a_histogram() -> None:
    counts = np.zeros(4096, dtype=np.int64)
    assert np.isnan(histogram_quantile(counts, 0.5))
    counts[[100, 200, 300]] = [2, 1, 1]
    found = [histogram_quantile(counts, fraction) for fraction in (0.0, 0.4, 0.7, 1.0)]
    assert found == pytest.approx([1e-6 * 1.01**bucket for bucket in (100.5, 100.5, 200.5, 300.5)])
