"""From a scenario file to a :class:`~joulewright.model.Scenario`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Any, NoReturn, TypeVar

from joulewright.errors import Diagnostic, ScenarioError
from joulewright.io.scenario_file.components import read_fleet
from joulewright.io.scenario_file.document import Document, parse_document
from joulewright.io.scenario_file.events import read_chances, read_events
from joulewright.io.scenario_file.fields import SCHEMA_VERSION, did_you_mean
from joulewright.io.scenario_file.horizon import read_horizon
from joulewright.io.scenario_file.inference import read_service
from joulewright.io.scenario_file.network import check_deciding_series, read_carbon, read_link, read_region
from joulewright.io.scenario_file.overrides import apply_overrides, override_pairs
from joulewright.io.scenario_file.places import Places
from joulewright.io.scenario_file.rows import expand_rows
from joulewright.io.scenario_file.signals import SignalReader
from joulewright.io.scenario_file.sites import read_site
from joulewright.io.scenario_file.tables import Checker, Table
from joulewright.io.scenario_file.training import read_job, rounding_note
from joulewright.io.scenario_file.years import fill_year, move_to_year
from joulewright.model import Scenario, Timeline, disturbance
from joulewright.model.disturbance import SiteEvents
from joulewright.units import currency_of

_CODES_OF_ANY_HORIZON = frozenset(
    {"T001", "T002", "T004", "T005", "T006", "T007", "T008", "T009", "T010", "T018", "T031", "T033", "T035"}
)
_Part = TypeVar("_Part")


def read_scenario(
    path: str | FilePath,
    overrides: Mapping[str, str] | Sequence[str] = (),
    *,
    use_cache: bool = True,
    year: int | None = None,
    apply_events: bool = True,
) -> Scenario:
    """Read, check and resolve a scenario file.

    Parameters
    ----------
    path : str or Path
        The TOML file; series are found relative to its folder.
    overrides : mapping of str to str, or sequence of str
        Changes as ``path: value`` or ``"path=value"``, e.g. ``site.california.battery.energy=100 MWh``.
    use_cache : bool
        Whether computed solar and wind profiles are kept on disk.
    year : int, optional
        Year to move the horizon, the jobs and the events to, with month, day and clock as they are written.
    apply_events : bool
        Whether the series hold the effects of the events, as planning needs them. A simulation takes them without
        and lets the events happen.

    Returns
    -------
    Scenario
        With warnings and notes in ``diagnostics`` and files, hashes and overrides in ``provenance``.

    Raises
    ------
    ScenarioError
        With every problem found, as ``Diagnostic`` objects in ``problems``.
    """
    document = parse_document(FilePath(path))
    pairs = override_pairs(overrides)
    _check_version(document)
    document.stop_on_errors()
    expand_rows(document)
    apply_overrides(document, pairs)
    if year is not None:
        move_to_year(document, year)
    fill_year(document)
    currency = _currency(document)
    root = Checker(document=document, currency=currency).table("scenario", document.data, ())
    if not root.items("site"):
        if "site" not in root.wrong:
            document.add("S003", ("site",), "the scenario has no site", help='add [[site]] with name = "..."')
        document.stop_on_errors()
    timeline = read_horizon(document, root["time"])
    if timeline is None:
        _check_without_horizon(document, root, currency)
    reader = SignalReader(document=document, timeline=timeline, currency=currency)
    parts = _parts(reader, root, use_cache=use_cache)
    _note_sources(document, reader.facts)
    document.stop_on_errors()
    scenario = Scenario(
        name=root["name"] or document.path.stem,
        currency=currency,
        timeline=timeline,
        diagnostics=tuple(document.diagnostics),
        provenance=_provenance(document, reader, pairs),
        **parts,
    )
    return disturbance.apply_events(scenario, scenario.events) if apply_events else scenario


def _check_without_horizon(document: Document, root: Table, currency: str) -> NoReturn:
    """Report what can be said about the rest of a scenario whose horizon is wrong.

    Raises
    ------
    ScenarioError
        Always.
    """
    before = len(document.diagnostics)
    any_day = Timeline(start=datetime(2022, 1, 1, tzinfo=UTC), step_s=86_400, steps=1)
    _parts(SignalReader(document=document, timeline=any_day, currency=currency), root, use_cache=False)
    document.diagnostics[before:] = [
        item
        for item in document.diagnostics[before:]
        if not item.code.startswith("T") or item.code in _CODES_OF_ANY_HORIZON
    ]
    document.stop_on_errors()
    raise ScenarioError("the scenario has no horizon")


def _parts(reader: SignalReader, root: Table, *, use_cache: bool) -> dict[str, Any]:
    """Everything that can be built, as arguments of the scenario; problems go to the document."""
    document, timeline = reader.document, reader.timeline
    tables = root.items("site")
    names = tuple(table.name for table in tables)
    events = read_events(document, root.items("event"), tables, timeline)
    here = {name: SiteEvents(events=tuple(e for e in events if e.site == name), timeline=timeline) for name in names}
    places = _places(reader, tables)
    sites = [
        read_site(
            reader,
            table,
            here[table.name],
            [fleet for site, fleet in places.fleets if site == table.name],
            use_cache=use_cache,
        )
        for table in tables
    ]
    policy = read_carbon(document, root["carbon"])
    if "carbon" not in root.wrong and not (root["carbon"] is not None and root["carbon"].wrong):
        check_deciding_series(document, policy, tables)
    regions = {table.name: read_region(document, table, names) for table in root.items("region")}
    jobs = _present(read_job(document, table, places, timeline) for table in root.items("training"))
    rounding_note(document, jobs, timeline)
    return {
        "sites": _present(sites),
        "links": _present(read_link(document, table, names) for table in root.items("link")),
        "regions": _present(regions.values()),
        "training": jobs,
        "inference": _present(read_service(reader, table, places, regions) for table in root.items("inference")),
        "events": tuple(events),
        "chances": tuple(read_chances(document, root.items("chance"), tables)),
        "carbon": policy,
    }


def _present(parts: Iterable[_Part | None]) -> tuple[_Part, ...]:
    return tuple(part for part in parts if part is not None)


def _places(reader: SignalReader, tables: Sequence[Table]) -> Places:
    """Fleets of all sites, built before anything that is placed on them is checked."""
    read = [(table.name, read_fleet(reader, item)) for table in tables for item in table.items("fleet")]
    complete = all(fleet is not None for _, fleet in read) and not any("fleet" in table.wrong for table in tables)
    return Places(
        sites=tuple(table.name for table in tables),
        fleets=tuple((site, fleet) for site, fleet in read if fleet is not None),
        complete=complete,
    )


def _check_version(document: Document) -> None:
    found = document.data.get("schema")
    if found == SCHEMA_VERSION:
        return
    if found is None:
        document.add("S005", (), "the file does not state its schema version", help=f'add schema = "{SCHEMA_VERSION}"')
        return
    message = f"schema {found!r} is not supported; this version reads {SCHEMA_VERSION!r}"
    help = did_you_mean(str(found), [SCHEMA_VERSION])
    newer = str(found).startswith("joulewright/scenario/")
    help = "install the version of joulewright that wrote it, or convert the file" if newer else help
    document.add("S005", ("schema",), message, help=help)


def _currency(document: Document) -> str:
    found = document.data.get("currency")
    if found is None:
        document.add("S011", (), "currency is not given; USD is taken", severity="note", help='add currency = "USD"')
        return "USD"
    if not isinstance(found, str) or currency_of(found) != found:
        help = 'use an ISO 4217 code such as currency = "USD" or "EUR"'
        document.add("S006", ("currency",), f"{found!r} is not a currency", help=help)
        return "USD"
    return found


def _note_sources(document: Document, facts: Sequence[Mapping[str, Any]]) -> None:
    """Pass on what a file says about itself, e.g. that it is synthetic, once for each file."""
    notes = {str(fact["file"]): str(fact["note"]) for fact in facts if fact["note"]}
    for file, note in notes.items():
        document.diagnostics.append(Diagnostic(code="D020", severity="note", message=note, file=file))


def _provenance(document: Document, reader: SignalReader, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "scenario": {"file": str(document.path), "sha256": document.sha256},
        "series": list(reader.facts),
        "tables": {".".join(map(str, path)): origin[0] for path, origin in document.origins.items()},
        "overrides": dict(pairs),
    }
