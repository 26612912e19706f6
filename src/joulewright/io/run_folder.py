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

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from joulewright.account import Ledger
from joulewright.io.atomic import write_folder
from joulewright.io.codec import encode
from joulewright.io.exports import parquet_bytes
from joulewright.io.frames import jobs_frame, routing_frame, series_frame
from joulewright.io.sealed import (
    json_bytes,
    read_manifest,
    read_state,
    refuse_foreign,
    seals,
    state_files,
    versions,
)
from joulewright.model import Scenario
from joulewright.plan.result import PlanResult

RUN_SCHEMA = "joulewright/run/1"

_MANIFEST, _FAMILY = "run.json", "joulewright/run/"
_TABLES = ("series.parquet", "schedule.parquet", "routing.parquet", "ledger.parquet", "report.html")


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
    """A plan of the front: benefit, cost [currency], carbon [kg], cost of the last tonne [currency/t], its gap."""

    benefit: float
    cost: float
    carbon_kg: float
    abatement_cost_per_t: float | None = None
    gap: float | None = None


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
    refuse_foreign(target, _MANIFEST, _FAMILY)
    state = _State(
        scenario=scenario,
        result=result,
        comparisons=tuple(_named(row) for row in comparisons),
        pareto=tuple(_point(row) for row in pareto),
    )
    contents = {**state_files(state), **_tables(scenario, result)}
    manifest = _manifest(state, [command] if isinstance(command, str) else list(command))
    manifest["extra"] = encode(dict(extra or {}))[0]
    manifest["files"] = seals(contents)
    write_folder(target, {**contents, _MANIFEST: json_bytes(manifest, indent=1)}, outdated=_TABLES)
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
    manifest = read_manifest(folder, _MANIFEST, RUN_SCHEMA, made_by="jw plan")
    state = read_state(_State, folder, manifest)
    return Run(
        path=folder,
        scenario=state.scenario,
        result=state.result,
        comparisons=state.comparisons,
        pareto=state.pareto,
        document=manifest,
    )


def _named(row: Any) -> NamedPlan:
    return NamedPlan(name=row.name, description=getattr(row, "description", ""), result=row.result)


def _point(row: Any) -> FrontPoint:
    return FrontPoint(
        benefit=row.benefit,
        cost=row.cost,
        carbon_kg=row.carbon_kg,
        abatement_cost_per_t=getattr(row, "abatement_cost_per_t", None),
        gap=getattr(row, "gap", None),
    )


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
        "versions": {**versions(), "solver": result.solver},
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
