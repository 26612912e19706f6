"""Series packed for the page: 16-bit codes, deflated once, base64.

Each array becomes codes ``1..65535`` spread evenly over its range (0 marks a missing value), so a value is off by at
most ``range / 131068``. Codes are stored as differences modulo 65536, which deflate packs well.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_LEVELS = 65_534


@dataclass(slots=True)
class Blobs:
    """Collects arrays while the page is built."""

    _entries: list[dict[str, float | int]] = field(default_factory=list)
    _parts: list[bytes] = field(default_factory=list)
    _seen: dict[bytes, int] = field(default_factory=dict)
    _length: int = 0

    def add(self, values: NDArray[np.float64]) -> dict[str, int]:
        """Store a one-dimensional array, NaN marking missing values, and return the reference to put in a chart.

        Raises
        ------
        ValueError
            If the array has more than one dimension.
        """
        if values.ndim != 1:
            raise ValueError(f"arrays must be one-dimensional; this one has shape {values.shape}: ravel it first")
        key = values.tobytes()
        if key not in self._seen:
            codes, low, step = _encode(values)
            self._seen[key] = len(self._entries)
            self._entries.append({"at": self._length, "n": values.size, "low": low, "step": step})
            self._parts.append(codes.tobytes())
            self._length += codes.size
        return {"$": self._seen[key]}

    def index(self) -> list[dict[str, float | int]]:
        """Where each array lies (in codes) and how its codes map back."""
        return self._entries

    def payload(self) -> str:
        """All arrays as base64 of one zlib stream."""
        return base64.b64encode(zlib.compress(b"".join(self._parts), 9)).decode("ascii")


def _encode(values: NDArray[np.float64]) -> tuple[NDArray[np.uint16], float, float]:
    finite = np.isfinite(values)
    low, high = (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 0.0)
    step = (high - low) / _LEVELS
    codes = np.zeros(values.size, dtype=np.uint16)
    scaled = np.zeros(int(finite.sum())) if step == 0.0 else np.rint((values[finite] - low) / step)
    codes[finite] = 1 + scaled.astype(np.uint16)
    return np.diff(codes, prepend=np.uint16(0)).astype("<u2"), low, step


def decode(index: dict[str, float | int], codes: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Inverse of :meth:`Blobs.add` for one entry of the index.

    Parameters
    ----------
    index : dict
        One entry of :meth:`Blobs.index`.
    codes : NDArray
        All inflated codes of the page.
    """
    at, count = int(index["at"]), int(index["n"])
    plain = np.cumsum(codes[at : at + count], dtype=np.uint16)
    values = index["low"] + (plain.astype(np.float64) - 1.0) * index["step"]
    return np.where(plain == 0, np.nan, values)
