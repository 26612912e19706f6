"""``jw explain``: why a job runs there and then, what an hour looks like, or what a diagnostic code means."""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from joulewright.cli.options import common
from joulewright.cli.output import Output, current


@click.command(name="explain")
@click.argument("target", metavar="RUN|CODE")
@click.option("--job", metavar="NAME", help="Why this job runs there and then, and what its best alternatives cost.")
@click.option("--hour", metavar="TIME", help="Balance and binding limits of this hour, e.g. 2022-07-05T12:00Z.")
@common
def command(target: str, job: str | None, hour: str | None) -> int:
    """Explain a job or an hour of RUN (a run folder), or a diagnostic CODE such as U003."""
    output = current()
    if re.fullmatch(r"[A-Za-z]\d{3}", target):
        return _code(output, target.upper())
    if (job is None) == (hour is None):
        raise click.UsageError("say what to explain: --job NAME or --hour TIME (or give a code such as U003)")
    if job is not None:
        return _job(output, Path(target), job)
    return _hour(output, Path(target), str(hour))


def code_pages() -> dict[str, dict[str, str]]:
    """Title, meaning and way out of every diagnostic code."""
    with files("joulewright.cli").joinpath("diagnostics.toml").open("rb") as stream:
        return tomllib.load(stream)


def _code(output: Output, code: str) -> int:
    pages = code_pages()
    if code not in pages:
        family = [name for name in pages if name[0] == code[0]] or list(pages)
        raise click.UsageError(f"there is no code {code!r}; there are {', '.join(family)}")
    page = pages[code]
    output.data(f"{code}: {page['title']}\n\n{page['meaning'].strip()}\n\nWay out: {page['help'].strip()}")
    return output.document({"code": code, **page})


def _job(output: Output, path: Path, name: str) -> int:
    from joulewright.io import read_run
    from joulewright.plan.explain import explain_job

    run = read_run(path)
    if name not in {job.name for job in run.scenario.training}:
        close = get_close_matches(name, [job.name for job in run.scenario.training], n=3)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {len(run.scenario.training)} jobs in this run"
        raise click.UsageError(f"--job {name!r} is no training job of {path}; {hint}")
    return _show(output, explain_job(run.scenario, run.result, name))


def _hour(output: Output, path: Path, text: str) -> int:
    from joulewright.io import read_run
    from joulewright.plan.explain import explain_hour

    run = read_run(path)
    timeline = run.scenario.timeline
    step = timeline.floor(instant(text))
    if not 0 <= step < timeline.steps:
        span = f"{timeline.start.isoformat()} to {timeline.end.isoformat()}"
        raise click.UsageError(f"--hour {text} lies outside the run, which covers {span}")
    return _show(output, explain_hour(run.scenario, run.result, step))


def _show(output: Output, explanation: Any) -> int:
    output.data(str(explanation))
    return output.document({"explanation": explanation.as_dict()})


def instant(text: str) -> Any:
    """A time as written on the command line; UTC where it has no offset.

    Examples
    --------
    >>> instant("2022-07-05T12:00").isoformat()
    '2022-07-05T12:00:00+00:00'
    """
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"--hour {text!r} is not a time; write it as 2022-07-05T12:00Z") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
