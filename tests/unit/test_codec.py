"""Dataclasses to documents and back: tags, hints, defaults and refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal

import numpy as np
import pytest

from joulewright.account import Ledger, settle
from joulewright.errors import DataError, Diagnostic
from joulewright.io.codec import decode, encode
from joulewright.model import Link, Scenario, Schedule
from joulewright.model.timeline import BoolArray, FloatArray


@dataclass(frozen=True, kw_only=True)
class Leaf:
    name: str
    kind: Literal["round", "flat"] = "round"
    count: int = 0
    factor: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Tree:
    leaves: tuple[Leaf, ...] = ()
    pair: tuple[str, float] = ("a", 0.5)
    by_name: Mapping[str, Leaf] = field(default_factory=dict)
    values: FloatArray | None = None
    flags: BoolArray | None = None
    table: FloatArray | None = None
    when: datetime | None = None
    bound: float = math.inf
    tags: frozenset[str] = frozenset()
    either: float | str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    plain: tuple = ()
    items: list[int] = field(default_factory=list)
    derived: int = field(default=7, init=False)


def same(one: Any, other: Any) -> bool:
    """Equality that looks into dataclasses and arrays, types of arrays included."""
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other, equal_nan=False)
        )
    if is_dataclass(one):
        return type(one) is type(other) and all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def round_trip(value: Any) -> Any:
    document, arrays = encode(value)
    return decode(type(value), json.loads(json.dumps(document, allow_nan=False)), arrays)


def test_every_kind_of_part():
    tree = Tree(
        leaves=(Leaf(name="one"), Leaf(name="two", kind="flat", count=3, factor=2.0)),
        pair=("b", -math.inf),
        by_name={"$odd.name": Leaf(name="x"), "": Leaf(name="y")},
        values=np.array([1.5, -2.0]),
        flags=np.array([True, False]),
        table=np.arange(6.0).reshape(2, 3),
        when=datetime(2025, 3, 30, 2, 30, tzinfo=timezone(timedelta(hours=1))),
        bound=-math.inf,
        tags=frozenset({"b", "a"}),
        either="text",
        facts={"n": [1, {"$x": None}], "x": math.inf, "flag": True, "array": np.array([1, 2])},
        plain=(1, "a"),
        items=[3, 4],
    )
    assert same(round_trip(tree), tree)


def test_document_is_readable():
    document, arrays = encode(Tree(values=np.zeros(2), when=datetime(2022, 7, 4, tzinfo=UTC), tags=frozenset("ba")))
    assert document["values"] == {"$array": "values"}
    assert document["when"] == {"$time": "2022-07-04T00:00:00+00:00"}
    assert document["bound"] == {"$float": "inf"}
    assert document["tags"] == ["a", "b"]
    assert "derived" not in document
    assert list(arrays) == ["values"]


def test_not_a_number():
    (found,) = decode(Tree, {"plain": [{"$float": "nan"}]}, {}).plain
    assert math.isnan(found)


def test_numpy_scalars_become_plain():
    assert encode([np.float64(1.5), np.int64(2), np.bool_(True)])[0] == [1.5, 2, True]


def test_paths_of_arrays_never_collide():
    value = {"a.b": np.zeros(1), "a": {"b": np.ones(1)}}
    document, arrays = encode(value)
    assert len(arrays) == 2
    rebuilt = decode(dict[str, Any], document, arrays)
    assert rebuilt["a.b"][0] == 0.0
    assert rebuilt["a"]["b"][0] == 1.0


def test_absent_fields_take_their_defaults_and_whole_numbers_serve_as_floats():
    leaf = decode(Leaf, {"name": "x", "factor": 3}, {})
    assert leaf == Leaf(name="x", factor=3.0)
    assert isinstance(leaf.factor, float)


@pytest.mark.parametrize("value", [object(), 1 + 2j, {1: "a"}, Leaf, b"bytes", timedelta(hours=1)])
def test_values_without_json_form(value):
    with pytest.raises(TypeError, match=r"part\.0 is a \w+; it has no JSON form"):
        encode({"part": [value]})


@pytest.mark.parametrize(
    ("kind", "document", "words"),
    [
        (Leaf, {"name": 5}, "name is 5; expected str"),
        (Leaf, {"name": "x", "count": 1.5}, "count is 1.5; expected int"),
        (Leaf, {"name": "x", "count": True}, "count is True; expected int"),
        (Leaf, {"name": "x", "factor": "1"}, "factor is '1'; expected float"),
        (Leaf, {"name": "x", "factor": True}, "factor is True; expected float"),
        (Leaf, {"name": "x", "kind": "square"}, "kind is 'square'; expected one of 'round', 'flat'"),
        (Leaf, {"name": "x", "colour": "red"}, "has the field 'colour', which Leaf does not know"),
        (Leaf, {}, "no valid Leaf: .*name"),
        (Leaf, [], "expected a Leaf"),
        (Tree, {"leaves": {}}, "leaves is {}; expected a list"),
        (Tree, {"leaves": [{"name": 1}]}, r"leaves\.0\.name is 1"),
        (Tree, {"pair": ["a"]}, r"pair is \['a'\]; expected 2 items"),
        (Tree, {"by_name": []}, r"by_name is \[\]; expected a mapping"),
        (Tree, {"values": {"$array": "values"}}, "refers to the array 'values', which is missing"),
        (Tree, {"either": []}, "either is .* expected float; or either is .* expected str"),
        (Link, {"between": ["a", "b"]}, "no valid Link"),
    ],
)
def test_documents_that_do_not_fit(kind, document, words):
    with pytest.raises(DataError, match=words):
        decode(kind, document, {})


def test_a_rebuilt_scenario_is_checked_again(tiny):
    document, arrays = encode(tiny.scenario())
    document["timeline"]["steps"] = 3
    with pytest.raises(DataError, match=r"no valid Scenario: .*the horizon has 3 steps"):
        decode(Scenario, document, arrays)


def full_scenario(tiny):
    """A scenario with every kind of part."""
    steps = 3
    site = tiny.site(
        steps,
        renewables=(tiny.plant([0.1, 0.2, 0.3], steps),),
        batteries=(tiny.battery(terminal_value_per_mwh=20.0),),
        generators=(tiny.generator(steps),),
        it_limit_mw=5.0,
    )
    from joulewright.model import Region

    return tiny.scenario(
        site,
        steps=steps,
        training=(
            tiny.job(sites=("a",)),
            tiny.job("late", kind="elastic", min_gpus=1, max_gpus=9, speed=((1.0, 0.5), (9.0, 2.0))),
        ),
        inference=(tiny.service(steps),),
        regions=(Region(name="west", latency_ms={"a": 9.0}, residency=("a",)),),
        diagnostics=(Diagnostic(code="T015", severity="note", message="m", line=4),),
        provenance={"files": [{"path": "a.csv", "rows": 3, "note": None}]},
    )


def test_scenario_schedule_and_ledger(tiny):
    scenario = full_scenario(tiny)
    schedule = tiny.schedule(
        scenario,
        jobs={"train": (tiny.run(0, 2, last_fraction=0.25),)},
        services={"chat": {("west", "a", "gpus"): [1e4, 2e4, 0.0]}},
        flows={"a": {"batteries": {"store": (1.0, 0.0)}, "generators": {"turbine": [0.0, 3.0, 3.0]}}},
    )
    ledger = settle(scenario, schedule)
    for value in (scenario, schedule, ledger):
        rebuilt = round_trip(value)
        assert same(rebuilt, value)
    assert settle(round_trip(scenario), round_trip(schedule)) == ledger
    assert isinstance(round_trip(ledger), Ledger)
    assert isinstance(round_trip(schedule), Schedule)
    assert round_trip(schedule).sites["a"].generators["turbine"].on.dtype == np.bool_
