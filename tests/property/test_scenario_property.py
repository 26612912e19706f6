"""Reading scenario files: units never matter, and no content whatever leads to anything but a list of problems."""

from __future__ import annotations

import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewright.errors import Diagnostic, ScenarioError
from joulewright.io.scenario_file import read_scenario
from joulewright.io.scenario_file.fields import tables
from joulewright.io.scenario_file.names import display_key
from joulewright.io.scenario_file.spans import key_spans

POWER = [("W", 1e6), ("kW", 1e3), ("MW", 1.0), ("GW", 1e-3)]
ENERGY = [("Wh", 1e6), ("kWh", 1e3), ("MWh", 1.0), ("GJ", 3.6)]
PRICE = [("USD/MWh", 1.0), ("USD/kWh", 1e-3)]
CARBON = [("kg/MWh", 1.0), ("g/kWh", 1.0), ("t/GWh", 1.0), ("lbCO2/MWh", 1 / 0.45359237)]
TIME = [("h", 1.0), ("min", 60.0), ("s", 3600.0), ("day", 1 / 24)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenarios")


def read(folder: Path, text: str) -> Any:
    path = folder / "scenario.toml"
    path.write_text(text, encoding="utf-8")
    return read_scenario(path, use_cache=False)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_units_of_the_file_do_not_matter(data: st.DataObject, folder: Path, tiny_scenario_text: str) -> None:
    def spelled(value: float, units: list[tuple[str, float]]) -> str:
        unit, factor = data.draw(st.sampled_from(units))
        return f'"{value * factor!r} {unit}"'

    text = tiny_scenario_text
    for old, value, units in (
        ('import_limit = "20 MW"', 20.0, POWER),
        ('energy = "8 MWh"', 8.0, ENERGY),
        ('price = "50 USD/MWh"', 50.0, PRICE),
        ('emission = "490 kg/MWh"', 490.0, CARBON),
        ('duration = "6 h"', 6.0, TIME),
    ):
        key = old.partition(" = ")[0]
        text = text.replace(old, f"{key} = {spelled(value, units)}")
    one, other = read(folder, tiny_scenario_text), read(folder, text)
    a, b = one.site("a"), other.site("a")
    assert np.allclose(a.grid.import_limit_mw, b.grid.import_limit_mw, rtol=1e-12)
    assert np.allclose(a.grid.import_price_per_mwh, b.grid.import_price_per_mwh, rtol=1e-12)
    assert a.batteries[0].energy_mwh == pytest.approx(b.batteries[0].energy_mwh, rel=1e-12)
    assert a.generators[0].emission_kg_per_mwh == pytest.approx(b.generators[0].emission_kg_per_mwh, rel=1e-12)
    assert one.job("tune").duration_h == pytest.approx(other.job("tune").duration_h, rel=1e-12)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += paths(item, (*path, index))
    return found


def toml(value: Any) -> str:
    """A value as it stands in a file."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {toml(item)}' for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return value.isoformat() if hasattr(value, "isoformat") else repr(value)


junk = st.one_of(
    st.booleans(),
    st.integers(min_value=-(10**12), max_value=10**12),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(
        ["", " ", "5", "-5 MW", "5 MW", "5 MWh", "88 %", "5 USD", "1e99 h", "a", "texas", "UTC", "0 h", "nan"]
    ),
    st.sampled_from(
        [[], [1], ["a"], [[1, 2], [3, 4]], [{}], {}, {"file": "nix.csv"}, {"file": "x.csv", "column": "y"}]
    ),
    st.dates(),
    st.datetimes(),
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_value_anywhere_is_read_or_refused_with_a_place(
    data: st.DataObject, folder: Path, tiny_scenario_text: str
) -> None:
    document = tomllib.loads(tiny_scenario_text)
    changed = deepcopy(document)
    for _ in range(data.draw(st.integers(min_value=1, max_value=3))):
        path = data.draw(st.sampled_from(paths(changed)))
        node = changed
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = deepcopy(data.draw(junk))
    text = "".join(f'"{key}" = {toml(value)}\n' for key, value in changed.items())
    problems: tuple[object, ...] = ()
    try:
        read(folder, text)
    except ScenarioError as error:
        problems = error.problems
    for problem in problems:
        assert isinstance(problem, Diagnostic)
        assert problem.message
        assert problem.file


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_missing_key_is_a_default_or_a_problem(data: st.DataObject, folder: Path, tiny_scenario_text: str) -> None:
    document = tomllib.loads(tiny_scenario_text)
    path = data.draw(st.sampled_from([path for path in paths(document) if isinstance(path[-1], str)]))
    node = document
    for key in path[:-1]:
        node = node[key]
    del node[path[-1]]
    text = "".join(f'"{key}" = {toml(value)}\n' for key, value in document.items())
    codes: set[str] = set()
    try:
        read(folder, text)
    except ScenarioError as error:
        codes = {problem.code for problem in error.problems if isinstance(problem, Diagnostic)}
    assert not codes & {"S001", "S002"}


@settings(max_examples=60, deadline=None)
@given(word=st.text(alphabet="abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12), data=st.data())
def test_any_unknown_key_is_refused(word: str, data: st.DataObject, folder: Path, tiny_scenario_text: str) -> None:
    document = tomllib.loads(tiny_scenario_text)
    places = {
        "time": document["time"],
        "carbon": document["carbon"],
        "site": document["site"][0],
        "grid": document["site"][0]["grid"],
        "battery": document["site"][0]["battery"][0],
        "training": document["training"][0],
    }
    table = data.draw(st.sampled_from(sorted(places)))
    if word in tables()[table]:
        return
    places[table][word] = "x"
    text = "".join(f'"{key}" = {toml(value)}\n' for key, value in document.items())
    with pytest.raises(ScenarioError) as caught:
        read(folder, text)
    assert any(
        isinstance(problem, Diagnostic) and problem.key is not None and problem.key.endswith(word)
        for problem in caught.value.problems
    )


def test_every_key_of_the_tiny_scenario_has_a_span_and_a_name(tiny_scenario_text: str) -> None:
    document, spans = tomllib.loads(tiny_scenario_text), key_spans(tiny_scenario_text.encode())
    shown = {display_key(document, path) for path in paths(document)}
    for path in paths(document):
        if path not in (("site",), ("link",), ("region",), ("training",), ("inference",)) and path[-1] not in (
            "solar",
            "battery",
            "generator",
            "fleet",
        ):
            assert path in spans, path
    assert {"site.a.battery.energy", "training.tune.gpus", "site.a.generator.turbine.ramp"} - shown == {
        "site.a.generator.turbine.ramp"
    }
