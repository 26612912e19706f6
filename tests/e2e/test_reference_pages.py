"""Generated documentation is up to date, and every diagnostic code has a page."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from joulewright.cli.explain import code_pages

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "joulewright"


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_reference", ROOT / "scripts" / "write_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["scenario-file.md", "command-line.md", "diagnostics.md"])
def test_generated_pages_are_current(page: str, writer: ModuleType) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert text == writer.updated(page), "run: python scripts/write_reference.py"


def used_codes() -> set[str]:
    """Codes that the sources mention as strings, and those of the table of fields."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        found |= set(re.findall(r'"([SUTPDCX]\d{3})"', path.read_text(encoding="utf-8")))
    fields = (SOURCE / "io" / "scenario_file" / "fields.csv").read_text(encoding="utf-8")
    return found | set(re.findall(r",([SUTPDCX]\d{3}),", fields))


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    pages = set(code_pages())
    assert used_codes() - pages == set()
    assert pages - used_codes() == set()


def test_pages_are_complete() -> None:
    for code, page in code_pages().items():
        assert set(page) == {"title", "meaning", "help"}, code
        assert page["meaning"].strip().endswith("."), code
        assert page["help"].strip().endswith("."), code


def test_explain_prints_a_page(jw) -> None:
    outcome = jw("explain", "u003")
    assert outcome.status == 0
    assert outcome.stdout.startswith("U003: ")
    assert "Way out:" in outcome.stdout
    assert jw("explain", "U003", "--json").document["code"] == "U003"


def test_explain_of_an_unknown_code(jw) -> None:
    outcome = jw("explain", "U999")
    assert outcome.status == 2
    assert "U0" in outcome.stderr


def test_shipped_data_is_listed(jw) -> None:
    document = jw("data", "describe", "--json").document
    listed = {row["path"] for row in document["shipped"]["resources"]} | {"datapackage.json"}
    listed |= {f"templates/{name}.toml" for name in document["templates"]}
    assert document["shipped"]["licenses"]
    present = {
        str(path.relative_to(SOURCE / "data"))
        for path in (SOURCE / "data").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert present == listed


def test_navigation_is_the_whole_of_diagnostics_toml() -> None:
    assert tomllib.loads((SOURCE / "cli" / "diagnostics.toml").read_text(encoding="utf-8")) == code_pages()
