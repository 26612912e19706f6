"""Number formats of weights and key-value caches: how many bytes, and which devices run them."""

from __future__ import annotations

from joulewright.errors import ScenarioError
from joulewright.model.language_model import LanguageModel
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

KERNELS = {"bf16": "bf16", "fp16": "bf16", "fp8": "fp8", "int8": "fp8", "mxfp4": "mxfp4", "int4": "mxfp4"}
"""Kernels of expert layers by format."""

_SPELLINGS = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float8": "fp8"} | dict.fromkeys(
    (f"{lead}_{form}" for lead in ("fp8", "float8") for form in ("e4m3", "e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz")),
    "fp8",
)


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
    word = text.strip().lower().removeprefix("torch.")
    return _SPELLINGS.get(word, word)


def model_kind(model: LanguageModel, precision: str) -> str:
    """Kind that constants are fitted for: ``dense``, or ``experts`` with the kernels of their format.

    References
    ----------
    See :data:`KERNELS`.

    Examples
    --------
    >>> from joulewright.physics.inference.models import find_language_model
    >>> model_kind(find_language_model("Qwen3-30B-A3B"), "fp16")
    'experts bf16'
    """
    return f"experts {KERNELS[precision]}" if model.experts else "dense"


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
