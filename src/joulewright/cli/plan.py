"""``jw plan``: plan compute and energy together, with a certified gap."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulewright.cli.exit_codes import ExitCode
from joulewright.cli.failures import LimitReachedError
from joulewright.cli.options import check_writable, common, overrides
from joulewright.cli.output import Output, current
from joulewright.cli.progress import GapLine, stop_on_interrupt
from joulewright.errors import DataError

if TYPE_CHECKING:
    from joulewright.account import Ledger
    from joulewright.cli.runs import Study
    from joulewright.io import FrontPoint
    from joulewright.model import Scenario, Schedule
    from joulewright.plan.options import PlanOptions, Strategy
    from joulewright.plan.pareto import ParetoPoint
    from joulewright.plan.result import PlanResult

FLEXIBILITIES = ("battery", "export", "routing", "shifting", "generation")
_EXPORTS = (".csv", ".parquet", ".json")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asks for, as parsed by click."""

    scenario: str
    overrides: tuple[str, ...]
    run: Path | None
    strategy: Strategy
    gap: float
    time_limit: float | None
    work_limit: float | None
    threads: int
    seed: int
    without: frozenset[str]
    pareto: int | None
    previous: Path | None
    churn_cost: str | None
    exports: tuple[Path, ...]
    baselines: bool
    report: bool


def _gap(_context: click.Context, _parameter: click.Parameter, text: str) -> float:
    from joulewright.errors import UnitError
    from joulewright.units import parse_quantity

    try:
        value = parse_quantity(text, "fraction")
    except UnitError as error:
        raise click.BadParameter(f"{text!r} is no share; write 0.001 or '0.1 %'") from error
    if not 0.0 <= value < 1.0:
        raise click.BadParameter(f"{text!r} must be at least 0 and below 1; write 0.001 or '0.1 %'")
    return value


def _seconds(_context: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    from joulewright.errors import UnitError
    from joulewright.units import parse_quantity

    if text is None:
        return None
    try:
        value = float(text) if text.replace(".", "", 1).isdigit() else 3600.0 * parse_quantity(text, "time")
    except UnitError as error:
        raise click.BadParameter(f"{text!r} is no time; write 60, '60 s' or '5 min'") from error
    if value <= 0.0:
        raise click.BadParameter(f"{text!r} must be above 0 s")
    return value


def _flexibilities(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> frozenset[str]:
    names = frozenset(name.strip() for item in given for name in item.split(",") if name.strip())
    unknown = sorted(names - set(FLEXIBILITIES))
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is no flexibility; there are {', '.join(FLEXIBILITIES)}")
    return names


def _exports(_context: click.Context, _parameter: click.Parameter, given: tuple[Path, ...]) -> tuple[Path, ...]:
    for path in given:
        if path.suffix not in _EXPORTS:
            raise click.BadParameter(f"{path.name!r} ends in {path.suffix!r}; use {', '.join(_EXPORTS)}")
    return given


@click.command(name="plan")
@click.argument("scenario", metavar="SCENARIO")
@click.option("-o", "--output", "run", metavar="RUN", type=click.Path(path_type=Path), help="Run folder to write.")
@click.option("--strategy", type=click.Choice(["guided", "exact", "rolling"]), default="guided", show_default=True)
@click.option(
    "--gap", default="0.1 %", show_default=True, callback=_gap, help="Stop when the proven gap is this small."
)
@click.option(
    "--time-limit",
    metavar="TIME",
    callback=_seconds,
    help="Stop after this time, in s or '5 min', once there "
    "is a plan; each baseline and point of the front has it too.",
)
@click.option(
    "--work-limit",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop after this much work; the same plan every time.",
)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--without", metavar="LIST", multiple=True, callback=_flexibilities, help=f"Switch off: {', '.join(FLEXIBILITIES)}."
)
@click.option("--pareto", type=click.IntRange(min=2), metavar="N", help="Also plan N points of the cost-carbon front.")
@click.option(
    "--from", "previous", metavar="RUN", type=click.Path(path_type=Path), help="Keep what runs there already."
)
@click.option("--churn-cost", metavar="MONEY", help="Price of changing one job of --from, e.g. '500 USD'.")
@click.option("--export", "exports", multiple=True, type=click.Path(path_type=Path), callback=_exports,
              help="Also write the schedule as .csv, .parquet or .json.")  # fmt: skip
@click.option("--baselines", is_flag=True, help="Also run the baselines and compare.")
@click.option("--report/--no-report", default=True, help="Write RUN/report.html.")
@click.option("--no-progress", is_flag=True, help="Never draw the gap line.")
@overrides
@common
def command(no_progress: bool, **given: Any) -> int:
    """Plan SCENARIO: which job starts where and when, where requests go, how the energy runs."""
    output = current()
    output.no_progress = no_progress
    request = Request(**given)
    return carry_out(request, output)


def carry_out(request: Request, output: Output) -> int:
    """Read, plan, write, report; the exit status."""
    from joulewright.cli.runs import Study, write_study
    from joulewright.io import read_scenario
    from joulewright.plan.reduction import reduce_scenario

    if request.churn_cost is not None and request.previous is None:
        raise click.UsageError("--churn-cost prices changes from an earlier run; name that run with --from")
    scenario = reduce_scenario(read_scenario(request.scenario, request.overrides), request.without)
    for finding in scenario.diagnostics:
        if finding.severity == "warning":
            output.finding(finding)
    for path in (request.run, *(path.parent for path in request.exports)):
        if path is not None:
            check_writable(path, purpose="the output")
    previous = None
    if request.previous is not None:
        scenario, previous = go_on_from(request.previous, scenario)
    options = plan_options(request, scenario, previous)
    result = solve(scenario, options, output)
    study = Study(scenario=scenario, result=result)
    written = [] if request.run is None else write_study(request.run, study, report=request.report)
    written += export(study, request)
    if (request.baselines or request.pareto) and result.schedule is not None and result.status != "interrupted":
        # What comes now takes longer than the plan, so the plan is safe by now.
        study = with_alternatives(study, request, options, output)
        if request.run is not None:
            write_study(request.run, study, report=request.report)
    return conclude(study, request, written, output)


def plan_options(request: Request, scenario: Scenario, previous: Schedule | None = None) -> PlanOptions:
    """Options of the planner, with the earlier plan to keep to where there is one."""
    from joulewright.plan.options import PlanOptions
    from joulewright.units import parse_quantity

    churn_cost = 0.0
    if request.churn_cost is not None:
        churn_cost = parse_quantity(request.churn_cost, "money", currency=scenario.currency, key="--churn-cost")
    return PlanOptions(
        strategy=request.strategy,
        gap=request.gap,
        time_limit_s=request.time_limit,
        work_limit=request.work_limit,
        threads=request.threads,
        seed=request.seed,
        without=request.without,
        previous=previous,
        churn_cost=churn_cost,
    )


def go_on_from(path: Path, scenario: Scenario) -> tuple[Scenario, Schedule]:
    """The scenario after what an earlier run decided has taken its course, and where that run meant to have its jobs.

    Raises
    ------
    DataError
        If the folder is no run or its search ended without a plan.
    ScenarioError
        If a job runs where the scenario has no fleet.
    """
    from joulewright.io import read_run
    from joulewright.plan.continuation import continue_from

    run = read_run(path)
    if run.result.schedule is None:
        raise DataError(f"{path} ended as {run.result.status!r} without a plan, so there is nothing to keep")
    return continue_from(scenario, run.scenario, run.result.schedule)


def solve(scenario: Scenario, options: PlanOptions, output: Output) -> PlanResult:
    """Plan with a gap line on a terminal; Ctrl-C ends the search and keeps the best plan found."""
    from joulewright.plan import plan

    line = GapLine(enabled=output.shows_progress)
    with stop_on_interrupt() as stop:
        try:
            return plan(scenario, replace(options, progress=line, should_stop=stop))
        finally:
            line.close()


def with_alternatives(study: Study, request: Request, options: PlanOptions, output: Output) -> Study:
    """Add the baselines and the front that the request asks for."""
    from joulewright.cli.runs import run_baselines

    if request.baselines:
        study = replace(study, comparisons=run_baselines(study.scenario, options, output))
    if request.pareto is not None:
        study = replace(study, pareto=front(study, request.pareto, options, output))
    return study


def front(study: Study, points: int, options: PlanOptions, output: Output) -> tuple[FrontPoint, ...]:
    """The front of cost and carbon; Ctrl-C keeps the points found so far."""
    from joulewright.io import FrontPoint
    from joulewright.plan.pareto import pareto_front
    from joulewright.report.numbers import percent, tonnes

    def say(point: ParetoPoint) -> None:
        gap = "" if point.gap is None else f", gap {percent(point.gap)}"
        output.say(f"point of the front: {tonnes(point.carbon_kg)}{gap}, {point.result.seconds:.1f} s")

    output.say(f"front of cost and carbon, {points} points; each has the limits of the plan")
    with stop_on_interrupt() as stop:
        found = pareto_front(study.scenario, replace(options, should_stop=stop), points, found=say)
    better = [point for point in found if better_than_the_plan(point, study)]
    if better:
        best = max(better, key=lambda point: point.benefit)
        output.say(
            f"the front has a plan that is worth more and keeps every limit of this one ({tonnes(best.carbon_kg)}); "
            "ask for a smaller --gap or a longer --time-limit"
        )
    return tuple(
        FrontPoint(
            benefit=point.benefit,
            cost=point.cost,
            carbon_kg=point.carbon_kg,
            abatement_cost_per_t=point.abatement_cost_per_t,
            gap=point.gap,
        )
        for point in found
    )


def better_than_the_plan(point: ParetoPoint, study: Study) -> bool:
    """Whether a point of the front is worth more than the plan and within its carbon budget."""
    carbon, ledger = study.scenario.carbon, study.result.ledger
    if ledger is None or carbon.excess_price_per_t is not None:
        return False
    within = carbon.budget_kg is None or carbon.used_kg + point.carbon_kg <= carbon.budget_kg
    return within and point.benefit > ledger.benefit + 1e-6 * max(1.0, abs(ledger.benefit))


def export(study: Study, request: Request) -> list[Path]:
    """Write the schedule to every file asked for."""
    from joulewright.io import export_schedule

    if study.result.schedule is None:
        return []
    for path in request.exports:
        export_schedule(path, study.scenario, study.result.schedule)
    return list(request.exports)


def conclude(study: Study, request: Request, written: list[Path], output: Output) -> int:
    """Say what was found and return the exit status.

    Raises
    ------
    LimitReachedError
        If a limit ended the search before any plan was found.
    """
    from joulewright.study import figures

    result, currency = study.result, study.scenario.currency
    if result.schedule is None and result.status != "interrupted":
        raise LimitReachedError(f"the search ended as {result.status!r} after {result.seconds:.1f} s without a plan")
    if result.ledger is not None and not output.json:
        show_tables(study, result.ledger, output)
    for note in (*result.notes, *(f"written: {path}" for path in written)):
        output.say(note)
    code, words = verdict(result, request.gap)
    output.say(words)
    return output.document(
        {
            "status": result.status,
            "verdict": words,
            "currency": currency,
            "figures": figures(result),
            "comparisons": {item.name: figures(item.result) for item in study.comparisons},
            "pareto": [asdict(point) for point in study.pareto],
            "violations": [str(item) for item in result.violations],
            "written": written,
            "diagnostics": [finding.as_dict() for finding in study.scenario.diagnostics],
        },
        code,
    )


def show_tables(study: Study, ledger: Ledger, output: Output) -> None:
    """Print the plan by site and what it was compared with."""
    from joulewright.report.terminal import comparison_table, front_table, plan_table

    output.show(plan_table(study.scenario, study.result))
    if study.comparisons:
        output.show(comparison_table(ledger, study.comparisons))
    if study.pareto:
        output.show(front_table(study.pareto, study.scenario.currency))


def verdict(result: PlanResult, wanted_gap: float) -> tuple[ExitCode, str]:
    """Exit status of a search and the sentence that says how it ended."""
    gap = "unknown" if result.gap is None else f"{result.gap:.3%}"
    if result.status == "interrupted":
        kept = f"the best plan found is kept, gap {gap}" if result.schedule is not None else "no plan was found yet"
        return ExitCode.INTERRUPTED, f"interrupted after {result.seconds:.1f} s; {kept}"
    if result.violations:
        return ExitCode.INTERNAL, f"the plan breaks {len(result.violations)} limits, first: {result.violations[0]}"
    if result.gap is not None and result.gap <= wanted_gap:
        return ExitCode.OK, f"proven gap {gap}, at most the {wanted_gap:.3%} asked for, after {result.seconds:.1f} s"
    known = {"time-limit": "time limit reached", "work-limit": "work limit reached"}
    how = known.get(result.status, "nothing better found or proved for long (a --time-limit makes the search go on)")
    return ExitCode.LIMIT_REACHED, f"{how}: gap {gap}, above the {wanted_gap:.3%} asked for; the plan is kept"
