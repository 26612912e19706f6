"""Write the generated parts of the documentation; a test fails when they are out of date.

``python scripts/write_reference.py`` replaces everything below the marker line in three pages: the keys of the
scenario file, the commands and options, and the diagnostic codes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from inspect import cleandoc
from pathlib import Path

import click

from joulewright.cli.explain import code_pages
from joulewright.cli.main import COMMANDS, jw
from joulewright.io.scenario_file.fields import Field, tables
from joulewright.units import DIMENSIONS

MARKER = "<!-- below: written by scripts/write_reference.py -->"
DOCS = Path(__file__).resolve().parents[1] / "docs"
_FAMILIES = {
    "S": "Schema: the structure of the scenario file",
    "U": "Units",
    "T": "Time",
    "P": "Physics and plausibility",
    "D": "Data files",
    "C": "Carbon",
    "X": "Solver and feasibility",
}


def scenario_keys() -> Iterator[str]:
    """One table of keys for each table of the scenario file."""
    for name, fields in tables().items():
        yield f"\n### {'Top level' if name == 'scenario' else name}\n"
        yield "| key | value | default | range | meaning |\n|---|---|---|---|---|"
        for field in fields.values():
            cells = (f"`{field.name}`", _kind(field), _default(field), _range(field), field.description)
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kind(field: Field) -> str:
    units = " or ".join(DIMENSIONS[item] for item in field.dimensions if item in DIMENSIONS).replace("XXX", "currency")
    if field.type == "choice":
        return " / ".join(f"`{item}`" for item in field.argument.split("|"))
    if field.type in ("table", "tables", "rows") and field.argument:
        return f"{field.type}: [{field.argument.split(':')[0]}](#{field.argument.split(':')[0]})"
    words = {
        "signal": "constant or series",
        "instant": "time with offset",
        "flag": "true or false",
        "names": "list of names",
    }
    word = words.get(field.type, field.type)
    return f"{word} [{units}]" if units and units != "1" else word


def _default(field: Field) -> str:
    if field.required:
        return "**required**"
    return f"`{field.default.replace('XXX', 'USD')}`" if field.default else ""


def _range(field: Field) -> str:
    return "" if field.range_text == "any" else field.range_text


def commands() -> Iterator[str]:
    """Usage and options of every command."""
    context = click.Context(jw, info_name="jw", **jw.context_settings)
    for name in COMMANDS:
        command = jw.get_command(context, name)
        if isinstance(command, click.Group):
            for inner in command.commands.values():
                yield from _command(inner, click.Context(command, parent=context, info_name=name))
        elif command is not None:
            yield from _command(command, context)


def _command(command: click.Command, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, parent=parent, info_name=command.name)
    yield f"\n## {context.command_path}\n"
    yield f"`{context.command_path} {' '.join(command.collect_usage_pieces(context))}`\n"
    yield f"{cleandoc(command.help or '')}\n"
    yield "| option | meaning |\n|---|---|"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            yield f"| `{record[0]}` | {record[1]} |".replace("\n", " ")


def codes() -> Iterator[str]:
    """Every diagnostic code by family."""
    pages = code_pages()
    for letter, family in _FAMILIES.items():
        chosen = {code: page for code, page in sorted(pages.items()) if code.startswith(letter)}
        if not chosen:
            continue
        yield f"\n## {letter}: {family}\n"
        yield "| code | title | meaning | way out |\n|---|---|---|---|"
        for code, page in chosen.items():
            cells = (code, page["title"], page["meaning"], page["help"])
            yield "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "scenario-file.md": scenario_keys,
    "command-line.md": commands,
    "diagnostics.md": codes,
}


def updated(name: str) -> str:
    """Text of a page with its generated part renewed.

    Raises
    ------
    ValueError
        If the page has no marker line.
    """
    text = (DOCS / name).read_text(encoding="utf-8")
    head, marker, _ = text.partition(MARKER)
    if not marker:
        raise ValueError(f"{name} has no line {MARKER!r}")
    return head + MARKER + "\n" + "\n".join(PAGES[name]()) + "\n"


def main() -> int:
    """Renew every page; 0."""
    for name in PAGES:
        (DOCS / name).write_text(updated(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
