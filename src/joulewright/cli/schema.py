"""``jw schema``: the JSON Schema of the scenario file."""

from __future__ import annotations

import json

import click

from joulewright.cli.options import common
from joulewright.cli.output import current


@click.command(name="schema")
@common
def command() -> int:
    """Print the JSON Schema of the scenario file, for editors and other programs."""
    from joulewright.io.scenario_file import scenario_schema

    output, schema = current(), scenario_schema()
    output.data(json.dumps(schema, indent=2))
    return output.document({"schema": schema})
