"""The registry of benchmark cases."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import registry

    monkeypatch.setattr(registry, "_CASES", {})
    return registry


def test_two_cases_of_one_name_are_refused(registry) -> None:
    @registry.case("twice", "first")
    def first(smoke: bool):
        return registry.Measurement(figures={"seconds_s": 1.0})

    with pytest.raises(ValueError, match="'twice'"):
        registry.case("twice", "second")(first)


def test_the_document_has_the_four_members(registry) -> None:
    @registry.case("tiny", "returns what it is told")
    def tiny(smoke: bool):
        return registry.Measurement(figures={"size_mw": 2.0 if smoke else 4.0}, ratios={"vs_peer": 3.0})

    found = registry.document(registry._CASES["tiny"], smoke=True)
    assert set(found) == {"name", "figures", "ratios", "conditions"}
    assert found["figures"] == {"size_mw": 2.0}
    assert found["ratios"] == {"vs_peer": 3.0}
    assert found["conditions"]["smoke"] is True


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_list_names_the_cases_of_the_folder() -> None:
    listed = benchmarks("list").stdout.split()
    files = sorted((ROOT / "benchmarks").glob("case_*.py"))
    assert len(listed) == len(files)
    assert {"cli-start"} <= set(listed)


def test_unknown_case_is_a_usage_error() -> None:
    done = benchmarks("run", "nope")
    assert done.returncode == 2
    assert "cli-start" in done.stderr


def test_cli_start_prints_one_document_within_its_budgets() -> None:
    done = benchmarks("run", "cli-start", "--smoke", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["figures"]
    assert 0.0 < figures["help_cpu_s"] < 1.0
    assert 0.0 <= figures["import_cpu_s"] < 0.5
    assert 0.0 < figures["check_cpu_s"] < 5.0
