"""Entry point of ``jw``: commands are imported when they run, and every failure ends in one place."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from types import TracebackType

import click

from joulewright.cli.failures import describe, show
from joulewright.cli.output import Output
from joulewright.cli.streams import keep_exit_status
from joulewright.errors import JoulewrightError

#: One line per command, kept here so that ``jw --help`` imports none of them.
COMMANDS = {
    "init": "Write a commented scenario and its series to start from.",
    "check": "Read a scenario and list every problem it has.",
    "plan": "Plan compute and energy together, with a certified gap.",
    "simulate": "Run policies under many seeds, years and variants, with regret and confidence intervals.",
    "dag": "Run jobs with precedence on executors under schedulers that watch a signal.",
    "infer": "Serve language models: simulate, choose and calibrate latency, power and energy.",
    "compare": "Put runs or studies, or a run and its baselines, side by side.",
    "report": "Write the report of a run as one HTML file.",
    "explain": "Say why a job runs there and then, what an hour looks like, or what a code means.",
    "schema": "Print the JSON Schema of the scenario file.",
    "data": "Describe a series file, a scenario's input, a run, or the shipped data.",
    "doctor": "Check the installation: versions, solver, extras, cache.",
}


class LazyGroup(click.Group):
    """A group that imports a command only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"joulewright.cli.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command to run, with a hint for a misspelt name."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(name, COMMANDS, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {name!r}{hint}")
        resolved = super().resolve_command(ctx, args)
        output = ctx.find_object(Output)
        if output is not None and resolved[0] is not None:
            output.command = resolved[0]
        return resolved


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"joulewright {version('joulewright')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 ok, 1 internal error, 2 usage, 3 invalid input, 4 infeasible, 5 limit reached, "
    "6 data or storage unavailable, 7 gate failed, 130 interrupted.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def jw() -> None:
    """Plan AI compute and the energy it runs on, together."""


def run(arguments: Sequence[str]) -> int:
    """Run ``jw`` with these arguments and return its exit status."""
    return _run(arguments, Output(json="--json" in arguments))


def main() -> None:
    """Console script; Python itself exits with 1 after an unforeseen exception."""
    keep_exit_status()
    output = Output(json="--json" in sys.argv)
    sys.excepthook = _internal_error(output)
    sys.exit(_run(sys.argv[1:], output))


def _run(arguments: Sequence[str], output: Output) -> int:
    said = Said(output)
    log = logging.getLogger("joulewright")
    level = log.level
    log.addHandler(said)
    log.setLevel(logging.INFO)
    try:
        return _status(arguments, output)
    finally:
        log.removeHandler(said)
        log.setLevel(level)


def _status(arguments: Sequence[str], output: Output) -> int:
    try:
        status = jw.main(list(arguments), prog_name="jw", standalone_mode=False, obj=output)
    except click.exceptions.NoArgsIsHelpError as request:
        click.echo(request.format_message(), err=True)
        return 2
    except (JoulewrightError, OSError, click.ClickException, click.exceptions.Abort) as error:
        return show(describe(error), output)
    return status if isinstance(status, int) else 0


class Said(logging.Handler):
    """Passes on to people what the library has to say while it works."""

    def __init__(self, output: Output) -> None:
        super().__init__(logging.INFO)
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Write the message on stderr unless ``--quiet``."""
        self._output.say(record.getMessage())


def _internal_error(output: Output) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """Hook for what nobody foresaw: a short sentence, and the traceback with ``-v``."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if output.verbose:
            sys.__excepthook__(kind, error, trace)
        show(describe(error), output)

    return hook


if __name__ == "__main__":
    main()
