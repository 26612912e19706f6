"""``jw init``: write a commented scenario and its series to start from."""

from __future__ import annotations

from pathlib import Path

import click

from joulewright.cli.options import check_writable, common
from joulewright.cli.output import current

#: Kept here so that ``jw init --help`` reads no data; a test compares them with what is shipped.
TEMPLATES = ("three-sites", "microgrid-year", "flexible-interconnection")


@click.command(name="init")
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--template", type=click.Choice(TEMPLATES), default=TEMPLATES[0], show_default=True)
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
    output.say(f"next: jw plan {directory / 'scenario.toml'} -o {directory / 'run'}")
    return output.document({"template": template, "files": [str(path) for path in written]})
