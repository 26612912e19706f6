"""Cached profiles: found again only for the same inputs and code, and never trusted when damaged."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from joulewright.io import profile_cache
from joulewright.io.profile_cache import ENVIRONMENT, cache_folder, cached_profile, profile_key
from joulewright.model import Timeline

LINE = Timeline(start=datetime(2022, 7, 4, tzinfo=UTC), step_s=3600, steps=3)
MODULES = ("joulewright.physics.solar",)


class Counter:
    """Computes a profile and counts how often it was asked to."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        return np.array([0.1, 0.2, 1 / 3])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "cache"))
    return tmp_path / "cache" / "profiles"


def ask(compute: Counter, line: Timeline = LINE, **inputs: object) -> np.ndarray:
    return cached_profile(MODULES, line, {"tilt_deg": 30.0, **inputs}, compute)


def test_a_profile_is_computed_once(folder: Path) -> None:
    compute = Counter()
    first, second = ask(compute), ask(compute)
    assert compute.calls == 1
    assert first.tolist() == second.tolist() == [0.1, 0.2, 1 / 3]
    assert second.flags.writeable
    assert len(list(folder.iterdir())) == 1


def test_no_cache_writes_nothing(folder: Path) -> None:
    compute = Counter()
    for _ in range(2):
        cached_profile(MODULES, LINE, {}, compute, use_cache=False)
    assert compute.calls == 2
    assert not folder.exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: b"",
        lambda raw: raw[:-1],
        lambda raw: raw + b"\0",
        lambda raw: bytes([raw[0] ^ 1]) + raw[1:],
        lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
        lambda raw: b"not a profile",
    ],
    ids=["empty", "cut", "longer", "digest changed", "value changed", "other file"],
)
def test_a_damaged_file_is_computed_again(folder: Path, spoil) -> None:
    compute = Counter()
    ask(compute)
    (path,) = folder.iterdir()
    path.write_bytes(spoil(path.read_bytes()))
    assert ask(compute).tolist() == [0.1, 0.2, 1 / 3]
    assert compute.calls == 2
    ask(compute)
    assert compute.calls == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"tilt_deg": 31.0},
        {"azimuth_deg": 180.0},
        {"temperature_c": np.array([1.0, 2.0, 3.0])},
        {"curve": ((3.0, 0.0), (25.0, 1.0))},
        {"curve": "generic-300"},
    ],
)
def test_every_input_counts(folder: Path, changed: dict[str, object]) -> None:
    compute = Counter()
    ask(compute)
    ask(compute, **changed)
    assert compute.calls == 2


@pytest.mark.parametrize(
    "line",
    [
        replace(LINE, start=LINE.start + timedelta(hours=1)),
        replace(LINE, step_s=1800),
    ],
)
def test_the_steps_count(folder: Path, line: Timeline) -> None:
    assert profile_key(MODULES, line, {}) != profile_key(MODULES, LINE, {})


def test_arrays_count_by_value_and_not_by_layout() -> None:
    values = np.arange(6.0)
    same = np.stack([values, values])[:, ::1][0]
    key = profile_key(MODULES, LINE, {"x": values})
    assert profile_key(MODULES, LINE, {"x": same}) == key
    assert profile_key(MODULES, LINE, {"x": values + 1e-12}) != key


def test_names_and_values_cannot_be_confused() -> None:
    one = profile_key(MODULES, LINE, {"a": "b", "c": "d"})
    assert profile_key(MODULES, LINE, {"a": "bc", "": "d"}) != one
    assert profile_key(MODULES, LINE, {"c": "d", "a": "b"}) == one


def test_a_change_of_the_code_makes_old_profiles_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    key = profile_key(MODULES, LINE, {})
    monkeypatch.setattr(profile_cache, "_fingerprint", lambda module: b"edited")
    assert profile_key(MODULES, LINE, {}) != key


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    monkeypatch.setenv(ENVIRONMENT, str(blocker))
    compute = Counter()
    assert ask(compute).tolist() == [0.1, 0.2, 1 / 3]
    assert ask(compute).tolist() == [0.1, 0.2, 1 / 3]
    assert compute.calls == 2


def test_nothing_is_left_beside_the_file(folder: Path) -> None:
    ask(Counter())
    assert [path.suffix for path in folder.iterdir()] == [".bin"]


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x/cache"}, "/x/cache/joulewright"),
        ("linux", {}, "/home/me/.cache/joulewright"),
        ("darwin", {}, "/home/me/Library/Caches/joulewright"),
        ("win32", {"LOCALAPPDATA": "/x/local"}, "/x/local/joulewright"),
        ("win32", {}, "/home/me/AppData/Local/joulewright"),
    ],
)
def test_folder_of_each_platform(
    platform: str, variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (ENVIRONMENT, "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert cache_folder() == Path(expected)


def test_the_reader_uses_the_cache(folder: Path, files) -> None:
    from joulewright.io.scenario_file import read_scenario

    files.hourly({"temp_c": 20.0, "cloud_pct": 0.0, "wind_kmh": 7.2})
    text = files.edit(
        (
            "cooling",
            'weather = { file = "series.csv", temperature = "temp_c", cloud_cover = "cloud_pct", '
            'wind_speed = "wind_kmh" }\ncooling',
        ),
        ('profile = "25 %"\n', ""),
    )
    first = read_scenario(files.path(text)).site("a").renewables[0].per_unit
    (path,) = folder.iterdir()
    stamp = os.stat(path).st_mtime_ns
    again = read_scenario(files.path(text)).site("a").renewables[0].per_unit
    assert np.array_equal(first, again)
    assert [os.stat(item).st_mtime_ns for item in folder.iterdir()] == [stamp]
    plain = read_scenario(files.path(text), use_cache=False).site("a").renewables[0].per_unit
    assert np.array_equal(first, plain)
