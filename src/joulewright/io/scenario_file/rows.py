"""Lists that come from a table file: ``training = { file = "jobs.parquet" }``."""

from __future__ import annotations

from typing import Any

from joulewright.errors import ScenarioError
from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.fields import tables
from joulewright.io.series import read_table


def expand_rows(document: Document) -> None:
    """Replace every ``{ file = ... }`` that stands for a list by the rows of the file, as if they stood there.

    A column named ``latency.texas`` is the key ``texas`` of the table ``latency``.
    """
    for key, spec in tables()["scenario"].items():
        raw = document.data.get(key)
        if spec.type != "rows" or not isinstance(raw, dict) or "file" not in raw:
            continue
        for other in [other for other in raw if other != "file"]:
            message = f"unknown key {other!r} beside the file of {key}"
            document.add("S002", (key, other), message, help="keep only file", at_key=True)
        document.data[key] = _rows(document, key, spec.argument, raw["file"])


def _rows(document: Document, key: str, kind: str, file: Any) -> list[dict[str, Any]]:
    if not isinstance(file, str):
        document.add("S004", (key, "file"), f"found {file!r}; expected a file name", help='write file = "jobs.csv"')
        return []
    fields = tables()[kind]
    text = [name for name, spec in fields.items() if spec.type in ("text", "choice")]
    lists = [name for name, spec in fields.items() if spec.type == "names"]
    try:
        rows = read_table(document.path.parent / file, text=text, lists=lists, display=file, key=key)
    except ScenarioError as error:
        document.keep(error, (key, "file"))
        return []
    document.origins[(key,)] = (file, [row.line for row in rows])
    return [_nested(row.values) for row in rows]


def _nested(row: Any) -> dict[str, Any]:
    """A row with dotted columns turned into tables."""
    nested: dict[str, Any] = {}
    for column, value in row.items():
        table, dot, key = column.partition(".")
        if dot:
            nested.setdefault(table, {})[key] = value
        else:
            nested[column] = value
    return nested
