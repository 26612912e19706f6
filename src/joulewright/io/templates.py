"""Scenarios to start from: a commented file and its synthetic series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np

from joulewright.data.synthetic import synthetic_series
from joulewright.errors import DataError
from joulewright.model import Timeline
from joulewright.model.timeline import FloatArray

SCENARIO_FILE = "scenario.toml"
SEED = 7
"""Of all series; with it prices of every template lie near their climatological level."""

_DECIMALS = {"price_usd_mwh": 2, "cloud_pct": 0}


@dataclass(frozen=True, kw_only=True)
class _Demand:
    """Inference demand of one column: the usual weekday peak [token/s], and whether only office hours are busy."""

    peak_token_s: float
    time_zone: str
    office: bool = False


@dataclass(frozen=True, kw_only=True)
class _Template:
    """What a template consists of besides its scenario file.

    Attributes
    ----------
    text : str
        One line for lists.
    start, hours : str, int
        First instant of the series and their length [h].
    zones : mapping of str to str
        File name of a site's series -> grid zone whose climatology they have.
    demand : mapping of str to _Demand
        Columns of ``demand.csv``.
    """

    text: str
    start: str
    hours: int
    zones: Mapping[str, str]
    demand: Mapping[str, _Demand]


_WEST, _CENTRAL, _EAST = "America/Los_Angeles", "America/Chicago", "America/New_York"
_TEMPLATES: Mapping[str, _Template] = {
    "three-sites": _Template(
        text="a July week of three sites in California, Texas and Virginia, with training and inference",
        start="2022-07-04T00:00:00+00:00",
        hours=168,
        zones={"california": "US-CAL-CISO", "texas": "US-TEX-ERCO", "virginia": "US-MIDA-PJM"},
        demand={
            "chat_west_token_s": _Demand(peak_token_s=1.9e6, time_zone=_WEST),
            "chat_central_token_s": _Demand(peak_token_s=1.3e6, time_zone=_CENTRAL),
            "chat_east_token_s": _Demand(peak_token_s=2.6e6, time_zone=_EAST),
            "code_west_token_s": _Demand(peak_token_s=0.6e6, time_zone=_WEST, office=True),
            "code_central_token_s": _Demand(peak_token_s=0.3e6, time_zone=_CENTRAL, office=True),
            "code_east_token_s": _Demand(peak_token_s=0.7e6, time_zone=_EAST, office=True),
        },
    ),
    "microgrid-year": _Template(
        text="a year of one site with solar, wind, a battery and a gas engine",
        start="2022-01-01T06:00:00+00:00",
        hours=8760,
        zones={"panhandle": "US-TEX-ERCO"},
        demand={"assistant_token_s": _Demand(peak_token_s=0.9e6, time_zone=_CENTRAL)},
    ),
    "flexible-interconnection": _Template(
        text="a month of one site whose grid connection is partly interruptible",
        start="2022-08-01T04:00:00+00:00",
        hours=744,
        zones={"ashburn": "US-MIDA-PJM"},
        demand={"assistant_token_s": _Demand(peak_token_s=3.0e6, time_zone=_EAST)},
    ),
}

TEMPLATES: Mapping[str, str] = MappingProxyType({name: template.text for name, template in _TEMPLATES.items()})
"""Names of the templates with one line each; the first is the default."""


def write_template(name: str, directory: str | Path, *, force: bool = False) -> list[Path]:
    """Write the scenario file of a template and its series into a directory, which is made if absent.

    Parameters
    ----------
    name : str
        Key of :data:`TEMPLATES`.
    directory : str or Path
        Where to write.
    force : bool
        Whether files that are already there are replaced.

    Returns
    -------
    list of Path
        The files written, the scenario file first.

    Raises
    ------
    DataError
        If the template is unknown, a file is already there, or the directory cannot be written.

    Notes
    -----
    The series are synthetic: seeded, with the statistics of a zone's climatology of 2022. Every CSV file says so in
    its first line. Demand follows an assumed daily and weekly shape.
    """
    if name not in _TEMPLATES:
        raise DataError(f"there is no template {name!r}; there are {', '.join(TEMPLATES)}")
    folder = Path(directory)
    contents = dict(_contents(name, _TEMPLATES[name]))
    present = [file for file in contents if (folder / file).exists()]
    if present and not force:
        raise DataError(
            f"{folder} already holds {', '.join(present)}; choose another directory, or replace them with --force"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in contents.items():
            (folder / file).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror or error}; choose another directory") from error
    return [folder / file for file in contents]


def _contents(name: str, template: _Template) -> Iterator[tuple[str, str]]:
    """File names and texts of a template."""
    yield SCENARIO_FILE, resources.files("joulewright.data").joinpath(f"templates/{name}.toml").read_text("utf-8")
    timeline = Timeline(start=datetime.fromisoformat(template.start), step_s=3600, steps=template.hours)
    for file, zone in template.zones.items():
        note = f"calibrated on the 2022 climatology of {zone}"
        yield f"{file}.csv", _csv(note, timeline, synthetic_series(zone, timeline, SEED))
    random = np.random.default_rng(SEED)
    demand = {column: _demand(shape, timeline, random) for column, shape in template.demand.items()}
    yield "demand.csv", _csv("assumed daily and weekly shape", timeline, demand)


def _csv(note: str, timeline: Timeline, columns: Mapping[str, FloatArray]) -> str:
    texts = [[f"{value:.{_decimals(name)}f}" for value in values] for name, values in columns.items()]
    stamps = [f"{timeline.at(step):%Y-%m-%dT%H:%MZ}" for step in range(timeline.steps)]
    rows = "\n".join(",".join(row) for row in zip(stamps, *texts, strict=True))
    return f"# synthetic, seed {SEED}, {note}: not a measurement\n{','.join(('utc_start', *columns))}\n{rows}\n"


def _decimals(column: str) -> int:
    return 0 if column.endswith("token_s") else _DECIMALS.get(column, 1)


def _demand(shape: _Demand, timeline: Timeline, random: np.random.Generator) -> FloatArray:
    """Demand [token/s] with a daily bell around the early afternoon, quieter weekends and a little noise."""
    local = [
        timeline.at(step).astimezone(ZoneInfo(shape.time_zone)) + timedelta(minutes=30)
        for step in range(timeline.steps)
    ]
    hour = np.array([instant.hour + instant.minute / 60.0 for instant in local])
    weekend = np.array([instant.weekday() >= 5 for instant in local])
    bell = (0.5 + 0.5 * np.cos((hour - 14.0) * np.pi / 12.0)) ** (2.5 if shape.office else 1.3)
    night, rest = (0.08, 0.35) if shape.office else (0.35, 0.8)
    noise = np.exp(0.04 * random.standard_normal(timeline.steps))
    demand: FloatArray = shape.peak_token_s * (night + (1.0 - night) * bell) * np.where(weekend, rest, 1.0) * noise
    return demand
