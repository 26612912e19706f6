"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from joulewright.cli.output import Output
from joulewright.errors import DataError

Command = TypeVar("Command", bound=Callable[..., Any])


def _set_flag(name: str) -> Callable[[click.Context, click.Parameter, bool], bool]:
    def callback(context: click.Context, _parameter: click.Parameter, value: bool) -> bool:
        output = context.find_object(Output)
        if value and output is not None:
            setattr(output, name, True)
        return value

    return callback


def _flag(*names: str, attribute: str, text: str) -> Callable[[Command], Command]:
    return click.option(
        *names, is_flag=True, is_eager=True, expose_value=False, callback=_set_flag(attribute), help=text
    )


def common(command: Command) -> Command:
    """Add ``--json``, ``--quiet``, ``--verbose``; they set the :class:`Output` of the command."""
    command = _flag("-v", "--verbose", attribute="verbose", text="Say more; show the traceback of an internal error.")(
        command
    )
    command = _flag("-q", "--quiet", attribute="quiet", text="Say nothing on stderr but errors.")(command)
    return _flag("--json", attribute="json", text="Print exactly one JSON document on stdout.")(command)


def overrides(command: Command) -> Command:
    """Add ``--set KEY=VALUE``."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help='Change one value, e.g. --set site.california.battery.energy="100 MWh". Repeatable.',
    )(command)


def check_writable(path: Path, *, purpose: str) -> None:
    """Refuse an output path early, before work is spent on what could not be kept.

    Raises
    ------
    DataError
        If it or a parent is a regular file or may not be written to.
    """
    existing = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not existing.is_dir():
        where = "is a file" if existing == path else f"lies below {existing}, which is a file"
        raise DataError(f"{purpose} {path} {where}; choose a folder that is new or empty")
    if not os.access(existing, os.W_OK):
        raise DataError(f"{purpose} {path} cannot be written: no permission in {existing}")
