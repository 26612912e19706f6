"""Rows of the ledger and the vocabulary of its sections."""

from __future__ import annotations

from dataclasses import dataclass

ADDITIVE_UNITS = ("MWh", "currency", "kg", "L", "count", "Mtoken", "cycles")
"""Units whose rows may be summed; peaks, shares and latencies may not."""

SECTIONS: dict[str, tuple[str, ...]] = {
    "energy": (
        "import",
        "renewable",
        "generator",
        "discharge",
        "unserved",
        "facility load",
        "charge",
        "export",
        "curtailed",
    ),
    "it energy": ("training", "inference", "idle", "fixed"),
    "work": ("training", "inference"),
    "cost": (
        "import",
        "demand charge",
        "fuel",
        "no-load",
        "start-up",
        "battery wear",
        "unserved power",
        "unserved inference",
        "carbon price",
        "excess carbon",
        "delay",
        "energy beyond horizon",
        "data transfer",
    ),
    "value": ("jobs", "inference", "export", "stored energy"),
    "carbon": ("import", "generator", "start-up", "export credit"),
    "carbon by series": (),
    "export credit by series": (),
    "intensity": ("carbon per it energy",),
    "battery": ("cycles", "stored at end"),
    "peak": ("import", "window"),
    "jobs": ("done", "late", "unfinished", "rejected", "deadlines met"),
    "tokens": ("asked", "served", "unserved"),
    "service": ("served share", "mean latency"),
    "water": ("cooling",),
}
"""Items of every section; parts follow a slash, as in ``fuel/turbine``."""


@dataclass(frozen=True)
class LedgerRow:
    """One figure of the ledger.

    Attributes
    ----------
    site : str
        Where; empty for the whole scenario.
    section, item : str
        What, from :data:`SECTIONS`; a component follows a slash, as in ``fuel/turbine``.
    value : float
        The figure in ``unit``.
    unit : str
        MWh, currency, kg, MW and so on; ``currency`` is the scenario's.
    """

    site: str
    section: str
    item: str
    value: float
    unit: str
