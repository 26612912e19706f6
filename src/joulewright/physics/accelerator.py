"""Catalogue of accelerators: power, memory, speed and embodied carbon, each with its source."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from joulewright.errors import ScenarioError


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """One accelerator type.

    Attributes
    ----------
    name : str
        Catalogue name.
    aliases : tuple of str
        Other spellings that are understood.
    board_power_w : float
        Board power limit (TDP) [W].
    idle_power_w : float
        Board power without work [W].
    memory_gb, memory_bandwidth_tb_s : float
        Device memory [GB] and its bandwidth [TB/s].
    bf16_tflop_s, fp8_tflop_s : float or None
        Dense (not sparse) peak speed [TFLOP/s]; None where the format is absent or unpublished.
    embodied_low_kg, embodied_mid_kg, embodied_high_kg : float or None
        Range of the embodied carbon of one board [kg]; published figures differ by a factor of 3 to 6.
    host_power_w, host_idle_power_w : float
        One accelerator's share of its server (processors, memory, fans, network) under load and idle [W].
    flags : tuple of str
        What is not a published figure: ``idle-placeholder``, ``host-placeholder``, ``embodied-mid-derived`` ...
    source : str
        Where the figures come from.
    """

    name: str
    aliases: tuple[str, ...]
    board_power_w: float
    idle_power_w: float
    memory_gb: float
    memory_bandwidth_tb_s: float
    bf16_tflop_s: float
    fp8_tflop_s: float | None
    embodied_low_kg: float | None
    embodied_mid_kg: float | None
    embodied_high_kg: float | None
    host_power_w: float
    host_idle_power_w: float
    flags: tuple[str, ...]
    source: str

    @property
    def active_power_mw(self) -> float:
        """IT power under full load with the host share [MW]."""
        return (self.board_power_w + self.host_power_w) * 1e-6

    @property
    def powered_idle_mw(self) -> float:
        """IT power while powered without work, with the host share [MW]."""
        return (self.idle_power_w + self.host_idle_power_w) * 1e-6


@cache
def catalogue() -> Mapping[str, Accelerator]:
    """Every accelerator by name, in catalogue order.

    Notes
    -----
    Host shares: servers with eight A100 drew 1.0 kW with idle accelerators and 1.4 to 1.6 kW on average beside
    their accelerators, hence 125 W and 190 W each; others are flagged ``host-placeholder``.

    References
    ----------
    Hu et al. (2024), Characterization of Large Language Model Development in the Datacenter, NSDI (host power);
    the ``source`` of each row for the rest.

    Examples
    --------
    >>> catalogue()["H100-SXM"].board_power_w
    700.0
    """
    text = resources.files("joulewright.data").joinpath("accelerators.csv").read_text(encoding="utf-8")
    rows = (_accelerator(row) for row in csv.DictReader(text.splitlines()))
    return MappingProxyType({row.name: row for row in rows})


def find_accelerator(name: str) -> Accelerator:
    """Accelerator of that name or alias, upper or lower case.

    Raises
    ------
    ScenarioError
        If there is none; the message offers the closest names.

    Examples
    --------
    >>> find_accelerator("h100").name
    'H100-SXM'
    """
    spellings = _spellings()
    found = spellings.get(name.lower())
    if found is not None:
        return found
    close = difflib.get_close_matches(name.lower(), spellings, n=3, cutoff=0.5)
    names = list(dict.fromkeys(spellings[spelling].name for spelling in close))
    hint = f"did you mean {' or '.join(names)}?" if names else f"known are {', '.join(catalogue())}"
    raise ScenarioError(f"accelerator {name!r} is not in the catalogue; {hint}")


@cache
def _spellings() -> Mapping[str, Accelerator]:
    return {word.lower(): row for row in catalogue().values() for word in (row.name, *row.aliases)}


def _accelerator(row: Mapping[str, str]) -> Accelerator:
    def optional(key: str) -> float | None:
        return float(row[key]) if row[key] else None

    def words(key: str) -> tuple[str, ...]:
        return tuple(word for word in row[key].split(";") if word)

    return Accelerator(
        name=row["name"],
        aliases=words("aliases"),
        board_power_w=float(row["board_power_w"]),
        idle_power_w=float(row["idle_power_w"]),
        memory_gb=float(row["memory_gb"]),
        memory_bandwidth_tb_s=float(row["memory_bandwidth_tb_s"]),
        bf16_tflop_s=float(row["bf16_tflop_s"]),
        fp8_tflop_s=optional("fp8_tflop_s"),
        embodied_low_kg=optional("embodied_low_kg"),
        embodied_mid_kg=optional("embodied_mid_kg"),
        embodied_high_kg=optional("embodied_high_kg"),
        host_power_w=float(row["host_power_w"]),
        host_idle_power_w=float(row["host_idle_power_w"]),
        flags=words("flags"),
        source=row["source"],
    )
