"""From an exception to an exit code, a sentence and the machine-readable envelope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from joulewright.cli.exit_codes import ExitCode
from joulewright.cli.output import Output
from joulewright.errors import (
    DataError,
    Diagnostic,
    InfeasibleError,
    JoulewrightError,
    MissingExtraError,
    PolicyError,
    ScenarioError,
    SolverError,
    TraceError,
    UnitError,
)


class LimitReachedError(JoulewrightError):
    """A limit ended the search before any plan was found."""


class GateFailedError(JoulewrightError):
    """The condition of ``--fail-if`` holds."""


#: First match wins, so subclasses stand before their bases.
_KINDS: tuple[tuple[type[BaseException], ExitCode, str], ...] = (
    (click.exceptions.Abort, ExitCode.INTERRUPTED, "interrupted"),
    (click.UsageError, ExitCode.USAGE, "usage"),
    (ScenarioError, ExitCode.INVALID_INPUT, "invalid-input"),
    (UnitError, ExitCode.INVALID_INPUT, "invalid-input"),
    (TraceError, ExitCode.INVALID_INPUT, "invalid-input"),
    (PolicyError, ExitCode.INVALID_INPUT, "invalid-input"),
    (InfeasibleError, ExitCode.INFEASIBLE, "infeasible"),
    (LimitReachedError, ExitCode.LIMIT_REACHED, "limit-reached"),
    (GateFailedError, ExitCode.GATE_FAILED, "gate-failed"),
    (MissingExtraError, ExitCode.UNAVAILABLE, "missing-extra"),
    (DataError, ExitCode.UNAVAILABLE, "unavailable"),
    (OSError, ExitCode.UNAVAILABLE, "unavailable"),
    (SolverError, ExitCode.INTERNAL, "solver"),
)

_NEXT = {
    "usage": "jw --help lists the commands; jw COMMAND --help lists the options",
    "invalid-input": "correct the input; nothing was written",
    "infeasible": "relax one of the limits listed above",
    "limit-reached": "raise --time-limit or --work-limit",
    "unavailable": "check the path, its permissions and the free space",
    "internal": "run the command again with -v for the traceback and report it",
}
_CHECK = "; `jw check` lists all problems of a scenario"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a command did not do what was asked.

    Attributes
    ----------
    exit_code : ExitCode
        Exit status.
    code : str
        Stable word for scripts, e.g. ``invalid-input``.
    message, next : str
        What happened and what to do now.
    diagnostics : tuple of Diagnostic
        Every problem of an invalid input.
    details : mapping
        Further members of the document, such as the conflict of an infeasible scenario.
    """

    exit_code: ExitCode
    code: str
    message: str
    next: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def describe(error: BaseException) -> Failure:
    """The failure that ``error`` stands for.

    Examples
    --------
    >>> describe(DataError("no folder runs/a")).exit_code
    <ExitCode.UNAVAILABLE: 6>
    """
    known = (item[1:] for item in _KINDS if isinstance(error, item[0]))
    exit_code, code = next(known, (ExitCode.INTERNAL, "internal"))
    diagnostics: tuple[Diagnostic, ...] = ()
    details: dict[str, Any] = {}
    if isinstance(error, ScenarioError):
        diagnostics = tuple(_as_diagnostic(problem) for problem in error.problems)
    elif isinstance(error, UnitError):
        diagnostics = (Diagnostic(code=error.code, message=str(error), help=error.help),)
    elif isinstance(error, InfeasibleError) and hasattr(error.explanation, "as_dict"):
        details["explanation"] = error.explanation.as_dict()
    return Failure(
        exit_code=exit_code,
        code=code,
        message=_sentence(error, diagnostics),
        next=_NEXT.get(code, "") + (_CHECK if any(item.file for item in diagnostics) else ""),
        diagnostics=diagnostics,
        details=details,
    )


def show(failure: Failure, output: Output) -> int:
    """Tell people and scripts about ``failure`` and return its exit status."""
    for finding in failure.diagnostics:
        output.finding(finding, essential=True)
    lead = "" if failure.exit_code is ExitCode.INFEASIBLE else "error: "
    output.finding(f"{lead}{failure.message}", essential=True)
    if failure.next and failure.exit_code is not ExitCode.INFEASIBLE:
        output.finding(f"help: {failure.next}", essential=True)
    error = {"code": failure.code, "message": failure.message, "next": failure.next}
    listed = [finding.as_dict() for finding in failure.diagnostics]
    return output.document({"error": error, "diagnostics": listed, **failure.details}, failure.exit_code)


def _as_diagnostic(problem: object) -> Diagnostic:
    return problem if isinstance(problem, Diagnostic) else Diagnostic(code="S000", message=str(problem))


def _sentence(error: BaseException, diagnostics: tuple[Diagnostic, ...]) -> str:
    if isinstance(error, click.exceptions.Abort):
        return "interrupted; nothing was written"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, InfeasibleError) and error.explanation is not None:
        return str(error.explanation)
    if diagnostics:
        errors = sum(finding.severity == "error" for finding in diagnostics)
        return f"{errors} problem{'s' if errors != 1 else ''} found; nothing was written"
    if isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{place}"
    return str(error) or type(error).__name__
