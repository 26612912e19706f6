"""``jw simulate``: what policies would have done, and how sure that is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulewright.cli.exit_codes import ExitCode
from joulewright.cli.options import check_writable, common, overrides
from joulewright.cli.output import Output, current
from joulewright.cli.progress import StudyLine
from joulewright.errors import DataError, PolicyError

if TYPE_CHECKING:
    from joulewright.study.engines import AbstractEngine
    from joulewright.study.request import NamedPolicy, StudyRequest
    from joulewright.study.result import StudyResult
    from joulewright.study.store import RunStore

_MOST_SEEDS = 100_000


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asks for, as parsed by click."""

    scenario: str | None
    policies: tuple[str, ...]
    plans: tuple[Path, ...]
    listed: bool
    seeds: tuple[int, ...] | None
    seed: tuple[int, ...]
    years: tuple[int, ...]
    forecast: str
    overrides: tuple[str, ...]
    events: bool
    oracle: bool
    interval: str
    test: str
    engine: str
    address: str | None
    jobs: int | None
    folder: Path | None
    series: bool
    cache: bool
    report: bool
    fail_if: str | None


def _numbers(text: str, what: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no list of {what} such as 2021,2022") from error


def _seeds(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    found = _numbers(text, "seeds")
    if "," in text:
        return _each_once(found, "seed")
    if not 1 <= found[0] <= _MOST_SEEDS:
        raise click.BadParameter(f"{text} seeds are asked for; allowed are 1 to {_MOST_SEEDS}, or a list such as 3,5")
    return tuple(range(found[0]))


def _years(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...]:
    return () if text is None else _each_once(_numbers(text, "years"), "year")


def _seed(_context: click.Context, _parameter: click.Parameter, given: tuple[int, ...]) -> tuple[int, ...]:
    return _each_once(given, "seed")


def _each_once(values: tuple[int, ...], what: str) -> tuple[int, ...]:
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise click.BadParameter(f"{what} {twice} is given {values.count(twice)} times; give every {what} once")
    if min(values, default=0) < 0:
        raise click.BadParameter(f"{what} {min(values)} is negative; allowed are 0 and above")
    return values


@click.command(name="simulate")
@click.argument("scenario", metavar="SCENARIO", required=False)
@click.option("--policy", "policies", multiple=True, metavar="POLICY", help="A policy with its options, e.g. "
              "receding-horizon:window_h=48, or rules joined by +. Repeatable; the first is what others are compared "
              "with.")  # fmt: skip
@click.option("--plan", "plans", multiple=True, metavar="RUN", type=click.Path(path_type=Path), help="Follow the plan "
              "of a run folder, beside the policies. Repeatable.")  # fmt: skip
@click.option("--list", "listed", is_flag=True, help="Show the policies and forecasters there are.")
@click.option("--seeds", callback=_seeds, metavar="N", help="How many seeds, or a list of them such as 3,5,8.")
@click.option("--seed", type=int, multiple=True, callback=_seed, help="One seed; 0 when none is given. Repeatable.")
@click.option("--years", callback=_years, metavar="LIST", help="Move the horizon to each of these years, e.g. "
              "2021,2022.")  # fmt: skip
@click.option("--forecast", default="day-ahead", show_default=True, help="What policies expect: a forecaster with its "
              "options.")  # fmt: skip
@overrides
@click.option("--events/--no-events", default=True, help="Let events happen: known ones and those drawn by chance.")
@click.option("--oracle/--no-oracle", default=True, help="Plan with perfect foresight to measure regret.")
@click.option("--interval", type=click.Choice(["t", "bootstrap"]), default="t", show_default=True)
@click.option("--test", type=click.Choice(["paired-t", "wilcoxon"]), default="paired-t", show_default=True)
@click.option("--engine", type=click.Choice(["local", "serial", "dask"]), default="local", show_default=True)
@click.option("--address", metavar="ADDRESS", help="Scheduler of the dask engine, e.g. tcp://10.0.0.5:8786.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes of the local engine; as many as cores by default.")
@click.option("-o", "--out", "folder", metavar="DIR", type=click.Path(path_type=Path), help="Study folder to write.")
@click.option("--series", is_flag=True, help="Also write the series of every run; a single run always has them.")
@click.option("--cache/--no-cache", default=True, help="Take finished runs from the cache and keep new ones there.")
@click.option("--report/--no-report", default=True, help="Write DIR/report.html.")
@click.option("--fail-if", metavar="EXPR", help="Exit with 7 if EXPR holds for any policy, e.g. 'regret_fraction > "
              "0.05'.")  # fmt: skip
@click.option("--no-progress", is_flag=True, help="Never draw the progress line.")
@common
def command(no_progress: bool, **given: Any) -> int:
    """Run policies on SCENARIO and compare them seed by seed.

    --set KEY=A,B makes variants. Finished runs are kept: the same command goes on where it was stopped. Exit code 5
    says that runs failed; the others are there.
    """
    output = current()
    output.no_progress = no_progress
    request = Request(**given)
    return show_list(output) if request.listed else carry_out(request, output)


def show_list(output: Output) -> int:
    """Print the policies, rules and forecasters there are."""
    from joulewright.policy.forecast import forecasters
    from joulewright.policy.registry import entries

    listed = sorted(entries().values(), key=lambda entry: (entry.kind, entry.name)) + list(forecasters().values())
    rows = [(str(entry.kind), entry.name, entry.summary) for entry in listed]
    output.table(["decides", "name", "what it does"], rows, text_columns=3)
    return output.document({"rules": [dict(zip(("kind", "name", "summary"), row, strict=True)) for row in rows]})


def carry_out(request: Request, output: Output) -> int:
    """Run the study, write it, show it; the exit status."""
    import tempfile

    from joulewright.study.store import RunStore

    wanted = study_request(request)
    if request.folder is not None:
        from joulewright.study.folder import refuse_study_target

        check_writable(request.folder, purpose="the study")
        refuse_study_target(request.folder)
    engine = engine_of(request)
    with tempfile.TemporaryDirectory(prefix="joulewright-") as scratch:
        store = RunStore.of_user() if request.cache else RunStore(Path(scratch))
        try:
            study = run(wanted, engine, store, output)
        except KeyboardInterrupt:
            kept = "finished runs are kept: run the same command again to go on" if request.cache else "nothing is kept"
            output.say(f"interrupted; {kept}")
            return output.document({"interrupted": True}, ExitCode.INTERRUPTED)
        written = [] if request.folder is None else write(request, study, store if wanted.series else None)
    return conclude(request, study, written, output)


def study_request(request: Request) -> StudyRequest:
    """What to study, from the options.

    Raises
    ------
    click.UsageError
        If the scenario or the policies are missing, or options contradict each other.
    """
    from joulewright.study.request import StudyRequest
    from joulewright.study.result import Inference

    if request.scenario is None or not (request.policies or request.plans):
        missing = "SCENARIO" if request.scenario is None else "--policy"
        raise click.UsageError(f"{missing} is missing; jw simulate --list shows the policies")
    if request.seeds is not None and request.seed:
        raise click.UsageError("--seeds and --seed both say which seeds to take; give one of them")
    seeds = request.seeds or request.seed or (0,)
    inference: Any = {"interval": request.interval, "test": request.test}
    return StudyRequest(
        scenario=request.scenario,
        policies=(*request.policies, *map(follow, request.plans)),
        overrides=request.overrides,
        seeds=seeds,
        years=request.years,
        forecast=request.forecast,
        events=request.events,
        oracle=request.oracle,
        inference=Inference(**inference),
        series=request.folder is not None and (request.series or _is_single(request, seeds)),
    )


def follow(run: Path) -> NamedPolicy:
    """The policy that follows the plan of a run folder, called after it.

    Raises
    ------
    DataError
        If the folder is no run or holds no plan.
    """
    from joulewright.io import read_run
    from joulewright.policy.planned import FollowPlan
    from joulewright.study.request import NamedPolicy

    found = read_run(run)
    if found.result.schedule is None:
        raise DataError(f"{run} ended as {found.result.status!r} without a plan, so there is nothing to follow")
    return NamedPolicy(name=f"plan {run}", policy=FollowPlan(schedule=found.result.schedule, facts=found.scenario))


def _is_single(request: Request, seeds: Sequence[int]) -> bool:
    """Whether there is one run besides the oracle."""
    from joulewright.study.sweep import variants_of

    return (
        len(request.policies + request.plans)
        * len(seeds)
        * max(1, len(request.years))
        * len(variants_of(request.overrides))
        == 1
    )


def engine_of(request: Request) -> AbstractEngine:
    """The engine asked for.

    Raises
    ------
    click.UsageError
        If its options do not fit.
    """
    from joulewright.study.engines import make_engine

    if (request.address is not None) != (request.engine == "dask"):
        raise click.UsageError("--engine dask and --address belong together, e.g. --address tcp://10.0.0.5:8786")
    if request.jobs is not None and request.engine != "local":
        raise click.UsageError(f"--jobs {request.jobs} is for the local engine, not for {request.engine}")
    return make_engine(request.engine, jobs=request.jobs, address=request.address)


def run(wanted: StudyRequest, engine: AbstractEngine, store: RunStore, output: Output) -> StudyResult:
    """Run the study with a progress line on a terminal.

    Raises
    ------
    click.UsageError
        If a policy or forecaster does not exist or has wrong options.
    """
    from joulewright.study.runner import run_study

    line = StudyLine(enabled=output.shows_progress)
    try:
        return run_study(wanted, engine=engine, store=store, progress=line)
    except PolicyError as error:
        raise click.UsageError(f"{error}; jw simulate --list shows what there is") from error
    finally:
        line.close()


def write(request: Request, study: StudyResult, store: RunStore | None) -> list[Path]:
    """Write the study folder, the trajectories that the store has, and the report; the paths written."""
    from joulewright.study.folder import write_study, write_trajectories

    if request.folder is None:
        return []
    written = [write_study(request.folder, study, command=sys.argv)]
    if store is not None:
        written += write_trajectories(request.folder, study, lambda outcome: store.trajectory(outcome.input_sha256))
    if request.report:
        written += write_report(request.folder, study)
    return written


def write_report(folder: Path, study: StudyResult) -> list[Path]:
    """Write the report of a study into its folder."""
    from joulewright.report.study_page import write_study_report

    return [write_study_report(folder / "report.html", study, document={"command": sys.argv})]


def conclude(request: Request, study: StudyResult, written: list[Path], output: Output) -> int:
    """Show what was found and return the exit status."""
    from joulewright.study.folder import outcomes_frame

    show(study, output)
    for note in (*study.notes, *(f"written: {path}" for path in written)):
        output.say(note)
    for outcome in study.failed:
        output.finding(f"error: {outcome.key} failed: {outcome.error}")
    if request.fail_if is not None:
        check_gate(request.fail_if, study, output)
    return output.document(
        {
            "name": study.name,
            "currency": study.currency,
            "forecast": study.forecast,
            "policies": study.policies,
            "variants": [asdict(variant) for variant in study.variants],
            "seeds": study.seeds,
            "years": study.years,
            "summaries": [asdict(item) for item in study.summaries],
            "comparisons": [asdict(item) for item in study.comparisons],
            "runs": outcomes_frame(study).to_dicts(),
            "failed": [{"run": str(outcome.key), "error": outcome.error} for outcome in study.failed],
            "notes": study.notes,
            "written": written,
        },
        ExitCode.LIMIT_REACHED if study.failed else ExitCode.OK,
    )


def show(study: StudyResult, output: Output) -> None:
    """Print the means and the differences that were tested."""
    from joulewright.report.study_terminal import difference_tables, study_table

    if output.json:
        return
    output.show(study_table(study))
    for table in difference_tables(study.comparisons, study.currency):
        output.show(table)


def check_gate(expression: str, study: StudyResult, output: Output) -> None:
    """Evaluate the condition on every policy and variant.

    Raises
    ------
    GateFailedError
        If it holds for any of them.
    """
    from joulewright.cli.gate import check_gate as check_rows
    from joulewright.study.contest import contenders_of, gate_rows

    policies = [item for item in contenders_of(study) if not item.foresees]
    check_rows(expression, gate_rows(policies, study.inference), output)
