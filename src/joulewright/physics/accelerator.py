"""Catalogue of accelerators: power, memory, speed and embodied carbon, each with its source."""

from __future__ import annotations

import csv
import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

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
    loaded_idle_power_w : float
        Board power with a model in memory and clocks up, but no work [W].
    max_clock_mhz : float or None
        Highest clock [MHz].
    link_gb_s : float or None
        Rate of the link between accelerators of a server, one way [GB/s].
    mig_layout : str or None
        Name of the layout of its slices; None if it cannot be sliced.
    precisions : tuple of str
        Formats of weights that engines run on it.
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
    loaded_idle_power_w: float
    max_clock_mhz: float | None
    link_gb_s: float | None
    mig_layout: str | None
    precisions: tuple[str, ...]
    host_power_w: float
    host_idle_power_w: float
    flags: tuple[str, ...]
    source: str

    @property
    def active_power_mw(self) -> float:
        """IT power under full load with the host share [MW]."""
        return (self.board_power_w + self.host_power_w) * 1e-6

    def embodied_kg_per_h(self, lifetime_h: float = 35_064.0) -> tuple[float, float, float]:
        """Low, middle and high embodied carbon of an hour of a lifetime [kg/h]; four years unless given.

        Raises
        ------
        ScenarioError
            If the embodied carbon is unknown or the lifetime is not positive.
        """
        values = (self.embodied_low_kg, self.embodied_mid_kg, self.embodied_high_kg)
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            raise ScenarioError(
                f"embodied carbon of {self.name} is unknown; give embodied_low_kg, embodied_mid_kg and embodied_high_kg"
            )
        if not lifetime_h > 0.0:
            raise ScenarioError(f"lifetime of {self.name} is {lifetime_h} h; it must be positive")
        low, mid, high = (value / lifetime_h for value in known)
        return low, mid, high

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
    rows = (accelerator_from_row(row) for row in csv.DictReader(text.splitlines()))
    return MappingProxyType({row.name: row for row in rows})


def find_accelerator(name: str) -> Accelerator:
    """Accelerator of that name or alias, upper or lower case, with spaces for dashes and with or without its maker.

    Raises
    ------
    ScenarioError
        If there is none; the message offers the closest names.

    Examples
    --------
    >>> find_accelerator("h100").name, find_accelerator("NVIDIA H100 80GB HBM3").name
    ('H100-SXM', 'H100-SXM')
    """
    spellings = _spellings()
    words = [word for word in re.split(r"[\s_-]+", name.lower()) if word not in _MAKERS]
    found = spellings.get(name.lower()) or spellings.get("-".join(words))
    if found is not None:
        return found
    close = difflib.get_close_matches(name.lower(), spellings, n=3, cutoff=0.5)
    names = list(dict.fromkeys(spellings[spelling].name for spelling in close))
    hint = f"did you mean {' or '.join(names)}?" if names else f"known are {', '.join(catalogue())}"
    raise ScenarioError(f"accelerator {name!r} is not in the catalogue; {hint}")


_MAKERS = frozenset({"nvidia", "amd", "instinct", "geforce", "tesla"})


@cache
def _spellings() -> Mapping[str, Accelerator]:
    return {word.lower(): row for row in catalogue().values() for word in (row.name, *row.aliases)}


def accelerator_from_row(row: Mapping[str, str]) -> Accelerator:
    """An accelerator from a row of text, as the catalogue and users' own tables hold it.

    Raises
    ------
    ScenarioError
        If a column that every accelerator needs is absent or empty, or a value is not a positive number.
    """
    name = (row.get("name") or "").strip()
    if not name:
        raise ScenarioError("column 'name' of an accelerator is absent or empty; give its name")

    def optional(key: str) -> float | None:
        text = (row.get(key) or "").strip()
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            raise ScenarioError(f"column {key!r} of accelerator {name!r} is {text!r}; give a number") from None
        if not (math.isfinite(value) and value > 0.0):
            raise ScenarioError(f"column {key!r} of accelerator {name!r} is {text}; allowed is above 0, or empty")
        return value

    def number(key: str) -> float:
        value = optional(key)
        if value is None:
            raise ScenarioError(f"column {key!r} of accelerator {name!r} is absent or empty; give a value above 0")
        return value

    def words(key: str) -> tuple[str, ...]:
        return tuple(word for word in (row.get(key) or "").split(";") if word)

    values: dict[str, Any] = {key: number(key) for key in _NEEDED} | {key: optional(key) for key in _OPTIONAL}
    return Accelerator(
        name=name,
        aliases=words("aliases"),
        **values,
        mig_layout=(row.get("mig_layout") or "").strip() or None,
        precisions=words("precisions") or ("bf16", "fp16"),
        flags=words("flags"),
        source=row.get("source") or "",
    )


_NEEDED = (
    "board_power_w",
    "idle_power_w",
    "memory_gb",
    "memory_bandwidth_tb_s",
    "bf16_tflop_s",
    "loaded_idle_power_w",
    "host_power_w",
    "host_idle_power_w",
)
_OPTIONAL = ("fp8_tflop_s", "embodied_low_kg", "embodied_mid_kg", "embodied_high_kg", "max_clock_mhz", "link_gb_s")
