"""How much CPU time the command line takes to start."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.registry import Measurement, case

_HELP = "from joulewright.cli.main import main; import sys; sys.argv = ['jw', '--help']; main()"
_CHECK = "from joulewright.cli.main import main; import sys; sys.argv = ['jw', 'check', sys.argv[1]]; main()"


@case("cli-start", "CPU time of jw --help, jw check on a three-site week, and import joulewright")
def measure(smoke: bool) -> Measurement:
    """Take the least CPU time of several fresh processes, as other load can only add to it."""
    repeats = 2 if smoke else 9
    with tempfile.TemporaryDirectory() as folder:
        _process([sys.executable, "-c", "from joulewright.cli.main import run; run(['init', 'week'])"], folder)
        commands = {
            "help_cpu_s": ["-c", _HELP],
            "check_cpu_s": ["-c", _CHECK, "week/scenario.toml"],
            "import_cpu_s": ["-c", "import joulewright"],
            "python_cpu_s": ["-c", "pass"],
        }
        figures = {
            name: min(_process([sys.executable, *arguments], folder) for _ in range(repeats + 1))
            for name, arguments in commands.items()
        }
    # What importing the package adds to the interpreter itself.
    figures["import_cpu_s"] = max(0.0, figures["import_cpu_s"] - figures["python_cpu_s"])
    return Measurement(figures=figures, conditions={"repeats": repeats, "template": "three-sites"})


def _process(command: Sequence[str], folder: str) -> float:
    """User and system CPU time of a process that must succeed [s]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=Path(folder), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
