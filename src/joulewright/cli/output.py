"""Where words and numbers go: data to stdout, words for people to stderr, one document with ``--json``."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA_VERSION = 1

_PIPE_WIDTH = 160

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan", "help": "green"}


def plain(value: Any) -> Any:
    """``value`` made of JSON types: numbers that are not finite become null.

    Examples
    --------
    >>> plain({"gap": float("inf"), "sites": ("a", "b")})
    {'gap': None, 'sites': ['a', 'b']}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    if hasattr(value, "__float__"):
        number = float(value)
        return number if math.isfinite(number) else None
    return str(value)


@dataclass
class Output:
    """The two streams of one command.

    Attributes
    ----------
    json : bool
        True to print exactly one JSON document on stdout and nothing else there.
    quiet, verbose : bool
        Less and more on stderr.
    no_progress : bool
        True to never draw a progress line.
    """

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_progress: bool = False
    command: str = ""

    @property
    def shows_progress(self) -> bool:
        """Whether a line that is drawn over itself makes sense: a terminal, and nobody asked for silence."""
        return not (self.quiet or self.no_progress or self.json) and sys.stderr.isatty()

    def say(self, text: str) -> None:
        """Write ``text`` for people on stderr unless ``--quiet``."""
        if not self.quiet:
            click.echo(text, err=True, color=colour_choice())

    def data(self, text: str) -> None:
        """Write ``text`` on stdout unless ``--json`` replaces it by the document."""
        if not self.json:
            click.echo(text, color=colour_choice())

    def finding(self, finding: object, *, essential: bool = False) -> None:
        """Show one diagnostic with its severity in colour; with ``--quiet`` errors and what is essential only."""
        text = str(finding)
        if not self.quiet or essential or text.startswith("error"):
            click.echo(painted(text), err=True, color=colour_choice())

    def document(self, payload: Mapping[str, Any], exit_code: int = 0) -> int:
        """Print the document of this command under ``--json`` and return ``exit_code``."""
        if self.json:
            import json

            head = {"schema_version": SCHEMA_VERSION, "command": self.command, "exit_code": int(exit_code)}
            click.echo(json.dumps(plain({**head, **payload}), indent=2, ensure_ascii=False, allow_nan=False))
        return int(exit_code)

    def references(self, listed: Iterable[Mapping[str, str]]) -> None:
        """Say on what publications the algorithms of a run build."""
        for item in listed:
            self.say(f"reference: {item['text']}")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, text_columns: int = 1) -> None:
        """Print a table on stdout; the first ``text_columns`` are text, the others are numbers."""
        if self.json:
            return
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for position, column in enumerate(columns):
            is_text = position < text_columns
            table.add_column(column, justify="left" if is_text else "right", overflow="fold", no_wrap=not is_text)
        for row in rows:
            table.add_row(*row)
        self.show(table)

    def show(self, renderable: RenderableType) -> None:
        """Print something made with rich on stdout; a pipe gets wide plain text."""
        if self.json:
            return
        from rich.console import Console

        console = Console(
            file=sys.stdout,
            width=None if sys.stdout.isatty() else _PIPE_WIDTH,
            no_color=bool(os.environ.get("NO_COLOR")),
            highlight=False,
            markup=False,
            emoji=False,
        )
        console.print(renderable)


def colour_choice() -> bool | None:
    """False where ``NO_COLOR`` is set, else None: colour on a terminal only."""
    return False if os.environ.get("NO_COLOR") else None


def painted(text: str) -> str:
    """``text`` with the severity or ``help:`` at the start of its lines in colour."""
    return "\n".join(_painted_line(line) for line in text.splitlines())


def _painted_line(line: str) -> str:
    bare = line.lstrip()
    for word, colour in _COLOURS.items():
        if bare.startswith((f"{word}[", f"{word}:")):
            head, mark, rest = line.partition(":")
            return click.style(head + mark, fg=colour, bold=True) + rest
    return line


def current() -> Output:
    """The output of the command that runs now.

    Raises
    ------
    RuntimeError
        If no command runs.
    """
    found = click.get_current_context().find_object(Output)
    if found is None:
        raise RuntimeError("no command of jw is running, so it has no output")
    return found
