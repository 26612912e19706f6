"""Every code block of the README and the documentation is executed.

A page runs in a folder of its own, its blocks in order. ``bash`` blocks run with ``jw`` on the path, ``python``
blocks share one namespace, ``toml`` and ``json`` blocks must parse, and ``text`` blocks are shown only. The info
string may say which exit status a ``bash`` block must end with: ``bash exit=4``. A page that begins with
``<!-- starts from PAGE -->`` gets the files that the blocks of that page left behind.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {"bash", "python", "toml", "json", "text"}
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
_ORIGIN = re.compile(r"<!-- starts from (\S+) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block: language, wanted exit status, code and line of its fence."""

    language: str
    status: int
    code: str
    line: int


def blocks(text: str) -> list[Block]:
    found = []
    for match in _FENCE.finditer(text):
        words = match[1].split() or [""]
        status = next((int(word[5:]) for word in words[1:] if word.startswith("exit=")), 0)
        found.append(Block(words[0], status, match[2], text.count("\n", 0, match.start()) + 1))
    return found


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Run a page once and return the folder it worked in."""
    base = tmp_path_factory.mktemp("docs")
    programs = base / "bin"
    programs.mkdir()
    starter = programs / "jw"
    starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m joulewright.cli.main "$@"\n', encoding="utf-8")
    starter.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(base),
        "NO_COLOR": "1",
    }
    finished: dict[Path, Path] = {}

    def work(page: Path) -> Path:
        if page not in finished:
            text = page.read_text(encoding="utf-8")
            folder = base / name_of(page).replace(os.sep, "-").removesuffix(".md")
            origin = _ORIGIN.search(text)
            if origin:
                shutil.copytree(work(ROOT / "docs" / origin[1]), folder)
            else:
                folder.mkdir()
            run_page(page, text, folder, environment)
            finished[page] = folder
        return finished[page]

    return work


def run_page(page: Path, text: str, folder: Path, environment: dict[str, str]) -> None:
    # A module of its own, as a program has: classes that a page defines look theirs up.
    module = sys.modules["__docs__"] = ModuleType("__docs__")
    namespace = module.__dict__
    for block in blocks(text):
        place = f"{name_of(page)}:{block.line}"
        if block.language == "bash":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.code],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == block.status, f"{place}\n{block.code}\n{done.stdout}\n{done.stderr}"
        elif block.language == "python":
            before = Path.cwd()
            os.chdir(folder)
            try:
                exec(compile(block.code, place, "exec", dont_inherit=True), namespace)
            finally:
                os.chdir(before)
        elif block.language == "toml":
            tomllib.loads(block.code)
        elif block.language == "json":
            json.loads(block.code)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_run(page: Path, workshop: Callable[[Path], Path]) -> None:
    assert workshop(page).is_dir()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_name_a_known_language(page: Path) -> None:
    unknown = [(block.line, block.language) for block in blocks(page.read_text(encoding="utf-8"))]
    assert [place for place in unknown if place[1] not in LANGUAGES] == []


def test_readme_shows_the_nouns_in_at_most_twenty_lines() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    python = [block.code for block in blocks(text) if block.language == "python"]
    assert len(python) == 1
    lines = [line for line in python[0].splitlines() if line.strip()]
    assert len(lines) <= 20
    for noun in ("scenario", "plan", "schedule", "ledger"):
        assert noun in python[0].lower()


def test_the_reader_of_blocks() -> None:
    text = "# Page\n```bash exit=4\njw x\n```\nwords\n```text\nshown\n```\n"
    assert blocks(text) == [Block("bash", 4, "jw x\n", 2), Block("text", 0, "shown\n", 6)]
