"""Small parts of the command line: conditions, the gap line, output, failures, exit codes."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import click
import pytest

from joulewright.cli import gate, main, output, progress
from joulewright.cli.exit_codes import ExitCode
from joulewright.cli.failures import GateFailedError, LimitReachedError, describe, show
from joulewright.cli.options import check_writable
from joulewright.errors import (
    DataError,
    Diagnostic,
    InfeasibleError,
    MissingExtraError,
    PolicyError,
    ScenarioError,
    SolverError,
    UnitError,
)


def test_the_library_speaks_on_stderr_unless_asked_to_be_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("joulewright.sim.compiler")

    def command(arguments: list[str], *, obj: output.Output, **_: object) -> int:
        obj.quiet = "-q" in arguments
        log.info("compiling %s", "a loop")
        return 0

    monkeypatch.setattr(main.jw, "main", command)
    for arguments, said in ([], "compiling a loop\n"), (["--json"], "compiling a loop\n"), (["-q"], ""):
        assert main.run(arguments) == 0
        assert capsys.readouterr() == ("", said)
    log.info("nobody listens")
    assert capsys.readouterr() == ("", "")


FIGURES = {"gap": 0.004, "carbon_t": 5200.0, "unserved_mwh": 0.0, "marginal_t": None}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("gap > 0.01", False),
        ("gap > 0.001", True),
        ("carbon_t >= 5200", True),
        ("carbon_t / 2 - 100 == 2500", True),
        ("not (unserved_mwh > 0) and gap < 1", True),
        ("0.001 < gap < 0.003", False),
        ("unserved_mwh != 0 or -carbon_t * 2 < -10000 + 0", True),
    ],
)
def test_gate(expression: str, expected: bool) -> None:
    assert gate.holds(expression, FIGURES) is expected


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("gap >", "cannot be read"),
        ("gapp > 1", "did you mean 'gap'"),
        ("zzz > 1", "there are carbon_t, gap"),
        ("marginal_t > 1", "does not have a value"),
        ("__import__('os').system('true')", "uses Call"),
        ("gap.real > 1", "uses Attribute"),
        ("'a' == 'a'", "uses Constant"),
        ("gap in (1, 2)", "uses Compare"),
        ("gap ** 2 > 1", "uses BinOp"),
    ],
)
def test_gate_refuses(expression: str, words: str) -> None:
    with pytest.raises(click.UsageError, match=None) as caught:
        gate.holds(expression, FIGURES)
    assert words in caught.value.format_message()


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (ScenarioError("a"), 3, "invalid-input"),
        (UnitError("a"), 3, "invalid-input"),
        (InfeasibleError("a"), 4, "infeasible"),
        (LimitReachedError("a"), 5, "limit-reached"),
        (DataError("a"), 6, "unavailable"),
        (MissingExtraError("a"), 6, "missing-extra"),
        (PermissionError(13, "Permission denied", "runs/a"), 6, "unavailable"),
        (GateFailedError("a"), 7, "gate-failed"),
        (click.UsageError("a"), 2, "usage"),
        (click.exceptions.Abort(), 130, "interrupted"),
        (SolverError("a"), 1, "solver"),
        (ZeroDivisionError("a"), 1, "internal"),
    ],
)
def test_exit_code_of_every_error(error: BaseException, code: int, word: str) -> None:
    failure = describe(error)
    assert (failure.exit_code, failure.code) == (code, word)
    assert failure.message


def test_failure_of_a_file_names_it() -> None:
    failure = describe(FileNotFoundError(2, "No such file or directory", "runs/a/run.json"))
    assert failure.message == "No such file or directory: runs/a/run.json"


def test_infeasible_shows_the_explanation_and_its_document(capsys: pytest.CaptureFixture[str]) -> None:
    class Explanation:
        def __str__(self) -> str:
            return "because A and B, no plan"

        def as_dict(self) -> dict[str, list[str]]:
            return {"because": ["A", "B"]}

    failure = describe(InfeasibleError("no plan", Explanation()))
    assert failure.message == "because A and B, no plan"
    assert show(failure, output.Output(json=True, command="plan")) == 4
    shown = capsys.readouterr()
    assert json.loads(shown.out)["explanation"] == {"because": ["A", "B"]}
    assert "because A and B" in shown.err


def test_plain_text_problems_become_diagnostics() -> None:
    failure = describe(ScenarioError(["x is wrong", Diagnostic(code="U001", message="no unit")]))
    assert [finding.code for finding in failure.diagnostics] == ["S000", "U001"]
    assert failure.message.startswith("2 problems")


def test_document_is_plain_json(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = output.Output(json=True, command="plan")
    quiet.data("never shown")
    assert quiet.document({"gap": float("nan"), "bound": float("inf"), "path": os.sep, "pair": (1, True)}, 5) == 5
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "schema_version": 1,
        "command": "plan",
        "exit_code": 5,
        "gap": None,
        "bound": None,
        "path": os.sep,
        "pair": [1, True],
    }


def test_quiet_says_nothing_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = output.Output(quiet=True)
    quiet.say("words")
    quiet.data("number")
    assert capsys.readouterr() == ("number\n", "")


def test_quiet_still_shows_errors(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = output.Output(quiet=True)
    quiet.finding("warning: seldom seen")
    quiet.finding("error[J001]: broken")
    show(describe(PolicyError("no such rule")), quiet)
    printed = capsys.readouterr()
    assert "seldom" not in printed.err
    assert "error[J001]: broken" in printed.err
    assert "error: no such rule" in printed.err


def test_table_keeps_every_column_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output.Output().table(["run", "benefit"], [["a", "1,000"], ["b", "2"]])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [line.split() for line in lines if line.startswith(("a", "b"))] == [["a", "1,000"], ["b", "2"]]


def test_colours_only_the_severity() -> None:
    painted = output.painted("error[U001]: no unit\n  help: write 4 MW")
    assert click.unstyle(painted) == "error[U001]: no unit\n  help: write 4 MW"
    assert painted.startswith("\x1b[")
    assert "\x1b[0m no unit" in painted


def state(**changes: object) -> SimpleNamespace:
    return SimpleNamespace(
        **{"elapsed_s": 1.0, "phase": "bound", "objective": None, "bound": 5.0, "gap": None, **changes}
    )


def test_gap_line_without_a_plan() -> None:
    assert progress.gap_line(state()) == "  1.0 s  bound         no plan yet  bound 5"
    assert progress.gap_line(state(bound=None)) == "  1.0 s  bound         no plan yet"


def test_gap_line_is_drawn_over_itself_and_not_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    line = progress.GapLine(enabled=True)
    for elapsed_s in (0.0, 0.05, 0.1, 0.3):
        line(state(elapsed_s=elapsed_s))
    line.close()
    assert stream.getvalue().count("no plan yet") == 2
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_gap_line_is_silent_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    line = progress.GapLine(enabled=output.Output().shows_progress)
    line(state())
    line.close()
    assert stream.getvalue() == ""


@pytest.fixture
def heeded() -> Iterator[None]:
    """Interrupts raise, also where the suite runs in the background of a shell, which ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
def test_first_interrupt_asks_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with progress.stop_on_interrupt() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_output_below_a_file_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"lies below .*file, which is a file"):
        check_writable(tmp_path / "file" / "run" / "deep", purpose="the run folder")
    with pytest.raises(DataError, match="is a file"):
        check_writable(tmp_path / "file", purpose="the run folder")
    check_writable(tmp_path / "new" / "run", purpose="the run folder")
    check_writable(tmp_path, purpose="the run folder")


def test_commands_match_their_modules() -> None:
    for name, summary in main.COMMANDS.items():
        command = main.jw.get_command(click.Context(main.jw), name)
        assert command is not None
        assert command.name == name
        assert command.help
        assert summary.endswith(".")
        assert len(summary) < 90


def test_every_exit_code_is_in_the_help() -> None:
    text = main.jw.epilog or ""
    for code in ExitCode:
        assert code is ExitCode.SAFE_STATE or f"{int(code)} " in text
