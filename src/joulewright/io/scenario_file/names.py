"""Names of listed things, and the dotted paths that ``--set``, results and messages use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Path = tuple[str | int, ...]


def item_names(kind: str, items: Sequence[Any]) -> list[str]:
    """Effective name of every item of a list.

    An item without ``name`` is called after its accelerator, its two sites or its carbon signal where it has one,
    else after its kind; further unnamed items of a kind get ``-2``, ``-3`` and so on.

    Examples
    --------
    >>> item_names("battery", [{}, {"name": "b"}, {}])
    ['battery', 'b', 'battery-2']
    """
    names: list[str] = []
    used: dict[str, int] = {}
    for item in items:
        given = item.get("name") if isinstance(item, dict) else None
        if isinstance(given, str) and given:
            names.append(given)
            continue
        base = _natural_name(kind, item if isinstance(item, dict) else {})
        used[base] = used.get(base, 0) + 1
        names.append(base if used[base] == 1 else f"{base}-{used[base]}")
    return names


def _natural_name(kind: str, item: dict[str, Any]) -> str:
    between = item.get("between")
    if kind == "link" and isinstance(between, list) and len(between) == 2:
        return f"{between[0]}-{between[1]}"
    if kind == "carbon_intensity":
        return f"{item.get('kind', 'unknown')}-{item.get('scope', 'unknown')}"
    if kind in ("fleet", "event", "chance"):
        return str(item.get("accelerator" if kind == "fleet" else "kind", kind))
    return "demand" if kind == "demand_charge" else kind


def display_key(data: Any, path: Path, known: dict[Path, list[str]] | None = None) -> str:
    """Dotted path with names instead of list positions.

    Parameters
    ----------
    data : dict
        The document.
    path : Path
        Keys and list positions.
    known : dict, optional
        Names of lists by their path; filled here, so that long lists are named once.

    Examples
    --------
    >>> data = {"site": [{"name": "texas", "battery": [{"energy": 3}]}]}
    >>> display_key(data, ("site", 0, "battery", 0, "energy"))
    'site.texas.battery.energy'
    """
    parts: list[str] = []
    node = data
    for position, key in enumerate(path):
        if isinstance(key, str):
            parts.append(key)
            node = node.get(key) if isinstance(node, dict) else None
        elif isinstance(node, list):
            kind = str(path[position - 1])
            tables = bool(node) and all(isinstance(item, dict) for item in node)
            if tables and known is not None and path[:position] not in known:
                known[path[:position]] = item_names(kind, node)
            names = (known or {}).get(path[:position]) or item_names(kind, node)
            name = names[key] if tables and key < len(node) else f"[{key}]"
            if name.startswith("["):
                parts[-1] += name
            elif len(node) > 1 or name != kind:
                parts.append(name)
            node = node[key] if key < len(node) else None
    return ".".join(parts)
