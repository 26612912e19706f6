"""Columns of measured runs: names, other names that engines and scripts use, and those that nobody reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from joulewright.errors import ScenarioError
from joulewright.physics.inference.ml_energy import is_ml_energy

REQUIRED = ("model", "accelerator", "sequences", "output_tokens", "iteration_s", "power_w")
"""Columns every row needs; ``iteration_ms`` or ``output_tokens_per_s`` may stand for ``iteration_s``, ``total_power_w``
for ``power_w``."""
INSTEAD = {"iteration_s": ("iteration_ms", "output_tokens_per_s"), "power_w": ("total_power_w",)}
"""Columns that may stand for a required one."""
_OPTIONAL = (
    *("gpus", "expert_parallel", "precision", "input_tokens", "cached_fraction", "length_factor", "age_fraction"),
    *("workload", "power_cap_w"),
)
_SYNONYMS = {
    "model": ("model_id", "model_name"),
    "accelerator": ("gpu", "gpu_model", "gpu_name", "device"),
    "sequences": ("batch_size", "avg_batch_size", "running_sequences", "num_seqs"),
    "gpus": ("tensor_parallel", "tensor_parallel_size", "tp", "tp_size", "num_gpus", "n_gpus", "gpu_count"),
    "expert_parallel": ("ep", "ep_size", "expert_parallel_size"),
    "pipeline_parallel": ("pp", "pp_size", "pipeline_parallel_size"),
    "data_parallel": ("dp", "dp_size", "data_parallel_size"),
    "precision": ("weight_precision",),
    "kv_precision": ("kv_cache_dtype", "kv_dtype"),
    "input_tokens": ("prompt_tokens", "input_len", "avg_input_len", "prompt_len", "mean_input_tokens"),
    "output_tokens": ("output_len", "avg_output_len", "answer_tokens", "mean_output_tokens"),
    "iteration_s": ("step_s", "tpot_s"),
    "iteration_ms": ("step_ms", "tpot_ms"),
    "output_tokens_per_s": ("output_token_s", "output_throughput_tokens_per_sec"),
    "power_cap_w": ("power_limit_w",),
}
_ONLY = {
    "pipeline_parallel": {"1", "1.0"},
    "data_parallel": {"1", "1.0"},
    "clock_fraction": {"1", "1.0"},
    "kv_precision": {"bf16", "bfloat16", "fp16", "float16", "auto"},
}
"""Columns of what the fit cannot tell apart, and the values that change nothing."""
_OWN = {name: known for known, names in _SYNONYMS.items() for name in names}
_KNOWN = (*REQUIRED, *(name for names in INSTEAD.values() for name in names), *_OPTIONAL, *_ONLY)
_MISSPELT = 0.85


def own_name(column: str) -> str:
    """Name of a column under which it is read; unknown ones keep theirs.

    References
    ----------
    Options of vLLM and columns of the ML.ENERGY benchmark.

    Examples
    --------
    >>> own_name("Tensor-Parallel-Size"), own_name("date")
    ('gpus', 'date')
    """
    word = column.strip().lower().replace(" ", "_").replace("-", "_")
    return _OWN.get(word, word if word in _KNOWN else column)


def own_row(row: Mapping[str, str]) -> dict[str, str]:
    """A row under the names that are read.

    Raises
    ------
    ScenarioError
        If two columns stand for one and hold different numbers, or a value says that the run is of a kind that
        cannot be used.

    References
    ----------
    See :func:`own_name`.
    """
    found: dict[str, str] = {}
    source: dict[str, str] = {}
    # Columns under their own names come first: where others hold words, these win.
    for column in sorted(row, key=lambda name: name not in _KNOWN):
        name, value = own_name(column), (row[column] or "").strip()
        if not found.get(name):
            found[name], source[name] = value, column
        elif value and _differ(found[name], value):
            raise ScenarioError(
                f"{source[name]} is {found[name]!r} and {column} is {value!r}, which are the same; keep one"
            )
    for name, allowed in _ONLY.items():
        value = found.get(name, "")
        if value and value.lower() not in allowed:
            only = "1" if "1" in allowed else "bf16"
            raise ScenarioError(f"{name} is {value!r}; only runs with {only} can be used, so drop the row")
    return found


def unread_columns(columns: Iterable[str]) -> list[str]:
    """What to say of columns that nobody reads, with the closest known name; nothing for the benchmark's format.

    References
    ----------
    See :func:`own_name`.

    Examples
    --------
    >>> unread_columns(["model", "date"])
    ["the column 'date' is not read"]
    """
    names = list(columns)
    if is_ml_energy(dict.fromkeys(names, "")):
        return []
    found = []
    for name in names:
        if own_name(name) not in _KNOWN:
            close = _closest(name, cutoff=0.6)
            hint = f"; rename it if it is {close}" if close else ""
            found.append(f"the column {name!r} is not read{hint}")
    return found


def check_columns(columns: Iterable[str]) -> None:
    """Refuse a table without a column that every row needs, or with one that is a misspelt other.

    Raises
    ------
    ScenarioError
        With what the table has in its place.

    References
    ----------
    See :func:`own_name`.
    """
    given = list(columns)
    names = [own_name(name) for name in given]
    missing = [key for key in REQUIRED if not any(name in names for name in (key, *INSTEAD.get(key, ())))]
    if missing:
        wanted = " and ".join(" or ".join((key, *INSTEAD.get(key, ()))) for key in missing)
        close = {key: get_close_matches(key, given, n=1, cutoff=0.5) for key in missing}
        hints = [f"rename {match[0]!r} if it is {key}" for key, match in close.items() if match]
        raise ScenarioError(
            f"the measurements have no column {wanted}; their columns are {', '.join(given)}"
            + (f"; {', '.join(hints)}" if hints else "")
        )
    for column, name in zip(given, names):
        meant = None if name in _KNOWN else _closest(column, cutoff=_MISSPELT)
        if meant is not None and meant not in names:
            raise ScenarioError(f"the column {column!r} is not read; rename it to {meant}, or drop it")


def _closest(column: str, *, cutoff: float) -> str | None:
    close = get_close_matches(column.strip().lower(), _KNOWN, n=1, cutoff=cutoff)
    return close[0] if close else None


def _differ(first: str, second: str) -> bool:
    """Whether two texts are different numbers; words may differ, such as a name and its alias."""
    try:
        return float(first) != float(second)
    except ValueError:
        return False
