"""The cache on disk of the compiled loop notices a change in any file that it is made of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from joulewright.policy.dag import rules
from joulewright.sim.compiler import source_stamp
from joulewright.sim.processes.dag import kernels
from joulewright.sim.processes.dag.kernels import events, executors, frontier, loop, offers, outages, schedulers

LOOP = """
from pathlib import Path
from helper import helper
from joulewright.sim.compiler import kept, source_stamp

def _stamped(stamp):
    @kept
    def entry(values):
        values[0] = stamp
        return helper(values)
    return entry

entry = _stamped(source_stamp(Path(__file__).parent))

if __name__ == "__main__":
    import logging
    import numpy as np
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    print(entry(np.zeros(2, dtype=np.int64)), sum(entry.stats.cache_hits.values()))
"""
HELPER = """
from joulewright.sim.compiler import compiled

@compiled
def helper(values):
    return {}
"""


def run(folder: Path) -> list[str]:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    found = subprocess.run(
        [sys.executable, str(folder / "entry.py")], env=environment, capture_output=True, text=True, check=True
    )
    words = found.stdout.split()
    said = [line for line in found.stderr.splitlines() if "compiling" in line]
    # Only what is not on disk is announced, and only the loop, not what it calls.
    assert said == ["compiling entry: some 15 to 30 seconds, once per machine and version"] * (words[1] == "0")
    return words


def test_a_changed_helper_compiles_the_loop_again(tmp_path: Path) -> None:
    (tmp_path / "entry.py").write_text(LOOP, encoding="utf-8")
    (tmp_path / "helper.py").write_text(HELPER.format(7), encoding="utf-8")
    assert run(tmp_path) == ["7", "0"]
    assert run(tmp_path) == ["7", "1"]
    (tmp_path / "helper.py").write_text(HELPER.format(8), encoding="utf-8")
    assert run(tmp_path) == ["8", "0"]


def test_the_stamp_changes_with_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1", encoding="utf-8")
    first = source_stamp(tmp_path)
    assert 0 <= first < 1 << 62
    assert source_stamp(tmp_path) == first
    (tmp_path / "b.py").write_text("", encoding="utf-8")
    second = source_stamp(tmp_path)
    (tmp_path / "a.py").write_text("x = 2", encoding="utf-8")
    assert len({first, second, source_stamp(tmp_path)}) == 3
    assert source_stamp(tmp_path / "a.py") != source_stamp(tmp_path / "b.py")


def test_the_loop_encloses_the_stamp_of_all_its_files_and_only_the_loop_is_kept() -> None:
    here = Path(loop.__file__).parent
    stamp = source_stamp(here, here.parent, Path(rules.__file__))
    closure = kernels.dag_kernel.py_func.__closure__  # type: ignore[attr-defined]
    assert [cell.cell_contents for cell in closure] == [stamp]
    compiled = [
        value
        for module in (events, executors, frontier, loop, offers, outages, schedulers)
        for value in vars(module).values()
        if hasattr(value, "py_func")
    ]
    kept = {value.py_func.__name__ for value in compiled if value.stats.cache_path is not None}
    assert len(compiled) > 30
    assert kept == {"dag_kernel"}
    # Whatever is compiled in comes from the folders that the stamp covers.
    files = {Path(value.py_func.__code__.co_filename).parent for value in compiled}
    assert files == {here}
