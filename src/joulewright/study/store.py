"""Finished runs kept on disk, found again by a hash of everything that decides them."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from joulewright.errors import DataError
from joulewright.io.atomic import write_file
from joulewright.io.codec import encode
from joulewright.io.profile_cache import cache_folder
from joulewright.io.sealed import pack, unpack, versions
from joulewright.model import Scenario, Trajectory
from joulewright.policy.forecast import forecasters
from joulewright.policy.registry import entries
from joulewright.study.result import RunOutcome

Value = TypeVar("Value")

_OUTCOME, _TRAJECTORY = ".run", ".series"
_SHOWING = ("cli", "report", "web", "live")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the store has of a run: its outcome, or None, and whether a damaged file was dropped."""

    outcome: RunOutcome | None = None
    damaged: bool = False


@dataclass(frozen=True)
class RunStore:
    """A folder of finished runs; every file is complete or absent, and its content is verified when it is read.

    Attributes
    ----------
    folder : Path
        Where; made when the first run is kept.
    """

    folder: Path

    @classmethod
    def of_user(cls) -> RunStore:
        """The store in the cache folder of the user, or below ``$JOULEWRIGHT_CACHE``."""
        return cls(cache_folder() / "runs")

    def find(self, digest: str, *, series: bool = False) -> Found:
        """Outcome of the run with this hash; with ``series`` only where its trajectory is kept as well."""
        outcome, damaged = self._read(RunOutcome, digest, _OUTCOME)
        if series and outcome is not None:
            trajectory, series_damaged = self._read(Trajectory, digest, _TRAJECTORY)
            damaged = damaged or series_damaged
            outcome = None if trajectory is None else outcome
        return Found(outcome=outcome, damaged=damaged)

    def trajectory(self, digest: str) -> Trajectory | None:
        """Trajectory of the run with this hash, or None where it is not kept."""
        return self._read(Trajectory, digest, _TRAJECTORY)[0]

    def keep(self, digest: str, outcome: RunOutcome, trajectory: bytes | None = None) -> None:
        """Keep a finished run; the outcome is written last, so that it vouches for the trajectory.

        Parameters
        ----------
        digest : str
            Hash of everything that decides the run.
        outcome : RunOutcome
            What came of it.
        trajectory : bytes, optional
            Its trajectory as :func:`joulewright.io.sealed.pack` made it.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        if trajectory is not None:
            write_file(self._path(digest, _TRAJECTORY), trajectory)
        write_file(self._path(digest, _OUTCOME), pack(outcome))

    def _path(self, digest: str, suffix: str) -> Path:
        return self.folder / digest[:2] / f"{digest}{suffix}"

    def _read(self, kind: type[Value], digest: str, suffix: str) -> tuple[Value | None, bool]:
        """Content of a file, or None, and whether it was damaged; a damaged file is removed."""
        path = self._path(digest, suffix)
        try:
            content = path.read_bytes()
        except OSError:
            return None, False
        try:
            return unpack(kind, content), False
        except DataError:
            with suppress(OSError):
                path.unlink()
            return None, True


def scenario_digest(scenario: Scenario) -> str:
    """Hash of the facts of a scenario; where they came from and what was noted about them do not count."""
    return value_digest(scenario.with_changes(diagnostics=(), provenance={}))


def value_digest(value: object) -> str:
    """Hash of a value that :func:`joulewright.io.codec.encode` can take apart.

    Examples
    --------
    >>> value_digest({"a": 1, "b": np.ones(2)}) == value_digest({"b": np.ones(2), "a": 1})
    True
    """
    document, arrays = encode(value)
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"\0{name} {array.dtype.str} {array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def identity_of(rule: object) -> str:
    """What tells a policy or forecaster from others: its specification, or the class and the hash of its parameters."""
    return rule if isinstance(rule, str) else f"{type(rule).__module__}.{type(rule).__qualname__} {value_digest(rule)}"


def run_digest(scenario: str, task: Mapping[str, Any]) -> str:
    """Hash of a run: its scenario, what is asked for, and the software that carries it out."""
    return value_digest({"scenario": scenario, "task": dict(task), "software": software()})


def software() -> str:
    """Hash of the source of this package and of rules added to it, and the versions of what they compute with.

    The version number alone would let results of an edited checkout be taken for those of another.
    """
    digest = hashlib.sha256(_own_source())
    for content in sorted(_added_source()):
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


@cache
def _own_source() -> bytes:
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256(json.dumps(versions(), sort_keys=True).encode())
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root)
        if path.suffix in (".py", ".csv") and place.parts[0] not in _SHOWING:
            digest.update(f"\0{place.as_posix()}\0".encode() + path.read_bytes())
    return digest.digest()


def _added_source() -> set[bytes]:
    """Modules of the policies and forecasters that others registered."""
    factories = [entry.factory for entry in (*entries().values(), *forecasters().values())]
    names = {factory.__module__ for factory in factories if factory.__module__.partition(".")[0] != "joulewright"}
    files = {getattr(sys.modules.get(name), "__file__", None) for name in names}
    return {Path(file).read_bytes() for file in files if file is not None}
