"""What workloads may refer to: sites, their fleets and accelerators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joulewright.io.scenario_file.components import canonical_accelerator
from joulewright.io.scenario_file.document import Document
from joulewright.io.scenario_file.fields import did_you_mean
from joulewright.io.scenario_file.tables import Table
from joulewright.model import Fleet


@dataclass(frozen=True, kw_only=True)
class Places:
    """What is known of the sites when workloads are checked.

    Attributes
    ----------
    sites : tuple of str
        Names of all sites.
    fleets : tuple of (str, Fleet)
        Every fleet with its site.
    complete : bool
        False if some fleet or site was refused, so that nothing can be said about size.
    """

    sites: tuple[str, ...]
    fleets: tuple[tuple[str, Fleet], ...]
    complete: bool = True


def known_names(document: Document, table: Table, key: str, known: Sequence[str], kind: str = "site") -> None:
    """Report every name under ``key`` that does not exist."""
    given = table[key]
    for name in (given,) if isinstance(given, str) else given or ():
        if name not in known:
            message = f"{table.kind} {table.name!r} names {kind} {name!r}, which does not exist"
            document.add_unknown(table.at(key), message, known, kind=kind, name=name)
            table.wrong.add(key)


def by_accelerator(document: Document, table: Table, key: str, places: Places) -> dict[str, Any]:
    """A map by accelerator under the names that fleets carry; names that no fleet has are reported."""
    found = {canonical_accelerator(name): value for name, value in (table[key] or {}).items()}
    fleets = {fleet.accelerator for _, fleet in places.fleets}
    for name in set(found) - fleets if places.complete else ():
        message = f"{key} names accelerator {name!r}, which no fleet has; it changes nothing"
        document.add("S015", table.at(key), message, severity="warning", help=did_you_mean(name, sorted(fleets)))
    return found
