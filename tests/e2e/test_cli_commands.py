"""Commands that solve nothing: init, check, schema, data describe, doctor; and rules that hold for all."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from joulewright.cli.init import TEMPLATES
from joulewright.io.templates import TEMPLATES as SHIPPED


def test_templates_are_those_shipped() -> None:
    assert list(TEMPLATES) == list(SHIPPED)


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_passes_a_strict_check(template: str, jw, tmp_path: Path) -> None:
    assert jw("init", tmp_path, "--template", template).status == 0
    outcome = jw("check", tmp_path / "scenario.toml", "--strict", "--json")
    assert outcome.status == 0, outcome.stderr
    document = outcome.document
    assert document["scenario"]["counts"]["sites"] >= 1
    assert any("synthetic" in finding["message"] for finding in document["diagnostics"])


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_next_command_is_that_of_the_head_of_the_scenario(template: str, jw, tmp_path: Path) -> None:
    folder = tmp_path / "my week"
    said = jw("init", folder, "--template", template).stderr
    (following,) = [line.removeprefix("next: ") for line in said.splitlines() if line.startswith("next: ")]
    head = (folder / "scenario.toml").read_text(encoding="utf-8").partition("schema =")[0]
    first = next(line for line in head.splitlines() if "jw plan" in line)
    wanted = re.split(r" {2,}", first[first.index("jw plan") :].strip())[0].split()
    assert shlex.split(following) == [
        str(folder / word) if word in ("scenario.toml", "run") else word for word in wanted
    ]


def test_init_does_not_overwrite(jw, tmp_path: Path) -> None:
    assert jw("init", tmp_path).status == 0
    (tmp_path / "scenario.toml").write_text("mine")
    outcome = jw("init", tmp_path, "--json")
    assert outcome.status == 6
    assert "--force" in outcome.document["error"]["message"]
    assert (tmp_path / "scenario.toml").read_text() == "mine"
    assert jw("init", tmp_path, "--force").status == 0
    assert (tmp_path / "scenario.toml").read_text() != "mine"


def test_init_below_a_file(jw, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert jw("init", tmp_path / "file" / "week").status == 6


def test_init_is_reproducible(jw, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert jw("init", tmp_path / name).status == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_check_counts_what_it_found(small: Path, jw) -> None:
    outcome = jw("check", small, "--json")
    assert outcome.status == 0
    counts = outcome.document["scenario"]["counts"]
    assert (counts["sites"], counts["training jobs"], counts["steps"], counts["warnings"]) == (2, 1, 24, 0)
    assert counts["notes"] == len([item for item in outcome.document["diagnostics"] if item["severity"] == "note"])


def test_notes_are_shown_only_when_asked_for(small: Path, jw) -> None:
    assert "note[" not in jw("check", small).stderr
    assert "note[" in jw("check", small, "-v").stderr


def test_schema_is_a_json_schema(jw) -> None:
    schema = json.loads(jw("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"time", "site", "training"} <= set(schema["properties"])
    assert jw("schema", "--json").document["schema"] == schema


def test_describe_a_series(small: Path, jw) -> None:
    outcome = jw("data", "describe", small.parent / "series.csv", "--json")
    assert outcome.status == 0, outcome.stderr
    facts = outcome.document["series"]
    assert (facts["rows"], facts["time"]["step"], facts["time"]["missing_rows"]) == (24, "1 h", 0)
    columns = {column["name"]: column for column in facts["columns"]}
    assert columns["west_usd_mwh"]["unit"] == "USD/MWh"
    assert (columns["west_usd_mwh"]["minimum"], columns["west_usd_mwh"]["maximum"]) == (30.0, 80.0)
    assert columns["west_usd_mwh"]["mean"] == pytest.approx((8 * 30 + 16 * 80) / 24)
    assert "west_usd_mwh" in jw("data", "describe", small.parent / "series.csv").stdout


def test_describe_finds_gaps_and_text(jw, tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("utc,load_mw,comment\n2022-01-01T00:00Z,1,a\n2022-01-01T01:00Z,,b\n2022-01-01T03:00Z,3,c\n")
    facts = jw("data", "describe", path, "--json").document["series"]
    assert facts["time"]["missing_rows"] == 1
    assert facts["columns"][0]["missing"] == 1
    assert facts["text_columns"] == ["comment"]


def test_describe_a_table_without_time(jw, tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text("name,gpus\na,8\nb,16\n")
    outcome = jw("data", "describe", tmp_path / "jobs.csv")
    assert outcome.status == 0
    assert "no time axis" in outcome.stdout


def test_describe_an_empty_or_missing_file(jw, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    assert jw("data", "describe", tmp_path / "empty.csv").status == 3
    outcome = jw("data", "describe", tmp_path / "none.csv")
    assert outcome.status == 3
    assert "empty.csv" in outcome.stderr
    assert jw("data", "describe", tmp_path).status == 6


def test_describe_a_scenario(small: Path, jw) -> None:
    outcome = jw("data", "describe", small, "--json")
    assert outcome.status == 0
    assert {item["column"] for item in outcome.document["series"]} >= {"west_usd_mwh", "east_g_kwh"}


def test_doctor(jw) -> None:
    outcome = jw("doctor", "--json")
    assert outcome.status == 0, outcome.stderr
    findings = {item["name"]: item for item in outcome.document["findings"]}
    assert findings["solver"]["ok"] is True
    assert findings["cores"]["ok"] is True
    assert "HiGHS" in jw("doctor").stdout


def test_doctor_says_what_does_not_work(jw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JOULEWRIGHT_CACHE", str(tmp_path / "file" / "cache"))
    outcome = jw("doctor")
    assert outcome.status == 6
    assert "FAILED  cache" in outcome.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "SMALL", "--json"],
        ["check", "none.toml", "--json"],
        ["check", "--json"],
        ["schema", "--json"],
        ["explain", "U001", "--json"],
        ["data", "describe", "--json"],
        ["nonsense", "--json"],
        ["compare", "--json"],
        ["init", "--template", "none", "--json"],
    ],
    ids=" ".join,
)
def test_json_prints_exactly_one_document(arguments: list[str], small: Path, jw) -> None:
    outcome = jw(*(str(small) if item == "SMALL" else item for item in arguments))
    document = outcome.document
    assert (outcome.status == 0) == ("error" not in document)
    if outcome.status:
        assert set(document["error"]) == {"code", "message", "next"}


def test_version_and_help(jw) -> None:
    assert jw("--version").stdout.startswith("joulewright ")
    assert "Exit codes" in jw("--help").stdout
    assert jw().status == 2
    assert jw("plan", "-h").status == 0


def test_a_misspelt_command_gets_a_hint(jw) -> None:
    outcome = jw("chek")
    assert outcome.status == 2
    assert "did you mean 'check'" in outcome.stderr


def test_an_internal_error_is_short_and_exit_1(jw_process, small: Path, tmp_path: Path) -> None:
    """A defect that nobody foresaw, put in by a module that Python imports at its start."""
    (tmp_path / "sitecustomize.py").write_text(
        "import joulewright.io.scenario_file.reading as r\n"
        "def read_scenario(*a, **k): raise ZeroDivisionError('broken')\n"
        "import joulewright.io.scenario_file as s\ns.read_scenario = read_scenario\n"
    )
    broken = {"PYTHONPATH": str(tmp_path)}
    outcome = jw_process("check", small, "--json", env=broken)
    assert outcome.status == 1
    assert outcome.document["error"]["code"] == "internal"
    assert "Traceback" not in outcome.stderr
    assert "Traceback" in jw_process("check", small, "-v", env=broken).stderr
