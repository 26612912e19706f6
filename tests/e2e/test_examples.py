"""The example scripts run and say what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EXPECTED = {
    "dag_schedulers.py": ["fifo", "above the bound", "shift", "times as long"],
    "llm_serving.py": ["J per output token", "expected error", "best over a day", "kg embodied"],
    "scenario_in_python.py": ["tune starts at", "import", "USD"],
    "which_policy.py": ["grid-first", "carbon", "less grid-first", "95 %"],
    "what_is_a_battery_worth.py": ["everything", "without battery", "without generation", "gap"],
}


ELSEWHERE = {"spark_carbon.py": "test_spark_run.py"}


def test_every_example_is_expected() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(EXPECTED) | set(ELSEWHERE)
    assert all((Path(__file__).parent / name).exists() for name in ELSEWHERE.values())


@pytest.mark.parametrize("name", EXPECTED)
def test_example(name: str, small: Path, tmp_path: Path) -> None:
    arguments = [str(small)] if name == "what_is_a_battery_worth.py" else []
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for words in EXPECTED[name]:
        assert words in done.stdout
