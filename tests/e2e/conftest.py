"""A small scenario, and ways to run ``jw`` on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from joulewright.cli.main import run

SMALL = """\
schema = "joulewright/scenario/1"
name = "two-sites"
currency = "USD"
[time]
start = 2022-07-04T00:00:00Z
end = 2022-07-05T00:00:00Z
step = "1 h"
[carbon]
decides = { kind = "average", scope = "direct" }
[[site]]
name = "west"
pue = 1.2
[site.grid]
import_limit = "12 MW"
export_limit = "5 MW"
price = { file = "series.csv", column = "west_usd_mwh" }
export_price = { factor = 0.5, offset = "-1 USD/MWh" }
carbon_intensity = { file = "series.csv", column = "west_g_kwh", kind = "average", scope = "direct" }
[[site.battery]]
name = "cells"
energy = "8 MWh"
power = "4 MW"
round_trip_efficiency = "90 %"
[[site.fleet]]
name = "pod"
accelerator = "H100-SXM"
count = 4096
[[site]]
name = "east"
pue = 1.1
[site.grid]
import_limit = "12 MW"
price = { file = "series.csv", column = "east_usd_mwh" }
carbon_intensity = { file = "series.csv", column = "east_g_kwh", kind = "average", scope = "direct" }
[[site.fleet]]
name = "pod"
accelerator = "H100-SXM"
count = 4096
[[link]]
between = ["west", "east"]
bandwidth = "100 Gbit/s"
[[region]]
name = "coast"
latency = { west = "9 ms", east = "41 ms" }
[[training]]
name = "tune"
gpus = 2048
duration = "5 h"
release = 2022-07-04T02:00:00Z
deadline = 2022-07-04T20:00:00Z
value = "50000 USD"
[[inference]]
name = "chat"
latency_limit = "60 ms"
throughput = "2400 token/s"
active_power = "640 W"
demand = { coast = "1e6 token/s" }
revenue = "0.4 USD/Mtoken"
unserved_penalty = "4 USD/Mtoken"
"""


def _series_text(hours: int = 24) -> str:
    """Prices and intensities of two sites: cheap nights in the west, cheap noons in the east."""
    rows = ["utc,west_usd_mwh,east_usd_mwh,west_g_kwh,east_g_kwh"]
    for hour in range(hours):
        night = hour % 24 < 8
        rows.append(
            f"2022-07-{4 + hour // 24:02d}T{hour % 24:02d}:00:00Z,{30 if night else 80},{70 if night else 35},"
            f"{250 + 5 * (hour % 24)},{420 - 5 * (hour % 24)}"
        )
    return "\n".join(rows) + "\n"


@dataclass(frozen=True)
class Outcome:
    """Exit status and both streams of one command."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        found = json.loads(self.stdout)
        assert isinstance(found, dict)
        assert found["schema_version"] == 1
        assert found["exit_code"] == self.status
        return found


Jw = Callable[..., Outcome]


@pytest.fixture
def jw(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Jw:
    """Run ``jw`` inside this process."""
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        streams = capsys.readouterr()
        return Outcome(status, streams.out, streams.err)

    return call


@pytest.fixture
def jw_process(tmp_path: Path) -> Jw:
    """Run ``jw`` as a process of its own in ``tmp_path``."""

    def call(*arguments: object, env: Mapping[str, str] | None = None, timeout_s: float = 120.0) -> Outcome:
        command: Sequence[str] = [sys.executable, "-m", "joulewright.cli.main", *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1", **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture(scope="session")
def small_text() -> str:
    """Text of the small scenario."""
    return SMALL


@pytest.fixture(scope="session")
def series_of() -> Callable[[int], str]:
    """Text of the small scenario's series for a number of hours."""
    return _series_text


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A two-site day with its series, as files."""
    (tmp_path / "series.csv").write_text(_series_text(), encoding="utf-8")
    path = tmp_path / "scenario.toml"
    path.write_text(SMALL, encoding="utf-8")
    return path


@pytest.fixture
def edited(small: Path) -> Callable[..., Path]:
    """The small scenario with pieces of its text replaced; every piece must be there."""

    def edit(*changes: tuple[str, str]) -> Path:
        text = small.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, f"the small scenario does not hold {old!r}"
            text = text.replace(old, new, 1)
        small.write_text(text, encoding="utf-8")
        return small

    return edit


@pytest.fixture(scope="module")
def browser(page_case: Any) -> Iterator[Any]:
    """A running Chromium."""
    with page_case.open_browser() as chromium:
        yield chromium


@pytest.fixture
def look_at(browser: Any, page_case: Any) -> Iterator[Any]:
    """Opens pages; they are closed and must have been quiet and offline at the end of the test."""
    opened: list[Any] = []

    def show(path: Path, **options: Any) -> Any:
        opened.append(page_case.Look(browser, path, **options))
        return opened[-1]

    yield show
    for page in opened:
        page.close()
        assert page.complaints == []
        assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []
