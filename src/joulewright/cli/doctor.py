"""``jw doctor``: whether this installation can do its work."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from joulewright.cli.exit_codes import ExitCode
from joulewright.cli.options import common
from joulewright.cli.output import current

_CORE = ("numpy", "scipy", "polars", "highspy", "click", "rich", "tree-sitter", "tree-sitter-toml")
_EXTRAS = {
    "pvlib": "solar",
    "windpowerlib": "wind",
    "nrel-pysam": "sam",
    "pandas": "pandas",
    "pypsa": "pypsa",
    "distributed": "dask",
    "linopy": "bench",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; ``ok`` is None where it is optional and absent."""

    name: str
    ok: bool | None
    detail: str


@click.command(name="doctor")
@common
def command() -> int:
    """Check the installation: versions, solver, extras, cores, cache, writes."""
    output = current()
    findings = list(examine())
    for finding in findings:
        mark = {True: "ok", False: "FAILED", None: "absent"}[finding.ok]
        output.data(f"{mark:7s} {finding.name:18s} {finding.detail}")
    healthy = all(finding.ok is not False for finding in findings)
    if not healthy:
        output.say("something the program needs does not work; see the lines marked FAILED")
    code = ExitCode.OK if healthy else ExitCode.UNAVAILABLE
    return output.document({"healthy": healthy, "findings": [asdict(finding) for finding in findings]}, code)


def examine() -> Iterator[Finding]:
    """Look at everything ``jw`` needs, required parts first."""
    yield Finding("joulewright", True, version("joulewright"))
    yield Finding("python", sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.system()}")
    for name in _CORE:
        yield _package(name, extra=None)
    yield _tried("solver", _solve)
    yield _tried("writes", _write)
    yield _tried("cache", _cache)
    yield Finding("cores", True, f"{_cores()} available")
    for name, extra in _EXTRAS.items():
        yield _package(name, extra=extra)


def _package(name: str, *, extra: str | None) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        if extra is None:
            return Finding(name, False, "not installed")
        return Finding(name, None, f"optional: pip install 'joulewright[{extra}]'")


def _tried(name: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, attempt())
    except (OSError, ImportError, RuntimeError) as error:
        return Finding(name, False, str(error))


def _solve() -> str:
    """Solve max x, x <= 3 to see that the solver library loads and works."""
    import highspy

    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.addVar(0.0, 3.0)
    solver.changeColCost(0, -1.0)
    solver.run()
    value = solver.getInfo().objective_function_value
    if value != -3.0:
        raise RuntimeError(f"HiGHS {solver.version()} found {value} for a problem whose answer is -3")
    return f"HiGHS {solver.version()} solves"


def _write() -> str:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "probe").write_text("probe", encoding="utf-8")
        return f"temporary files go to {Path(folder).parent}"


def _cache() -> str:
    from joulewright.io.profile_cache import cache_folder

    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise OSError(f"no permission to write in {folder}")
    return str(folder)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
