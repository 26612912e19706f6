"""Collecting everything that is wrong or noteworthy about one series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, ParamSpec, TypeVar

from joulewright.errors import Diagnostic, ScenarioError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class SeriesError(ScenarioError):
    """One reason why a file, a column or a time axis cannot be used; the reader adds file and key."""

    def __init__(self, code: str, message: str, *, line: int | None = None, help: str = "") -> None:
        self.diagnostic = Diagnostic(code=code, message=message, line=line, help=help)
        super().__init__([self.diagnostic])


class Findings:
    """Problems, warnings and notes of one series, all placed at its file and key."""

    def __init__(self, *, file: str, key: str | None) -> None:
        self._file = file
        self._key = key
        self._items: list[Diagnostic] = []

    def attempt(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result | None:
        """Result of the call, or None after keeping the :class:`SeriesError` it raised."""
        try:
            return function(*args, **kwargs)
        except SeriesError as problem:
            self._items.append(self._placed(problem))
            return None

    def require(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Result of the call.

        Raises
        ------
        ScenarioError
            If the call raises a :class:`SeriesError`.
        """
        try:
            return function(*args, **kwargs)
        except SeriesError as problem:
            raise ScenarioError([self._placed(problem)]) from problem

    def add(self, severity: Literal["warning", "note"], code: str, message: str, *, help: str = "") -> None:
        """Keep a warning or a note."""
        self._items.append(
            Diagnostic(code=code, severity=severity, message=message, file=self._file, key=self._key, help=help)
        )

    def stop_on_errors(self) -> tuple[Diagnostic, ...]:
        """Warnings and notes so far.

        Raises
        ------
        ScenarioError
            If there is any error; ``problems`` holds all errors.
        """
        errors = [item for item in self._items if item.severity == "error"]
        if errors:
            raise ScenarioError(errors)
        return tuple(self._items)

    def _placed(self, problem: SeriesError) -> Diagnostic:
        return replace(problem.diagnostic, file=self._file, key=self._key)
