"""Helpers of the unit tier."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import pytest

from joulewright.errors import Diagnostic, ScenarioError
from joulewright.io.series import SeriesReference, SeriesResult, read_series
from joulewright.model import Timeline


class ReadText(Protocol):
    """Reads a column of CSV text."""

    def __call__(self, content: str | bytes | Path, **options: Any) -> SeriesResult: ...


@pytest.fixture
def read_text(tmp_path: Path) -> ReadText:
    """Write CSV text and read one column of it onto a horizon.

    Options ``start``, ``steps`` and ``step`` [s] give the horizon, ``key`` the scenario key; all others go to the
    reference.
    """

    def read(content: str | bytes | Path, **options: Any) -> SeriesResult:
        path = content if isinstance(content, Path) else tmp_path / options.pop("name", "series.csv")
        if isinstance(content, str):
            path.write_bytes(content.encode())
        elif isinstance(content, bytes):
            path.write_bytes(content)
        timeline = Timeline(
            start=datetime.fromisoformat(options.pop("start", "2022-07-04T00:00:00+00:00")),
            step_s=options.pop("step", 3600),
            steps=options.pop("steps", 4),
        )
        key = options.pop("key", None)
        options.setdefault("column", "load_mw")
        options.setdefault("dimension", "power")
        return read_series(SeriesReference(path=path, display=path.name, **options), timeline, key=key)

    return read


@pytest.fixture
def problem_of(read_text: ReadText) -> Callable[..., Diagnostic]:
    """The one problem that reading the text raises."""

    def problem(content: str | bytes | Path, **options: Any) -> Diagnostic:
        with pytest.raises(ScenarioError) as caught:
            read_text(content, **options)
        (found,) = caught.value.problems
        assert isinstance(found, Diagnostic)
        assert found.severity == "error"
        return found

    return problem


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Functions in ``tests/study_workers.py`` that worker processes can import as well."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1]))
    return import_module("study_workers")
