"""``python -m benchmarks.solve_instance``: draw one instance on real grid data and plan it within a CPU budget.

Prints one JSON document: the certified gap at the end and at every checkpoint, CPU seconds of the plan and
the peak memory of the process. The bound is a Lagrangian bound from row duals of the linear relaxation; where a
solver's search tree proved more, it is computed anew over a partition of the plans, outside the time that counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.certify import partition_bound
from benchmarks.instances import Size, generate, with_binding_budget
from joulewright.model import Scenario
from joulewright.plan import PlanOptions, PlanResult, plan
from joulewright.plan.clock import Clock, relative_gap
from joulewright.plan.exact import hold_integers, run_integer
from joulewright.plan.formulation import build
from joulewright.plan.incumbent import plan_cost

_CERTIFIED_GAP, _PARTS = 5e-4, 400


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.solve_instance", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--grid", type=Path, default=None, help="folder with <ZONE>_<YEAR>.csv.gz files")
    parser.add_argument("--year", type=int, default=2022)
    parser.add_argument("--sites", type=int, default=5)
    parser.add_argument("--hours", type=int, default=168)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--strategy", choices=["guided", "rolling", "highs"], default="guided")
    parser.add_argument("--cpu", type=float, default=60.0, help="CPU seconds allowed for the plan")
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--checkpoint", type=float, action="append", default=[], help="CPU seconds to look back at")
    wanted = parser.parse_args(arguments)
    size = Size(wanted.sites, wanted.hours, wanted.jobs)
    scenario = generate(size, seed=wanted.seed, grid=wanted.grid, year=wanted.year)
    if wanted.strategy != "rolling":
        scenario = with_binding_budget(scenario)
    solve = solve_with_highs if wanted.strategy == "highs" else solve_with_joulewright
    outcome = solve(scenario, wanted)
    outcome["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    print(json.dumps({"instance": scenario.name, "start": scenario.timeline.start.isoformat(), **outcome}))
    return 0


def solve_with_joulewright(scenario: Scenario, wanted: argparse.Namespace) -> dict[str, Any]:
    """Plan within the CPU budget and certify the result."""
    begin = time.process_time()
    options = PlanOptions(
        strategy=wanted.strategy,
        gap=wanted.gap,
        threads=wanted.threads,
        seed=wanted.seed,
        # A neighbourhood that has begun is finished, so the search is told to stop a little early.
        should_stop=lambda: time.process_time() - begin > 0.97 * wanted.cpu - 1.0,
    )
    result = plan(scenario, options)
    cpu_s = time.process_time() - begin
    rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    bound = result.bound if wanted.strategy == "rolling" else _bound(scenario, result)
    if result.objective is None:
        return {"cpu_s": cpu_s, "gap": 1.0, "status": result.status, "checkpoints": [], "plan_peak_rss_mib": rss_mib}
    return {
        "cpu_s": cpu_s,
        "gap": relative_gap(result.objective, bound, result.cost),
        "best_bound_gap": result.gap,
        "bound_source": result.bound_source,
        "status": result.status,
        "cost": result.cost,
        "violations": len(result.violations),
        "checkpoints": [_checkpoint(result, bound, limit) for limit in wanted.checkpoint],
        "plan_peak_rss_mib": rss_mib,
    }


def _bound(scenario: Scenario, result: PlanResult) -> float:
    """Lagrangian bound on the benefit; of a small program over a partition, since its relaxation alone is weak."""
    if result.bound_source == "lagrangian" or result.objective is None:
        return result.bound
    target = -result.objective - _CERTIFIED_GAP * result.cost
    return -partition_bound(build(scenario), target=target, parts=_PARTS)


def _checkpoint(result: PlanResult, bound: float, limit_s: float) -> dict[str, float | None]:
    """Gap of the best plan known after so many CPU seconds, to the bound proved by then."""
    known = [row for row in result.trace if row[0] <= limit_s and row[1] is not None]
    if not known:
        return {"cpu_s": None, "gap": 1.0}
    cpu_s, objective, proved = known[-1]
    if result.bound_source == "lagrangian" and proved is not None:
        bound = proved
    # The costs of a worse plan are higher by what its benefit is lower.
    return {"cpu_s": cpu_s, "gap": relative_gap(objective, bound, result.cost)}


def solve_with_highs(scenario: Scenario, wanted: argparse.Namespace) -> dict[str, Any]:
    """HiGHS alone on the same program; its gap uses its own bound, and is 1 without an incumbent.

    HiGHS asks rarely whether to stop, so it may run on: its gap is that of the last incumbent it had by the limit.
    """
    program = build(scenario).program
    begin = time.process_time()
    options = PlanOptions(threads=1, should_stop=lambda: time.process_time() - begin > wanted.cpu)
    clock = Clock(options)
    run = run_integer(program, {"mip_rel_gap": 0.0, "threads": 1, "random_seed": wanted.seed}, clock)
    found: dict[str, Any] = {"cpu_s": time.process_time() - begin, "gap": 1.0, "status": run.status}
    if run.values is None:
        return {**found, "checkpoints": [{"cpu_s": None, "gap": 1.0} for _ in wanted.checkpoint]}
    solution = hold_integers(program, run.values)
    objective, cost = -solution.objective, plan_cost(program, solution.values)
    points = [_highs_point(clock, limit, objective=objective, cost=cost) for limit in (wanted.cpu, *wanted.checkpoint)]
    return {**found, "gap": points[0]["gap"], "gap_at_end": relative_gap(objective, -run.bound, cost)} | {
        "checkpoints": points[1:]
    }


def _highs_point(clock: Clock, limit_s: float, *, objective: float, cost: float) -> dict[str, float | None]:
    """Gap of HiGHS's best plan and bound known after so many CPU seconds; costs follow from those of its last plan."""
    known = [point for point in clock.trace if point[0] <= limit_s and point[1] is not None]
    if not known:
        return {"cpu_s": None, "gap": 1.0}
    cpu_s, then, bound = known[-1]
    return {"cpu_s": cpu_s, "gap": relative_gap(then, bound, cost + objective - then)}


if __name__ == "__main__":
    sys.exit(main())
