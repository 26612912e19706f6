"""Every exception joulewright raises on purpose.

::

    JoulewrightError
    ├── ScenarioError (ValueError)      the scenario or a series is invalid: all problems are listed
    ├── UnitError (ValueError)          a quantity string cannot be read as the wanted unit
    ├── DataError (OSError)             a file or a run folder cannot be read or written
    ├── InfeasibleError (ValueError)    no plan satisfies the limits: the conflict is explained
    ├── SolverError (RuntimeError)      the solver failed, or stopped without a usable plan
    ├── PolicyError (ValueError)        an online policy broke its contract
    ├── TraceError (ValueError)         a recorded trace does not fit what it is replayed on
    ├── LiveError (RuntimeError)        a live adapter could not reach or command its plant
    └── MissingExtraError (ImportError) an optional dependency is not installed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One finding about an input: what is wrong or noteworthy, where, and the way out.

    Attributes
    ----------
    code : str
        Family letter and number: S schema, U units, T time, P physics, D data, C carbon, X solver.
    severity : {"error", "warning", "note"}
        Errors stop, warnings and notes are counted in reports.
    message : str
        One sentence with the value and unit that were found.
    file, line, column, key : str or int or None
        Where; ``key`` is the dotted path.
    help : str
        The way out, ready to paste where possible.
    """

    code: str
    message: str
    severity: Literal["error", "warning", "note"] = "error"
    file: str | None = None
    line: int | None = None
    column: int | None = None
    key: str | None = None
    help: str = ""

    def as_dict(self) -> dict[str, object]:
        """Plain dictionary for ``--json``."""
        return asdict(self)

    def __str__(self) -> str:
        place = ""
        if self.file is not None:
            place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        where = "  ".join(part for part in (place, self.key or "") if part)
        lines = [f"{self.severity}[{self.code}]: {self.message}"]
        if where:
            lines.append(f"  --> {where}")
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)


class JoulewrightError(Exception):
    """Root of all errors raised on purpose."""


class ScenarioError(JoulewrightError, ValueError):
    """A scenario is invalid.

    Attributes
    ----------
    problems : tuple of object
        Every problem found, as ``Diagnostic`` objects or plain sentences.
    """

    def __init__(self, problems: Sequence[object] | str) -> None:
        self.problems: tuple[object, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UnitError(JoulewrightError, ValueError):
    """A quantity string has no unit, an unknown unit or one of another dimension.

    Attributes
    ----------
    code : str
        ``U001`` no unit, ``U002`` unknown unit, ``U003`` other dimension, ``U004`` not a number.
    help : str
        The way out, ready to paste where possible.
    """

    def __init__(self, message: str, *, code: str = "U004", help: str = "") -> None:
        self.code = code
        self.help = help
        super().__init__(message)


class DataError(JoulewrightError, OSError):
    """A file or run folder is missing, unreadable or cannot be written."""


class InfeasibleError(JoulewrightError, ValueError):
    """No plan satisfies every limit; ``explanation`` says which limits conflict."""

    def __init__(self, message: str, explanation: object = None) -> None:
        self.explanation = explanation
        super().__init__(message)


class SolverError(JoulewrightError, RuntimeError):
    """The solver failed or reached its limit without a plan that passes the checks."""


class PolicyError(JoulewrightError, ValueError):
    """An online policy broke its contract."""


class TraceError(JoulewrightError, ValueError):
    """A recorded trace does not fit what it is replayed on."""


class LiveError(JoulewrightError, RuntimeError):
    """A live adapter could not reach or command its plant."""


class MissingExtraError(JoulewrightError, ImportError):
    """An optional dependency is absent; the message names the extra to install."""
