"""What must not be in the repository: paths of one machine, addresses of package hosts, broken references."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = re.compile(
    r"(^|[\s\"'`(=])/(?:root|work|farm|opt|mnt)/\w"
    r"|https?://[^\s\"']*(?:pypi\.org|pythonhosted\.org|/simple\b)"
    r"|https?://[^\s\"']+\.(?:whl|tgz|deb|tar\.gz)\b"
    r"|--(?:extra-)?index-url|--find-links",
    re.MULTILINE,
)
GENERATED = {".venv", ".git", "site", "demo", "dist", "build", "node_modules", "runs"}


def tracked_files() -> list[Path]:
    """Files that belong to the repository: what git lists, else what lies in the folder."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0 and done.stdout:
        return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not GENERATED & set(path.relative_to(ROOT).parts)]


def offences(text: str) -> list[str]:
    return [match.group(0).strip() for match in FORBIDDEN.finditer(text)]


def test_no_machine_paths_or_package_hosts() -> None:
    found = {}
    for path in tracked_files():
        if (
            path == Path(__file__).resolve()
            or path.suffix in {".png", ".gz", ".parquet"}
            or path.name.endswith(".min.js")
        ):
            continue
        hits = offences(path.read_text(encoding="utf-8", errors="replace"))
        if hits:
            found[str(path.relative_to(ROOT))] = hits[:3]
    assert found == {}


#: Put together here, so that the texts themselves do not stand in this file.
MACHINE = "/".join(["", "work", "main", "x.csv"])
ADDRESS = "https://a.example/c-1.0" + ".whl"


@pytest.mark.parametrize("text", [f'open("{MACHINE}")', "pip install --index" + "-url x", f"see {ADDRESS}"])
def test_the_pattern_finds_what_it_should(text: str) -> None:
    assert offences(text)


@pytest.mark.parametrize("text", ["https://example.org/docs", "kg/root of", f"runs{MACHINE}", "1/opt"])
def test_the_pattern_lets_the_rest_pass(text: str) -> None:
    assert not offences(text)


def test_constraints_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) > 20
    for pin in pins:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", pin), pin


def test_required_packages_are_constrained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += [item for item in extra if not item.startswith("joulewright")]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    names = {re.split(r"[\[<>=~! ]", item)[0].lower().replace("_", "-") for item in wanted}
    assert names <= pins


def test_declared_dependencies_are_the_ones_imported() -> None:
    """What the package imports is declared, and what is declared is imported."""
    names = {"tree-sitter": "tree_sitter", "tree-sitter-toml": "tree_sitter_toml"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = {re.split(r"[\[<>=~! ]", item)[0] for item in project["dependencies"]}
    extras = {"pvlib", "windpowerlib", "pandas", "pyarrow", "pypsa", "distributed", "py4j", "pyspark"}
    imported: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"joulewright"}
    assert foreign - extras <= {names.get(name, name) for name in core}
    # tzdata is data for zoneinfo on systems without a zone database; nothing imports it by name.
    assert {names.get(name, name) for name in core} - {"tzdata"} <= foreign


def test_markdown_links_lead_somewhere() -> None:
    broken = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        local = [target for target in targets if not target.startswith(("http:", "https:", "mailto:"))]
        broken += [f"{page.relative_to(ROOT)}: {item}" for item in local if not (page.parent / item).exists()]
    assert broken == []


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    listed = set(re.findall(r"[\w/.-]+\.md", navigation))
    assert pages == listed
