"""Run folders: everything a plan was made from and what came out, in one place that can be read again.

==================  ===========================================================================================
file                content
==================  ===========================================================================================
run.json            schema version, command, versions, seed, input hashes, status and headline figures
series.parquet      one row for each site and step: load, flows, stored energy, prices, carbon intensities
schedule.parquet    one row for each run of a job, and for each rejected job
routing.parquet     one row for each step of every inference route in use
ledger.parquet      every figure of the ledger
state.json          scenario, result, comparisons and front as :mod:`joulewright.io.codec` documents
state.parquet       their arrays
==================  ===========================================================================================

The tables are absent when the run ended without a plan. ``report.html`` is added by the report.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from joulewright.account import Ledger
from joulewright.errors import DataError
from joulewright.io.atomic import write_folder
from joulewright.io.codec import Array, decode, encode
from joulewright.io.exports import parquet_bytes
from joulewright.io.frames import jobs_frame, routing_frame, series_frame
from joulewright.model import Scenario
from joulewright.plan.result import PlanResult

RUN_SCHEMA = "joulewright/run/1"

_MANIFEST, _STATE, _ARRAYS = "run.json", "state.json", "state.parquet"
_TABLES = ("series.parquet", "schedule.parquet", "routing.parquet", "ledger.parquet", "report.html")
_PACKAGES = ("joulewright", "highspy", "numpy", "scipy", "polars")


@dataclass(frozen=True, kw_only=True)
class NamedPlan:
    """A plan that a run was compared with: its name, what it does, and the result."""

    name: str
    description: str = ""
    result: PlanResult

    @property
    def ledger(self) -> Ledger | None:
        """Figures of the plan; None if there is none."""
        return self.result.ledger

    @property
    def violations(self) -> int:
        """Number of broken limits."""
        return len(self.result.violations)


@dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """A plan of the cost-carbon front: benefit, cost [currency], carbon [kg], cost of the last tonne [currency/t]."""

    benefit: float
    cost: float
    carbon_kg: float
    abatement_cost_per_t: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A run folder that was read.

    Attributes
    ----------
    path : Path
        The folder.
    scenario : Scenario
        What was planned.
    result : PlanResult
        What came out.
    comparisons : tuple of NamedPlan
        Baselines and other plans it was compared with.
    pareto : tuple of FrontPoint
        The cost-carbon front.
    document : mapping
        Content of ``run.json``.
    """

    path: Path
    scenario: Scenario
    result: PlanResult
    comparisons: tuple[NamedPlan, ...] = ()
    pareto: tuple[FrontPoint, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class _State:
    """What ``state.json`` and ``state.parquet`` hold."""

    scenario: Scenario
    result: PlanResult
    comparisons: tuple[NamedPlan, ...] = ()
    pareto: tuple[FrontPoint, ...] = ()


def write_run(
    path: str | Path,
    *,
    scenario: Scenario,
    result: PlanResult,
    command: Sequence[str] | str = (),
    comparisons: Iterable[Any] = (),
    pareto: Iterable[Any] = (),
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write a run folder.

    The files are written aside and forced to the disk; only then are they swapped with an earlier run of that
    name, which is therefore intact if anything fails. Files of an earlier run that it did not write itself are kept.

    Parameters
    ----------
    path : str or Path
        Folder that is new, empty or an earlier run.
    scenario : Scenario
        What was planned.
    result : PlanResult
        What came out, with or without a plan.
    command : sequence of str or str
        Command line that made it.
    comparisons : iterable
        Other plans, as objects with ``name``, ``result`` and, optionally, ``description``.
    pareto : iterable
        Points of the front, as objects with ``benefit``, ``cost``, ``carbon_kg`` and ``abatement_cost_per_t``.
    extra : mapping, optional
        More to keep in ``run.json`` under ``extra``.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If the path is a file, lies below one, holds other files than a run, or cannot be written.
    """
    target = Path(path)
    _refuse_foreign(target)
    state = _State(
        scenario=scenario,
        result=result,
        comparisons=tuple(_named(row) for row in comparisons),
        pareto=tuple(_point(row) for row in pareto),
    )
    document, arrays = encode(state)
    contents = {_STATE: _json_bytes(document), _ARRAYS: _arrays_bytes(arrays), **_tables(scenario, result)}
    manifest = _manifest(state, [command] if isinstance(command, str) else list(command))
    manifest["extra"] = encode(dict(extra or {}))[0]
    manifest["files"] = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
    write_folder(target, {**contents, _MANIFEST: _json_bytes(manifest, indent=1)}, outdated=_TABLES)
    return target


def read_run(path: str | Path) -> Run:
    """Read a run folder.

    Parameters
    ----------
    path : str or Path
        Folder that :func:`write_run` made.

    Returns
    -------
    Run
        Scenario, result, comparisons and front, equal to what was written.

    Raises
    ------
    DataError
        If the folder is missing, is no run, has another schema version, or a file is missing or was changed.
    """
    folder = Path(path)
    manifest = _read_manifest(folder)
    document = json.loads(_verified(folder, _STATE, manifest))
    state = decode(_State, document, _arrays(_verified(folder, _ARRAYS, manifest)))
    return Run(
        path=folder,
        scenario=state.scenario,
        result=state.result,
        comparisons=state.comparisons,
        pareto=state.pareto,
        document=manifest,
    )


def is_run(path: Path) -> bool:
    """Whether a folder holds a run of any schema version."""
    try:
        document = json.loads((path / _MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and str(document.get("schema_version", "")).startswith("joulewright/run/")


def _refuse_foreign(path: Path) -> None:
    if not path.is_dir() or is_run(path):
        return
    names = sorted(item.name for item in path.iterdir())
    if names:
        listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise DataError(f"{path} is not a run folder: it holds {listed}; choose a folder that is new or empty")


def _named(row: Any) -> NamedPlan:
    return NamedPlan(name=row.name, description=getattr(row, "description", ""), result=row.result)


def _point(row: Any) -> FrontPoint:
    price = getattr(row, "abatement_cost_per_t", None)
    return FrontPoint(benefit=row.benefit, cost=row.cost, carbon_kg=row.carbon_kg, abatement_cost_per_t=price)


def _tables(scenario: Scenario, result: PlanResult) -> dict[str, bytes]:
    if result.schedule is None:
        return {}
    tables = {
        "series.parquet": series_frame(scenario, result.schedule),
        "schedule.parquet": jobs_frame(scenario, result.schedule),
        "routing.parquet": routing_frame(scenario, result.schedule),
    }
    if result.ledger is not None:
        tables["ledger.parquet"] = result.ledger.frame()
    return {name: parquet_bytes(frame) for name, frame in tables.items()}


def _manifest(state: _State, command: list[str]) -> dict[str, Any]:
    scenario, result = state.scenario, state.result
    timeline, severities = scenario.timeline, [item.severity for item in scenario.diagnostics]
    return {
        "schema_version": RUN_SCHEMA,
        "name": scenario.name,
        "currency": scenario.currency,
        "command": command,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **_versions(), "solver": result.solver},
        "platform": platform.platform(),
        "horizon": {
            "start": timeline.start.isoformat(),
            "end": timeline.end.isoformat(),
            "step_s": timeline.step_s,
            "steps": timeline.steps,
        },
        "plan": {"exists": result.schedule is not None, **_outcome(result)},
        "headline": None if result.ledger is None else encode(result.ledger.summary())[0],
        "comparisons": {
            item.name: None if item.ledger is None else encode(item.ledger.summary())[0] for item in state.comparisons
        },
        "pareto": encode(state.pareto)[0],
        "inputs": encode(scenario.provenance)[0],
        "diagnostics": {name: severities.count(name) for name in ("warning", "note")},
    }


def _outcome(result: PlanResult) -> dict[str, Any]:
    names = ("status", "strategy", "objective", "bound", "gap", "cost", "seconds", "cpu_s", "work", "seed", "threads")
    outcome = {name: encode(getattr(result, name))[0] for name in names}
    return {**outcome, "violations": [str(item) for item in result.violations], "notes": list(result.notes)}


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _json_bytes(document: Any, indent: int | None = None) -> bytes:
    return json.dumps(document, indent=indent, allow_nan=False).encode()


def _arrays_bytes(arrays: Mapping[str, Array]) -> bytes:
    rows = [
        {"path": path, "dtype": array.dtype.str, "shape": list(array.shape), "values": array.ravel().astype(np.float64)}
        for path, array in arrays.items()
    ]
    schema: dict[str, Any] = {
        "path": pl.String,
        "dtype": pl.String,
        "shape": pl.List(pl.Int64),
        "values": pl.List(pl.Float64),
    }
    return parquet_bytes(pl.DataFrame(rows, schema=schema))


def _arrays(content: bytes) -> dict[str, Array]:
    frame = pl.read_parquet(io.BytesIO(content))
    return {
        path: values.to_numpy().astype(dtype).reshape(shape)
        for path, dtype, shape, values in zip(
            *(frame[name] for name in ("path", "dtype", "shape", "values")), strict=True
        )
    }


def _read_manifest(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; name a run folder that jw plan wrote with -o")
    try:
        document = json.loads((folder / _MANIFEST).read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{folder} holds no {_MANIFEST}, so it is not a run folder") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / _MANIFEST} cannot be read: {error}") from error
    found = document.get("schema_version") if isinstance(document, dict) else None
    if found != RUN_SCHEMA:
        raise DataError(
            f"{folder / _MANIFEST} has schema_version {found!r}; this version reads {RUN_SCHEMA!r}: plan again"
        )
    return dict(document)


def _verified(folder: Path, name: str, manifest: Mapping[str, Any]) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise DataError(f"{folder / name} cannot be read: {error.strerror or error}") from error
    wanted, found = manifest["files"][name]["sha256"], hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise DataError(
            f"{folder / name} was changed after the run: sha256 {found[:12]} instead of {wanted[:12]}; plan again"
        )
    return content
