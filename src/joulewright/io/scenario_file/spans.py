"""Where every key of a TOML file stands; parsed only when a message needs a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Span:
    """Line and column, counted from 1, of a key and of its value."""

    key: tuple[int, int]
    value: tuple[int, int]


def key_spans(text: bytes) -> dict[Path, Span]:
    """Position of every table, key and array item, by its path in the parsed document.

    Parameters
    ----------
    text : bytes
        The file, UTF-8.

    Examples
    --------
    >>> spans = key_spans(b'[[site]]\\nname = "a"\\n[site.grid]\\nramp = 3\\n')
    >>> spans["site", 0, "grid", "ramp"].value
    (4, 8)
    """
    root = Parser(Language(tree_sitter_toml.language())).parse(text).root_node
    spans: dict[Path, Span] = {}
    lengths: dict[Path, int] = {}
    for node in root.named_children:
        if node.type == "pair":
            spans.update(_pair((), node))
        elif node.type in ("table", "table_array_element"):
            keys = _keys(node.named_children[0])
            path = _current(keys[:-1], lengths) + keys[-1:]
            if node.type == "table_array_element":
                lengths[path] = lengths.get(path, 0) + 1
            path = _current(path, lengths, resolved=len(path) - 1)
            here = _position(node.named_children[0])
            spans.setdefault(path, Span(key=here, value=here))
            for pair in node.named_children[1:]:
                if pair.type == "pair":
                    spans.update(_pair(path, pair))
    return spans


def _current(keys: Path, lengths: dict[Path, int], resolved: int = 0) -> Path:
    """Path of the last item of every array of tables on the way."""
    path: Path = keys[:resolved]
    for key in keys[resolved:]:
        path = (*path, key)
        if path in lengths:
            path = (*path, lengths[path] - 1)
    return path


def _pair(base: Path, pair: Node) -> Iterator[tuple[Path, Span]]:
    key, value = pair.named_children[0], pair.named_children[-1]
    path = base + _keys(key)
    yield path, Span(key=_position(key), value=_position(value))
    yield from _inside(path, value)


def _inside(path: Path, value: Node) -> Iterator[tuple[Path, Span]]:
    if value.type == "inline_table":
        for pair in value.named_children:
            if pair.type == "pair":
                yield from _pair(path, pair)
    elif value.type == "array":
        for index, item in enumerate(child for child in value.named_children if child.type != "comment"):
            yield (*path, index), Span(key=_position(item), value=_position(item))
            yield from _inside((*path, index), item)


def _keys(node: Node) -> Path:
    if node.type == "dotted_key":
        return tuple(key for child in node.named_children for key in _keys(child))
    text = (node.text or b"").decode()
    return (text.strip("\"'") if node.type == "quoted_key" else text,)


def _position(node: Node) -> tuple[int, int]:
    line, column = node.start_point
    return line + 1, column + 1
