"""``jw init``: write a commented scenario and its series to start from."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from joulewright.cli.options import check_writable, common
from joulewright.cli.output import current

#: Name -> options that plan it within minutes. Kept here so that ``jw init --help`` reads no data; a test compares them
#: with what is shipped and with the heads of the scenario files.
TEMPLATES = {"three-sites": (), "microgrid-year": ("--strategy", "rolling"), "flexible-interconnection": ()}


@click.command(name="init")
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--template", type=click.Choice(TEMPLATES), default=next(iter(TEMPLATES)), show_default=True)
@click.option("--force", is_flag=True, help="Replace files that are already there.")
@common
def command(directory: Path, template: str, force: bool) -> int:
    """Write a commented scenario and its series into DIR (default: here)."""
    from joulewright.io.templates import write_template

    output = current()
    check_writable(directory, purpose="the directory")
    written = write_template(template, directory, force=force)
    output.say(f"{template}: {len(written)} files in {directory}; the series are synthetic")
    for path in written:
        output.data(str(path))
    plan = ("jw", "plan", str(directory / "scenario.toml"), "-o", str(directory / "run"), *TEMPLATES[template])
    output.say(f"next: {shlex.join(plan)}")
    return output.document({"template": template, "files": [str(path) for path in written]})
