"""Number formats of weights and key-value caches: how many bytes, and which devices run them."""

from __future__ import annotations

from joulewright.errors import ScenarioError
from joulewright.physics.accelerator import Accelerator

BYTES: dict[str, float] = {
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "mxfp4": 0.53125,
    "int4": 0.53125,
}
"""Bytes per element; four-bit formats hold one eight-bit scale for every 32 elements (OCP MX specification 1.0)."""


_SPELLINGS = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float8": "fp8", "fp8_e4m3": "fp8"}


def precision_name(text: str) -> str:
    """Name of a format from the spelling of an engine.

    References
    ----------
    Names of number formats in PyTorch and vLLM.

    Examples
    --------
    >>> precision_name("bfloat16"), precision_name("FP8")
    ('bf16', 'fp8')
    """
    word = text.strip().lower()
    return _SPELLINGS.get(word, word)


def bytes_per_element(precision: str) -> float:
    """Bytes of one element in that format.

    Raises
    ------
    ScenarioError
        If the format is unknown.

    References
    ----------
    OCP Microscaling Formats (MX) Specification 1.0, section 5 (mxfp4: 4 bits and 8 / 32 bits of scale).

    Examples
    --------
    >>> bytes_per_element("mxfp4")
    0.53125
    """
    if precision not in BYTES:
        raise ScenarioError(f"precision {precision!r} is unknown; allowed is {', '.join(BYTES)}")
    return BYTES[precision]


def check_precision(precision: str, accelerator: Accelerator) -> None:
    """Refuse a format that the device does not run.

    Raises
    ------
    ScenarioError
        If the format is unknown or not listed for the device.
    """
    bytes_per_element(precision)
    if precision not in accelerator.precisions:
        raise ScenarioError(
            f"precision {precision!r} is not known to run on {accelerator.name}; "
            f"allowed is {', '.join(accelerator.precisions)}"
        )
