"""Where the numbers come from: input files, hashes, versions, seed, licences, and what is synthetic or estimated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from joulewright.model import Scenario, Timeline
from joulewright.report.clock import span_text
from joulewright.report.document import licences
from joulewright.report.markup import Child, Markup, details, element, table
from joulewright.report.numbers import number, percent, plural, whole
from joulewright.report.view import ReportView

_SYNTHETIC = "synthetic"
_FACTS = (
    ("Policy", "policy"),
    ("Seed", "seed"),
    ("Written", "written"),
    ("Platform", "platform"),
    ("Schema", "schema_version"),
)


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One input file.

    Attributes
    ----------
    path, sha256, note : str
        Name, hash and what the file says about itself (source, licence, how it was made).
    columns : tuple of str
        Columns in use.
    rows, interpolated : int
        Rows of the file, and values filled in over all columns because the file lacks them.
    """

    path: str
    sha256: str = ""
    columns: tuple[str, ...] = ()
    rows: int = 0
    interpolated: int = 0
    note: str = ""

    @property
    def synthetic(self) -> bool:
        """True when the file says that it was generated."""
        return _SYNTHETIC in self.note.lower()


def data_files(scenario: Scenario) -> tuple[DataFile, ...]:
    """Series files of the scenario, each once, in the order in which they were read."""
    return files_of(scenario.provenance)


def files_of(provenance: Mapping[str, Any]) -> tuple[DataFile, ...]:
    """Series files of a scenario's provenance, each once.

    ``provenance["series"]`` lists one record for each column that was read, with ``file``, ``column``, ``sha256``,
    ``rows``, ``interpolated`` and ``note``.
    """
    found: dict[str, DataFile] = {}
    for record in provenance.get("series", ()):
        path, column = str(record.get("file", "unnamed")), str(record.get("column") or "")
        known = found.get(path, DataFile(path=path))
        found[path] = DataFile(
            path=path,
            sha256=str(record.get("sha256") or known.sha256),
            columns=tuple(dict.fromkeys((*known.columns, *([column] if column else ())))),
            rows=int(record.get("rows") or known.rows),
            interpolated=known.interpolated + int(record.get("interpolated") or 0),
            note=str(record.get("note") or known.note),
        )
    return tuple(found.values())


def is_synthetic(scenario: Scenario) -> bool:
    """Whether any input of the scenario says that it was generated."""
    if any(file.synthetic for file in data_files(scenario)):
        return True
    sources = (s.source for site in scenario.sites if site.grid is not None for s in site.grid.carbon_intensities)
    return any(_SYNTHETIC in source.lower() for source in sources)


def estimated_fraction(scenario: Scenario) -> float:
    """Mean share of estimated or interpolated values in the carbon series that drive decisions."""
    series = [found for site in scenario.sites if (found := scenario.deciding_intensity(site)) is not None]
    return sum(item.estimated_fraction for item in series) / len(series) if series else 0.0


def sources_section(view: ReportView) -> list[Markup]:
    """Run facts, input files, carbon series and third-party notices."""
    parts = [fact_list([*_own_facts(view), *run_facts(view.document, view.scenario.provenance)])]
    parts += [part for part in (file_table(view.scenario.provenance), _series_table(view)) if part is not None]
    return [*parts, licence_notice()]


def fact_list(facts: Iterable[tuple[str, Child]]) -> Markup:
    """Names and what they stand for, in two columns."""
    return element("dl", [[element("dt", name), element("dd", text)] for name, text in facts], class_="facts")


def licence_notice() -> Markup:
    """Notices of the software inside the page, opened on demand."""
    return details("Software inside this page: Apache ECharts and its licences", element("pre", licences()))


def horizon_text(timeline: Timeline) -> str:
    """First and last instant and the steps."""
    steps = f"{whole(timeline.steps)} steps of {span_text(timeline.step_h)}"
    return f"{timeline.start:%Y-%m-%d %H:%M} to {timeline.end:%Y-%m-%d %H:%M} UTC, {steps}"


def _own_facts(view: ReportView) -> Iterator[tuple[str, Child]]:
    yield "Scenario", view.scenario.name
    yield "Horizon", horizon_text(view.scenario.timeline)
    result = view.result
    if result is not None:
        yield "Strategy", f"{result.strategy}, seed {result.seed}, {plural(result.threads, 'thread')}"
        yield "Solver", str(result.solver)
        yield "Effort", f"{number(result.seconds)} s, {number(result.cpu_s)} CPU s"


def run_facts(document: Mapping[str, Any], provenance: Mapping[str, Any]) -> Iterator[tuple[str, Child]]:
    """What a run document and the provenance of its scenario say about how the run was made."""
    overrides = provenance.get("overrides")
    if overrides:
        yield "Changed with --set", element("code", ", ".join(f"{key}={value}" for key, value in overrides.items()))
    command = document.get("command")
    if command:
        yield "Command", element("code", command if isinstance(command, str) else " ".join(map(str, command)))
    for title, key in _FACTS:
        if document.get(key) is not None:
            yield title, str(document[key])
    versions = document.get("versions")
    if isinstance(versions, Mapping):
        yield "Versions", ", ".join(f"{name} {version}" for name, version in versions.items())


def file_table(provenance: Mapping[str, Any]) -> Markup | None:
    """The scenario file and its series files, with what they say about themselves; None without any."""
    origin = provenance.get("scenario")
    files = list(files_of(provenance))
    if isinstance(origin, Mapping) and origin.get("file"):
        files.insert(0, DataFile(path=str(origin["file"]), sha256=str(origin.get("sha256") or ""), note="the scenario"))
    if not files:
        return None
    rows: list[list[Child]] = [
        [
            [file.path, element("small", ", ".join(file.columns)) if file.columns else None],
            [element("span", _SYNTHETIC, class_="badge warn"), " "] if file.synthetic else "",
            file.note,
            element("code", file.sha256, class_="hash"),
            whole(file.rows) if file.rows else "",
            whole(file.interpolated) if file.rows else "",
        ]
        for file in files
    ]
    header = ["File and columns", "Kind", "What it says about itself", "SHA-256", "Rows", "Filled in"]
    return table("Input files", header, rows, text=range(4))


def _series_table(view: ReportView) -> Markup | None:
    rows = [
        [
            site.name,
            series.kind,
            series.scope,
            series.source or "not named",
            percent(series.estimated_fraction),
            number(float(series.kg_per_mwh.mean())),
        ]
        for site in view.sites
        if site.site.grid is not None
        for series in site.site.grid.carbon_intensities
    ]
    if not rows:
        return None
    header = ["Site", "Kind", "Scope", "Source", "Estimated", "Mean [kg/MWh]"]
    return table("Carbon-intensity series", header, rows, text=range(4))
