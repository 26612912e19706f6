"""``jw dag``: schedulers of jobs with precedence against a signal."""

from __future__ import annotations

from typing import Any

import click

from joulewright.cli.dag_options import DagRequest, dag_options, hours
from joulewright.cli.options import common
from joulewright.cli.output import current


@click.group(name="dag")
def command() -> None:
    """Run jobs of stages with precedence on executors while a signal plays."""


@command.command(name="simulate")
@click.option("--scheduler", default="fifo", show_default=True, help="Who gets executors, e.g. spade:gamma=0.5 or "
              "sap:minimum=10+fair.")  # fmt: skip
@click.option("--list", "listed", is_flag=True, help="Show the schedulers there are.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of durations and draws.")
@click.option("--start", help="Where in the signal jobs begin to arrive: hours into it, or an instant such as "
              "2022-07-04T00:00Z.")  # fmt: skip
@click.option("--site", "sites", multiple=True, metavar="NAME:OPTIONS", help="A site, e.g. "
              "east:signal=east.csv,executors=30 or west:zone=US-CAL-CISO. It takes signal, column, unit, renewable, "
              "time_zone, max_gap, zone, executors, power, idle_power, moving_delay, task_failures, mean_up, repair; "
              "what is left out is as the options for all sites say. Repeatable.")  # fmt: skip
@click.option("--placement", help="Which site a job goes to when it arrives: home, round-robin, lowest-signal, "
              "shortest-queue or least-cost, e.g. least-cost:most_delay_ms=60000; least-cost when absent.")  # fmt: skip
@click.option("--link", "links", multiple=True, metavar="PAIR:OPTIONS", help="How data gets from site to site, e.g. "
              "east/west:gb_per_s=1.25,latency_ms=40,kwh_per_gb=0.005, or all:... for all other pairs; without delay "
              "and energy when absent. Repeatable.")  # fmt: skip
@click.option("--home", metavar="NAME:OPTIONS", help="Site where the input of jobs lies that name none, e.g. "
              "east:input_gb=20.")  # fmt: skip
@dag_options
@common
def simulate(scheduler: str, listed: bool, seed: int, start: str | None, **given: Any) -> int:
    """Run JOBS under one scheduler, at one site or several.

    JOBS is a JSON or Parquet file of jobs, a Spark event log, a table of measured TPC-H stages, or
    generated:KIND,jobs=20,seed=1 with the kinds layered, fork-join and tpch-like.
    """
    from joulewright.cli.dag_run import list_schedulers, simulate_one
    from joulewright.cli.dag_sites import SiteOptions, simulate_sites

    output = current()
    if listed:
        return list_schedulers(output)
    options = SiteOptions(**{name: given.pop(name) for name in ("sites", "placement", "links", "home")})
    options.check()
    if options.sites:
        return simulate_sites(DagRequest(**given), options, scheduler, seed=seed, start=start, output=output)
    return simulate_one(DagRequest(**given), scheduler, seed=seed, start=start, output=output)


@command.command(name="compare")
@click.option("--scheduler", "schedulers", multiple=True, required=True, help="A scheduler with its options, e.g. "
              "spade:gamma=0.5. Repeatable; the first is what others are compared with.")  # fmt: skip
@click.option("--starts", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many starts, spread "
              "evenly over the signal.")  # fmt: skip
@click.option("--start", "given_starts", multiple=True, help="One start: hours into the signal, or an instant. "
              "Repeatable.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many seeds.")
@click.option("--interval", type=click.Choice(["t", "bootstrap"]), default="t", show_default=True)
@dag_options
@common
def compare(schedulers: tuple[str, ...], **given: Any) -> int:
    """Run JOBS under several schedulers, from many starts, and split what changes into work and shift.

    JOBS as in jw dag simulate. A change of carbon is split exactly into less work, energy per work (idle draw) and the
    same energy at another time.
    """
    from joulewright.cli.dag_run import Samples, compare_several

    samples = Samples(
        starts=given.pop("starts"),
        given=given.pop("given_starts"),
        seeds=given.pop("seeds"),
        interval=given.pop("interval"),
    )
    return compare_several(DagRequest(**given), schedulers, samples, current())


@command.command(name="bound")
@click.option("--scheduler", default="fifo", show_default=True, help="Whose makespan the bound is for.")
@click.option("--end", callback=hours, metavar="DURATION", help='Horizon instead of the makespan, e.g. "60 h" of the '
              "signal.")  # fmt: skip
@click.option("--allow", default="0,6,12,24", show_default=True, help="Hours allowed beyond the horizon.")
@click.option("--start", help="Where in the signal jobs begin to arrive.")
@dag_options
@common
def bound(scheduler: str, end: float | None, allow: str, start: str | None, **given: Any) -> int:
    """Find what JOBS must cost at least within a makespan and with some hours more.

    Jobs as fluid: no precedence, no moves, no whole executors; no schedule of the same length costs less.
    """
    from joulewright.cli.dag_bound import find_bounds

    return find_bounds(DagRequest(**given), scheduler, end_h=end, allow=allow, start=start, output=current())
