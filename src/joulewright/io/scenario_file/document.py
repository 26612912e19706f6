"""The scenario file as parsed, where its keys stand, and the problems found in it."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Literal

from joulewright.errors import Diagnostic, ScenarioError, UnitError
from joulewright.io.scenario_file.fields import did_you_mean
from joulewright.io.scenario_file.names import display_key

if TYPE_CHECKING:
    from joulewright.io.scenario_file.spans import Span

Path = tuple[str | int, ...]
_ALSO = "; the same for "
_MAX_BYTES = 64 * 2**20
_DECLARATION_CODES = frozenset({"D001", "D005", "T001", "T004", "T018", "U001", "U002", "U003"})
"""Problems of a series that are put right in the scenario file, so they point there."""

_FILE_CODES = frozenset({"D002", "D003", "D004", "D007", "T005", "T006", "T007", "T008", "T009", "T010", "T013"})
"""Problems of a whole file, reported once however many of its columns are used."""


class FieldError(ScenarioError):
    """One thing wrong with one value; whoever knows the key turns it into a diagnostic."""

    def __init__(self, code: str, message: str, *, help: str = "") -> None:
        self.code = code
        self.message = message
        self.help = help
        super().__init__(message)


class ReportedError(FieldError):
    """A value cannot be used, for a reason that was kept already."""

    def __init__(self) -> None:
        super().__init__("", "")


@dataclass(kw_only=True)
class Document:
    """A parsed scenario file that collects diagnostics.

    Attributes
    ----------
    path : pathlib.Path
        The file; series are found relative to its folder.
    text : bytes
        Its content.
    data : dict
        Its content as parsed, overrides applied.
    diagnostics : list of Diagnostic
        Everything found so far.
    origins : dict
        Path of a list -> (file, line of each item) for lists that come from a table file.
    overridden : dict
        Path -> text of the override that set it.
    names : dict
        Path of a list -> names of its items, as far as they were asked for.
    ambiguous : set of str
        Kinds of which two items share a name; which name is the missing one cannot be told, so that none is reported.
    """

    path: FilePath
    text: bytes
    data: dict[str, Any]
    diagnostics: list[Diagnostic] = field(default_factory=list)
    origins: dict[Path, tuple[str, list[int | None]]] = field(default_factory=dict)
    overridden: dict[Path, str] = field(default_factory=dict)
    names: dict[Path, list[str]] = field(default_factory=dict)
    ambiguous: set[str] = field(default_factory=set)

    @property
    def sha256(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self.text).hexdigest()

    def key(self, path: Path) -> str | None:
        """Dotted path of a key for people, None for the document itself."""
        return display_key(self.data, path, self.names) or None

    @property
    def failed(self) -> bool:
        """Whether any error was found."""
        return any(item.severity == "error" for item in self.diagnostics)

    @cached_property
    def _spans(self) -> dict[Path, Span]:
        from joulewright.io.scenario_file.spans import key_spans

        return key_spans(self.text)

    def add(
        self,
        code: str,
        path: Path,
        message: str,
        *,
        help: str = "",
        severity: Literal["error", "warning", "note"] = "error",
        at_key: bool = False,
    ) -> None:
        """Keep one diagnostic about the value (or the key itself) at ``path``."""
        item = self._placed(Diagnostic(code=code, message=message, severity=severity, help=help), path, at_key=at_key)
        self.diagnostics.append(item)

    def add_unknown(self, path: Path, message: str, known: Iterable[str], *, kind: str, name: str) -> None:
        """Keep that a ``kind`` called ``name`` does not exist, unless two of its kind share a name."""
        if kind not in self.ambiguous:
            self.add("S008", path, message, help=did_you_mean(name, list(known)))

    def keep(self, error: ScenarioError | UnitError, path: Path) -> None:
        """Keep what a reader or a conversion raised about the value at ``path``."""
        if isinstance(error, ReportedError):
            return
        if isinstance(error, (FieldError, UnitError)):
            message = error.message if isinstance(error, FieldError) else str(error)
            self.add(error.code, path, message, help=error.help)
            return
        no_column = any(getattr(problem, "code", "") in ("D001", "D005") for problem in error.problems)
        for problem in error.problems:
            if no_column and getattr(problem, "code", "") == "U001":
                continue
            if not isinstance(problem, Diagnostic):
                self.add("P010", path, str(problem), help="correct the value")
            elif problem.code in _DECLARATION_CODES and problem.line is None:
                named = replace(problem, message=f"{problem.file}: {problem.message}")
                self._keep_shared(self._placed(named, path))
            elif problem.code not in _FILE_CODES or not self._known(problem):
                self._keep_shared(replace(problem, key=problem.key or self.key(path)))

    def _keep_shared(self, item: Diagnostic) -> None:
        """Keep a problem of a file; further keys that meet it are listed with the first."""
        for position, kept in enumerate(self.diagnostics):
            same = (kept.code, kept.file, kept.message.partition(_ALSO)[0]) == (item.code, item.file, item.message)
            if same and kept.key != item.key:
                mark = ", " if _ALSO in kept.message else _ALSO
                self.diagnostics[position] = replace(kept, message=f"{kept.message}{mark}{item.key}")
                return
        self.diagnostics.append(item)

    def keep_once(self, item: Diagnostic) -> None:
        """Keep a note or warning about a file unless the same was kept for another of its columns."""
        if not any(
            (kept.code, kept.file, kept.message) == (item.code, item.file, item.message) for kept in self.diagnostics
        ):
            self.diagnostics.append(item)

    def _known(self, problem: Diagnostic) -> bool:
        """Whether the same problem of a whole file was kept already, for another column."""
        return any(item.code == problem.code and item.file == problem.file for item in self.diagnostics)

    @contextmanager
    def collect(self, path: Path) -> Iterator[None]:
        """Keep a problem raised inside and go on after the block."""
        try:
            yield
        except (ScenarioError, UnitError) as error:
            self.keep(error, path)

    def stop_on_errors(self) -> None:
        """Raise once with every error, then every warning; notes only matter for what can be used.

        Raises
        ------
        ScenarioError
            If any error was found.
        """
        if self.failed:
            order = ("error", "warning")
            raise ScenarioError([item for severity in order for item in self.diagnostics if item.severity == severity])

    def _placed(self, item: Diagnostic, path: Path, *, at_key: bool = False) -> Diagnostic:
        """``item`` with the place and the key of the value (or the key itself) at ``path``."""
        file, line, column = self._place(path, at_key)
        return replace(item, file=file, line=line, column=column, key=self.key(path))

    def _place(self, path: Path, at_key: bool) -> tuple[str, int | None, int | None]:
        for depth in range(len(path), -1, -1):
            if path[:depth] in self.overridden:
                return f"--set {self.overridden[path[:depth]]}", None, None
            if depth and isinstance(path[depth - 1], int) and path[: depth - 1] in self.origins:
                file, lines = self.origins[path[: depth - 1]]
                return file, lines[int(path[depth - 1])], None
        for depth in range(len(path), 0, -1):
            span = self._spans.get(path[:depth])
            if span is not None:
                return str(self.path), *(span.key if at_key or depth < len(path) else span.value)
        return str(self.path), None, None


def parse_document(path: FilePath) -> Document:
    """Read and parse a scenario file.

    Raises
    ------
    ScenarioError
        ``D001`` missing, ``D002`` unreadable, ``D003`` too large, ``S001`` not TOML.
    """

    def stop(code: str, message: str, *, help: str = "", line: int | None = None, column: int | None = None) -> None:
        raise ScenarioError(
            [Diagnostic(code=code, message=message, file=str(path), line=line, column=column, help=help)]
        )

    text = b""
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            stop(
                "D003",
                f"the scenario file holds {size} bytes; allowed are {_MAX_BYTES}",
                help="move series to CSV files",
            )
        text = path.read_bytes()
    except FileNotFoundError:
        stop("D001", "the scenario file does not exist", help="write one with: jw init")
    except OSError as error:
        stop("D002", f"the scenario file cannot be read: {error.strerror}", help="give the path of a TOML file")
    try:
        data = tomllib.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        stop("S001", f"the file is not UTF-8 text (byte {error.start})", help="save it as UTF-8")
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line, column = (int(place[1]), int(place[2])) if place else (text.count(b"\n") + 1, None)
        reason = str(error).partition(" (at ")[0]
        stop("S001", f"the file is not valid TOML: {reason}", line=line, column=column, help=_toml_help(text, line))
    return Document(path=path, text=text, data=data)


def _toml_help(text: bytes, line: int) -> str:
    lines = text.splitlines()
    shown = lines[line - 1].decode(errors="replace").strip()[:80] if 0 < line <= len(lines) else ""
    value = re.fullmatch(r"([\w.-]+)\s*=\s*([+-]?[\d._]+\s*[A-Za-z%][\w%/]*)", shown)
    if value:
        return f'put the quantity in quotes: {value[1]} = "{value[2]}"'
    return f"the line reads: {shown}" if shown else "text needs quotes, and every key stands once"
