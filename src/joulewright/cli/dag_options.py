"""Options that ``jw dag simulate``, ``compare`` and ``bound`` share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from joulewright.errors import UnitError
from joulewright.units import parse_quantity

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class DagRequest:
    """Jobs, cluster and signal that a command line asks for; durations in hours [h], powers in kW [kW]."""

    jobs: str | None
    draw: str
    signal: Path | None
    column: str | None
    unit: str | None
    renewable: str | None
    time_zone: str | None
    max_gap: float
    zone: str
    hour: float | None
    executors: int
    moving_delay: float
    power: float
    idle_power: float
    task_failures: float
    mean_up: float | None
    repair: float
    folder: Path | None
    report: bool
    no_progress: bool


def hours(_context: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    """A duration such as ``1 min`` in hours [h]."""
    return quantity_option(text, "time")


def kilowatts(_context: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    """A power such as ``500 W`` in kilowatts [kW]."""
    power_mw = quantity_option(text, "power")
    return None if power_mw is None else 1000.0 * power_mw


def quantity_option(text: str | None, dimension: str) -> float | None:
    """A quantity of at least 0 in the internal unit of its dimension; None where none is given.

    Raises
    ------
    click.BadParameter
        If it has no unit or another one, or is negative.
    """
    if text is None:
        return None
    try:
        value = parse_quantity(text, dimension)
    except UnitError as error:
        raise click.BadParameter(f"{error}; {error.help}" if error.help else str(error)) from error
    if value < 0.0:
        raise click.BadParameter(f"{text!r} is negative; allowed is 0 or more")
    return value


_OPTIONS = (
    click.argument("jobs", metavar="[JOBS]", required=False),
    click.option("--draw", default="", metavar="OPTIONS", help="How jobs are drawn from a table of measured stages, "
                 "e.g. jobs=20,seed=1,gap_ms=30000,waves=false."),
    click.option("--signal", metavar="FILE", type=click.Path(path_type=Path), help="CSV, CSV.gz or Parquet file with "
                 "what plays; a made-up year of --zone when absent."),
    click.option("--column", help="Column of carbon intensities or prices; needed where there are several."),
    click.option("--unit", help="Unit of the column where its name has none, e.g. g/kWh; 1 for plain numbers."),
    click.option("--renewable", metavar="COLUMN", help="Column with the renewable share, for green-hadoop."),
    click.option("--time-zone", help="Zone of time stamps without an offset, e.g. Europe/Berlin."),
    click.option("--max-gap", callback=hours, default="0 h", show_default=True, help="Longest run of missing "
                 "values that is interpolated."),
    click.option("--zone", default="DE-LU", show_default=True, help="Zone of the made-up year."),
    click.option("--hour", callback=hours, metavar="DURATION", help='How long an hour of the signal takes in the run, '
                 'e.g. "1 min"; "1 h" for jobs of a file, "1 min" for generated and drawn ones.'),
    click.option("--executors", type=click.IntRange(min=1), default=50, show_default=True),
    click.option("--moving-delay", callback=hours, default="2 s", show_default=True, help="Time an executor takes to "
                 "change to another job."),
    click.option("--power", callback=kilowatts, default="1 kW", show_default=True, help="Draw of an executor with a "
                 "task."),
    click.option("--idle-power", callback=kilowatts, default="0 kW", show_default=True, help="Draw of one without."),
    click.option("--task-failures", type=click.FloatRange(0.0, 0.9), default=0.0, show_default=True, help="Chance that "
                 "an attempt of a task fails."),
    click.option("--mean-up", callback=hours, metavar="DURATION", help="Mean time until an executor fails as a whole; "
                 "they never do when absent."),
    click.option("--repair", callback=hours, default="1 min", show_default=True, help="Time until a failed executor is "
                 "back."),
    click.option("-o", "--out", "folder", metavar="DIR", type=click.Path(path_type=Path), help="Folder to write."),
    click.option("--report/--no-report", default=True, help="Write DIR/report.html."),
    click.option("--no-progress", is_flag=True, help="Never draw the progress line."),
)  # fmt: skip


def dag_options(command: Command) -> Command:
    """Add the argument and the options of :class:`DagRequest`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
