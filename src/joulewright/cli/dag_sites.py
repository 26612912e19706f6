"""``jw dag simulate --site``: jobs with precedence at several sites with links between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from joulewright.cli.dag_options import DagRequest, quantity_option
from joulewright.cli.dag_run import (
    cluster_of,
    finish,
    jobs_facts,
    read_jobs,
    schedulers_of,
    signal_facts,
    signal_notes,
    signal_of,
    write,
)
from joulewright.cli.output import Output, plain
from joulewright.errors import PolicyError
from joulewright.model.dag import DagJob, DagLink, DagLinks
from joulewright.policy.citations import reference_list
from joulewright.policy.dag import AbstractDagPlacement, make_dag_placement
from joulewright.policy.registry import parse
from joulewright.study.dag_inputs import DagInput
from joulewright.study.dag_sites import DagSitesStudy, SiteInput, run_dag_sites

_EVERY_PAIR = "all"
_DEFAULT_PLACEMENT = "least-cost"

Reader = Callable[[str], Any]


def _hours(text: str) -> float | None:
    return quantity_option(text, "time")


def _kilowatts(text: str) -> float:
    return 1000.0 * (quantity_option(text, "power") or 0.0)


_SITE: Mapping[str, Reader] = {
    "signal": Path,
    "column": str,
    "unit": str,
    "renewable": str,
    "time_zone": str,
    "max_gap": _hours,
    "zone": str,
    "executors": int,
    "power": _kilowatts,
    "idle_power": _kilowatts,
    "moving_delay": _hours,
    "task_failures": float,
    "mean_up": _hours,
    "repair": _hours,
}
_LINK: Mapping[str, Reader] = {"gb_per_s": float, "latency_ms": int, "kwh_per_gb": float}
_HOME: Mapping[str, Reader] = {"input_gb": float}
_OF_A_SIGNAL = ("signal", "column", "unit", "renewable", "time_zone")


@dataclass(frozen=True, kw_only=True)
class SiteOptions:
    """What a command line says about sites."""

    sites: tuple[str, ...]
    placement: str | None
    links: tuple[str, ...]
    home: str | None

    def check(self) -> None:
        """Refuse what has no meaning without sites.

        Raises
        ------
        click.UsageError
            If something belongs to ``--site``, which is missing.
        """
        given = {"--placement": self.placement, "--link": self.links, "--home": self.home}
        lost = next((name for name, value in given.items() if value), None)
        if lost and not self.sites:
            raise click.UsageError(f"{lost} belongs to --site NAME, which is missing; give two sites or more")


def simulate_sites(
    request: DagRequest, options: SiteOptions, scheduler: str, *, seed: int, start: str | None, output: Output
) -> int:
    """Run one scheduler at several sites, write and show what it did; the exit status."""
    chosen, placement = schedulers_of([scheduler])[scheduler], _placement(options.placement or _DEFAULT_PLACEMENT)
    named = [_read("--site", text, _SITE) for text in options.sites]
    links = links_of(options.links)
    home = None if options.home is None else _read("--home", options.home, _HOME)
    source, hour_ms, notes = read_jobs(request, output)
    inputs = [_site(request, name, given, hour_ms) for name, given in named]
    notes += dict.fromkeys(note for item in inputs for note in signal_notes(item.signal))
    for note in notes:
        output.say(f"note: {note}")
    jobs = source.jobs if home is None else _housed(source.jobs, *home)
    found = run_dag_sites(jobs, inputs, placement=placement, scheduler=chosen, links=links, start=start, seed=seed)
    facts = {
        "jobs": jobs_facts(source),
        "placement": options.placement or _DEFAULT_PLACEMENT,
        "schedulers": [scheduler],
        "start": found.start.isoformat(),
        "seed": seed,
        "sites": _site_facts(found),
        "links": _link_facts(links),
        "transfers": found.transfers_frame().to_dicts(),
        "figures": found.figures(),
        "know_future": list(found.know_future),
        "notes": [*notes, *found.notes()],
        "references": reference_list(found.run.sources),
    }
    return _conclude(request, source, found, facts=facts, output=output)


def links_of(texts: Sequence[str]) -> DagLinks:
    """Links by the names of two sites, and the one between all others.

    Raises
    ------
    click.BadParameter
        If one is not of the form ``ONE/OTHER:gb_per_s=1.25``, or is given twice.

    Examples
    --------
    >>> links_of(["all:gb_per_s=2", "east/west:latency_ms=40"]).between("west", "east")
    DagLink(gb_per_s=inf, latency_ms=40, kwh_per_gb=0.0)
    """
    found: dict[frozenset[str], DagLink] = {}
    for text in texts:
        name, given = _read("--link", text, _LINK)
        ends = frozenset([name]) if name == _EVERY_PAIR else frozenset(name.split("/"))
        if name != _EVERY_PAIR and (name.count("/") != 1 or len(ends) != 2 or "" in ends):
            raise click.BadParameter(f"--link {text!r} names no pair; write ONE/OTHER:gb_per_s=1.25, or all:...")
        if ends in found:
            raise click.BadParameter(f"--link {name} is given twice; links are the same in both directions")
        found[ends] = DagLink(**given)
    default = found.pop(frozenset([_EVERY_PAIR]), DagLink())
    pairs = {(min(ends), max(ends)): link for ends, link in found.items()}
    return DagLinks(default=default, pairs=pairs)


def _read(option: str, text: str, readers: Mapping[str, Reader]) -> tuple[str, dict[str, Any]]:
    """Name and values of ``NAME:key=value,key=value``."""
    try:
        name, given = parse(text)
    except PolicyError as error:
        raise click.BadParameter(f"{option} {text!r}: {str(error).replace('of policy', 'of')}") from error
    if not name:
        raise click.BadParameter(f"{option} {text!r} begins with no name; write NAME:key=value,key=value")
    for key in given:
        if key not in readers:
            close = get_close_matches(key, readers, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(readers)}"
            raise click.BadParameter(f"{option} {name} has no {key!r}; {hint}")
    return name, {key: _value(f"{option} {name}: {key}", value, readers[key]) for key, value in given.items()}


def _value(what: str, text: str, reader: Reader) -> Any:
    try:
        return reader(text)
    except click.BadParameter as error:
        raise click.BadParameter(f"{what}: {error.message}") from error
    except ValueError as error:
        kind = "whole number" if reader is int else "number"
        raise click.BadParameter(f"{what} is {text!r}, which is no {kind}") from error


def _placement(text: str) -> AbstractDagPlacement:
    try:
        return make_dag_placement(text)
    except PolicyError as error:
        raise click.UsageError(f"--placement: {error}") from error


def _site(request: DagRequest, name: str, given: dict[str, Any], hour_ms: float) -> SiteInput:
    """A site; what it does not say is as the options for all sites say."""
    if "zone" in given and "signal" in given:
        raise click.UsageError(f"--site {name} has a signal and a zone, whose made-up year plays instead; give one")
    changed: dict[str, Any] = {**(dict.fromkeys(_OF_A_SIGNAL) if "zone" in given else {}), **given}
    own = replace(request, **changed)
    return SiteInput(name=name, cluster=cluster_of(own), signal=signal_of(own, hour_ms))


def _housed(jobs: Sequence[DagJob], home: str, given: Mapping[str, Any]) -> tuple[DagJob, ...]:
    return tuple(job if job.home is not None else replace(job, home=home, **given) for job in jobs)


def _site_facts(found: DagSitesStudy) -> list[dict[str, Any]]:
    rows = found.sites_frame().to_dicts()
    return [
        {**row, "signal": signal_facts(item.signal), "cluster": plain(asdict(item.cluster))}
        for row, item in zip(rows, found.inputs)
    ]


def _link_facts(links: DagLinks) -> dict[str, Any]:
    named = {"/".join(pair): link for pair, link in links.pairs.items()}
    return {name: plain(asdict(link)) for name, link in {_EVERY_PAIR: links.default, **named}.items()}


def _conclude(
    request: DagRequest, source: DagInput, found: DagSitesStudy, *, facts: dict[str, Any], output: Output
) -> int:
    def report(manifest: Mapping[str, Any]) -> str:
        from joulewright.report.dag_sites_page import render_dag_sites_report

        return render_dag_sites_report(found, source, document=manifest)

    tables = {
        "sites": found.sites_frame(),
        "jobs": found.jobs_frame(),
        "transfers": found.transfers_frame(),
        "tasks": found.tasks_frame(),
        "steps": found.steps_frame(),
    }
    written = write("sites", request, facts, tables, render=report)
    if not output.json:
        from joulewright.report.dag_sites_terminal import sites_tables

        for table in sites_tables(found):
            output.show(table)
    for note in found.notes():
        output.say(f"note: {note}")
    return finish(facts, written, output)
