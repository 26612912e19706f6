"""What the command line imports, and how much CPU time it takes to start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "pandas",
    "xarray",
    "scipy",
    "highspy",
    "numba",
    "plotly",
    "pypsa",
    "linopy",
    "pvlib",
    "windpowerlib",
    "distributed",
}
LIGHT_ONLY = HEAVY | {"numpy", "polars", "pydantic", "rich"}
RUN = "import sys; from joulewright.cli.main import run; status = run({arguments!r})"


def imported_by(code: str, cwd: Path) -> set[str]:
    """Top-level modules in ``sys.modules`` after ``code`` ran in a process of its own."""
    listing = "; print(); print('MODULES', *{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code + listing], cwd=cwd, capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_import_of_the_package_is_light(tmp_path: Path) -> None:
    loaded = imported_by("import sys, joulewright", tmp_path)
    assert "joulewright" in loaded
    assert not loaded & (LIGHT_ONLY | {"click"})


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["plan", "--help"], ["simulate", "--help"], ["explain", "U003"], ["nonsense"]],
)
def test_help_is_light(arguments: list[str], tmp_path: Path) -> None:
    loaded = imported_by(RUN.format(arguments=arguments), tmp_path)
    assert "click" in loaded
    assert not loaded & LIGHT_ONLY


def test_check_does_not_load_the_solver(small: Path, tmp_path: Path) -> None:
    loaded = imported_by(RUN.format(arguments=["check", str(small)]), tmp_path)
    assert "numpy" in loaded
    assert not loaded & HEAVY


def test_check_of_a_template_does_not_load_the_solver(tmp_path: Path, jw) -> None:
    assert jw("init", tmp_path / "week").status == 0
    loaded = imported_by(RUN.format(arguments=["check", "week/scenario.toml"]), tmp_path)
    assert not loaded & HEAVY
