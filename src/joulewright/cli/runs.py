"""Writing a run with all that belongs to it, and showing its figures."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from joulewright.cli.output import Output
from joulewright.errors import DataError
from joulewright.io import FrontPoint, NamedPlan, read_run, write_run
from joulewright.model import Scenario
from joulewright.plan.options import PlanOptions
from joulewright.plan.result import PlanResult
from joulewright.report import write_report


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """A plan with what it was compared with, ready to be written.

    Attributes
    ----------
    scenario : Scenario
        What was planned.
    result : PlanResult
        What came out.
    comparisons : tuple of NamedPlan
        Baselines.
    pareto : tuple of FrontPoint
        Points of the cost-carbon front.
    """

    scenario: Scenario
    result: PlanResult
    comparisons: tuple[NamedPlan, ...] = ()
    pareto: tuple[FrontPoint, ...] = ()


def write_study(path: Path, study: Study, *, command: Iterable[str] | None = None, report: bool = True) -> list[Path]:
    """Write the run folder and, where there is a plan, its report; the paths written.

    Raises
    ------
    DataError
        If something cannot be written; an earlier run is then unchanged.
    """
    written = write_run(
        path,
        scenario=study.scenario,
        result=study.result,
        command=list(sys.argv if command is None else command),
        comparisons=study.comparisons,
        pareto=study.pareto,
    )
    if not report or study.result.schedule is None:
        return [written]
    return [written, write_run_report(path / "report.html", path)]


def write_run_report(target: Path, run: Path) -> Path:
    """Write the report of a plan, a study, one simulated run or a run of ``jw infer`` to ``target``.

    Raises
    ------
    DataError
        If the folder is none of them, or the search of a plan ended without one.
    """
    from joulewright.io.trajectory_folder import is_trajectory
    from joulewright.study.dag_folder import is_dag_run
    from joulewright.study.folder import is_study
    from joulewright.study.inference_folder import is_infer_run

    if is_infer_run(run):
        return _write_infer_report(target, run)
    if is_dag_run(run):
        return _copy_dag_report(target, run)
    if is_study(run):
        return _write_study_report(target, run)
    if is_trajectory(run):
        return _write_trajectory_report(target, run)
    found = read_run(run)
    if found.result.schedule is None:
        raise DataError(f"{run} ended as {found.result.status!r} without a plan, so there is nothing to report")
    return write_report(
        target,
        scenario=found.scenario,
        result=found.result,
        comparisons=found.comparisons,
        pareto=found.pareto,
        run_document=found.document,
    )


def _copy_dag_report(target: Path, folder: Path) -> Path:
    """The report that was written with a run of ``jw dag``: the folder does not hold what it is made from."""
    from joulewright.io.atomic import write_file

    source = folder / "report.html"
    if not source.is_file():
        raise DataError(
            f"{folder} is a run of jw dag without its report; run jw dag again with -o and without --no-report"
        )
    write_file(target, source.read_bytes())
    return target


def _write_infer_report(target: Path, folder: Path) -> Path:
    from joulewright.report.infer_page import write_infer_report
    from joulewright.study.inference_folder import read_infer_folder

    document, tables = read_infer_folder(folder)
    return write_infer_report(target, document, tables)


def _write_study_report(target: Path, folder: Path) -> Path:
    from joulewright.io.sealed import read_manifest
    from joulewright.report.study_page import write_study_report
    from joulewright.study.folder import STUDY_SCHEMA, read_study

    study = read_study(folder)
    document = read_manifest(folder, "study.json", STUDY_SCHEMA, made_by="jw simulate")
    return write_study_report(target, study, document=document)


def _write_trajectory_report(target: Path, folder: Path) -> Path:
    from joulewright.io.sealed import read_manifest
    from joulewright.io.trajectory_folder import TRAJECTORY_SCHEMA, read_trajectory
    from joulewright.report.trajectory_page import write_trajectory_report

    trajectory = read_trajectory(folder)
    document = read_manifest(folder, "trajectory.json", TRAJECTORY_SCHEMA, made_by="jw simulate")
    return write_trajectory_report(target, trajectory, run_document=document)


def run_baselines(scenario: Scenario, options: PlanOptions, output: Output) -> tuple[NamedPlan, ...]:
    """Every baseline of the scenario, checked and settled like the plan itself."""
    from joulewright.plan.baselines import BASELINES, run_baseline

    found = []
    for name in BASELINES:
        output.say(f"baseline {name}")
        result = run_baseline(name, scenario, options)
        if result.schedule is None:
            output.say(f"baseline {name} found no plan: {'; '.join(result.notes) or result.status}")
        found.append(NamedPlan(name=name, description=BASELINES[name], result=result))
    return tuple(found)
