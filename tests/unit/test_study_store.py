"""Finished runs on disk: complete or absent, and never believed when damaged."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from joulewright.errors import DataError
from joulewright.io.codec import encode
from joulewright.io.sealed import pack, unpack
from joulewright.model import Happening, Trajectory
from joulewright.study.result import RunKey, RunOutcome
from joulewright.study.store import RunStore, run_digest, scenario_digest, software, value_digest

DIGEST = "ab" + 62 * "0"
KEY = RunKey(variant="a.power=1 MW", policy="grid-first", seed=3, year=2021)


def same(one: object, other: object) -> bool:
    """Whether two values have equal documents and arrays."""
    (first, arrays), (second, others) = encode(one), encode(other)
    return (
        first == second and arrays.keys() == others.keys() and all(np.array_equal(arrays[k], others[k]) for k in arrays)
    )


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def trajectory(tiny) -> Trajectory:
    scenario = tiny.scenario()
    happening = Happening(start_h=0.5, end_h=1.0, kind="grid-outage", where="a")
    return Trajectory(scenario=scenario, schedule=tiny.schedule(scenario), policy="p", happenings=(happening,))


def test_what_is_kept_is_found(store: RunStore, workers: ModuleType) -> None:
    outcome = workers.outcome_of(KEY)
    assert store.find(DIGEST).outcome is None
    store.keep(DIGEST, outcome)
    found = store.find(DIGEST)
    assert not found.damaged
    assert same(found.outcome, outcome)


def test_a_run_without_its_trajectory_is_not_finished_where_one_is_wanted(
    store: RunStore, workers: ModuleType, trajectory: Trajectory
) -> None:
    store.keep(DIGEST, workers.outcome_of(KEY))
    assert store.find(DIGEST, series=True).outcome is None
    assert store.trajectory(DIGEST) is None
    store.keep(DIGEST, workers.outcome_of(KEY), pack(trajectory))
    assert store.find(DIGEST, series=True).outcome is not None
    assert same(store.trajectory(DIGEST), trajectory)


@pytest.mark.parametrize("suffix", [".run", ".series"])
@pytest.mark.parametrize("spoil", ["flip", "cut", "empty"])
def test_damage_is_noticed_and_the_file_removed(
    suffix: str, spoil: str, store: RunStore, workers: ModuleType, trajectory: Trajectory
) -> None:
    store.keep(DIGEST, workers.outcome_of(KEY), pack(trajectory))
    (path,) = store.folder.rglob(f"*{suffix}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-7]), "empty": b""}[spoil])
    found = store.find(DIGEST, series=True)
    assert (found.outcome, found.damaged) == (None, True)
    assert not path.exists()
    assert not store.find(DIGEST, series=True).damaged


def test_a_container_of_something_else() -> None:
    with pytest.raises(DataError, match="does not know"):
        unpack(RunOutcome, pack({"key": encode(KEY)[0], "colour": "red"}))


def test_a_folder_that_cannot_be_written(tmp_path, workers: ModuleType) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="which is a file"):
        RunStore(tmp_path / "file" / "runs").keep(DIGEST, workers.outcome_of(KEY))


def test_the_hash_of_a_scenario_is_that_of_its_facts(tiny) -> None:
    scenario = tiny.scenario()
    noted = replace(scenario, provenance={"file": "other.toml"})
    dearer = tiny.scenario(tiny.site(grid=tiny.grid(import_price_per_mwh=[50.0, 50.000001])))
    assert scenario_digest(scenario) == scenario_digest(noted) == scenario_digest(tiny.scenario())
    assert scenario_digest(dearer) != scenario_digest(scenario)


def test_arrays_of_other_shape_or_place_have_another_hash() -> None:
    base = {"a": np.array([1.0, 2.0]), "b": np.array([3.0])}
    others = [
        {"a": np.array([1.0]), "b": np.array([2.0, 3.0])},
        {"b": np.array([1.0, 2.0]), "a": np.array([3.0])},
        {"a": np.array([1, 2]), "b": np.array([3.0])},
    ]
    assert len({value_digest(value) for value in (base, *others)}) == 4


@pytest.mark.parametrize("change", [{"policy": "q"}, {"seed": 4}, {"forecast": "perfect"}])
def test_whatever_decides_a_run_changes_its_hash(change) -> None:
    identity = {"policy": "p", "seed": 3, "forecast": "day-ahead"}
    assert run_digest("s", identity) == run_digest("s", dict(identity))
    assert run_digest("s", {**identity, **change}) != run_digest("s", identity)
    assert run_digest("t", identity) != run_digest("s", identity)


def test_the_software_has_one_hash() -> None:
    assert len(software()) == 64
    assert software() == software()


def test_the_store_of_the_user_lies_in_its_cache(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("JOULEWRIGHT_CACHE", str(tmp_path))
    assert RunStore.of_user().folder == tmp_path / "runs"
