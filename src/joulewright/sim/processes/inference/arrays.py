"""Requests in flight, replicas and books as arrays of records, which the compiled loop reads and changes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from joulewright.model.timeline import FloatArray, IntArray
from joulewright.physics.inference.step import StepCoefficients

RecordArray = NDArray[np.void]

PREFILL, DECODE, IDLE, LOADING, OFF, HOST = range(6)
"""Columns of the energy series."""
COLUMNS = ("prefill", "decode", "idle", "loading", "off", "host")

ASLEEP, STARTING, ON, DRAINING = range(4)
"""States of a replica: off, loading its model, taking requests, finishing what it has."""

SERVED, REFUSED_ENERGY, REFUSED_CARBON, REFUSED_TOKENS, REFUSED_GPU, REFUSED_QUEUE = range(6)
REASONS = ("served", "energy budget", "carbon budget", "token budget", "GPU-hour budget", "queue full")
"""What became of a request, by the number in its row."""

ROUND_ROBIN, LEAST_OUTSTANDING, CONSOLIDATE, PREFIXES = range(4)

BUCKETS = 4096
LEAST_S, GROWTH = 1e-6, 1.01
"""Buckets of the log-histograms: bounds grow by 1 %, hence quantiles are within 0.5 %; the range is 1 us to 5e11 s."""

DAY_S = 86_400.0
J_PER_KWH = 3.6e6

FULL_SLOTS, FULL_SERIES = 1, 2
"""Why the loop stopped early: no room for a request, or for more time."""
ABSENT = -2
"""Of a block in a prefix cache: not there. From -1 on it is in the chain of the last uses; below, held by sequences."""
REBASE_STEPS = 4096
"""Steps after which running sums begin anew."""
WHEEL = 256
"""Steps that a replica plans ahead, a power of two; what ends later is put there once more."""


def _fields(names: str, kind: str) -> list[tuple[str, str]]:
    return [(name, kind) for name in names.split()]


SLOT = np.dtype(
    [
        *_fields(
            "request joined_step start_step input output tenant replica generated target done chunk cached preemptions "
            "before after wheel_before wheel_after wheel_at growing transferred name_at names held",
            "i8",
        ),
        *_fields(
            "arrival_s first_token_s context slope shared_mark ratio_mark moment_mark prefill_j decode_j carbon_g "
            "reserved_j reserved_s",
            "f8",
        ),
    ]
)
"""A request in flight. ``before`` and ``after`` chain it in the queue or in the order of admission."""

REPLICA = np.dtype(
    [
        *_fields(
            "pool state stepping decoding growing running head tail partial waiting waiting_head waiting_tail "
            "free_blocks step origin full_context short_context chunks steps preemptions",
            "i8",
        ),
        *_fields("now_s end_s ready_s shared ratio moment intensity busy_s clipped_s active_j tokens", "f8"),
    ]
)
RUN = np.dtype(
    [
        *_fields(
            "next status free_slot live turn transfers sent router fill first_decoder replicas max_sequences "
            "token_budget block_tokens bins_per_intensity budgeted bounded scaled longest_input waiting_limit "
            "cache_blocks cache_block_tokens shared_cache paged blocks_per_name name_base recording short arrived "
            "served refusals first_bin",
            "i8",
        ),
        *_fields(
            "start_s bin_s span_end_s load_s margin_s midnight_s hit_fraction transfer_bytes_s transfer_latency_s "
            "last_finish_s limit_j limit_g limit_tokens limit_gpu_s reserved_j reserved_s worst_intensity log_growth "
            "objective_ttft_s objective_tpot_s objective_e2e_s",
            "f8",
        ),
    ]
)
"""``margin_s`` is the room that the series keeps behind the beginning of a step: its time, loading and a transfer.
``span_end_s`` is the last arrival, or a later end that is asked for, and never where the former is not known."""
POOL = np.dtype(
    [
        *_fields("first last least_replicas schedule_at schedule_last", "i8"),
        *_fields(
            "tick_s interval_s load_s load_w off_w per_replica hold_s calm_s rate rate_weight arrivals_then", "f8"
        ),
    ]
)
"""Replicas of a pool and the rule that scales it; without one its next decision ``tick_s`` is never."""
ENGINE = np.dtype(
    [
        *_fields(" ".join(StepCoefficients._fields), "f8"),
        *_fields("kv_token_j pair_j token_j rest_w host_rest_w host_step_w cache_bytes_per_token", "f8"),
        *_fields("window blocks", "i8"),
    ]
)
"""Coefficients of a pool, and from them the energy of a token of cache, an attention pair and a token [J]."""

ROW = np.dtype(
    [
        *_fields("first_token_s finish_s prefill_j decode_j carbon_g", "f8"),
        *_fields("replica preemptions cached status", "i8"),
    ]
)
TENANT = np.dtype(
    [
        *_fields("requests refused met preemptions timed", "i8"),
        *_fields("input output refused_tokens cached ttft_s tpot_s e2e_s prefill_j decode_j carbon_g", "f8"),
    ]
)
DAY = np.dtype(_fields("energy_j carbon_g tokens gpu_s", "f8"))
TRANSFER = np.dtype([("time_s", "f8"), ("order", "i8"), ("slot", "i8")])
CACHE = np.dtype(_fields("head tail count", "i8"))


class World(NamedTuple):
    """Everything the loop works on, with R replicas and T bins.

    ``slots`` and ``transfers`` have the shape of requests in flight, ``engines`` and ``pools`` ``(2,)`` for the first
    pool and the decode pool, ``due_s`` ``(R,)``: when something next happens at a replica, ``wheel`` ``(R, WHEEL)``:
    the sequences whose window fills or that finish within so many steps, or that have longer to go, ``crossing``
    ``(R, block_tokens)``: sequences that need a block at steps of that remainder, ``series`` ``(T, 6)``,
    ``intensity_sum``: sum of the carbon intensity up to each of its steps, ``hashes``: numbers of the blocks of
    prompts, ``cache_before`` and ``cache_after`` ``(C, B)``: the chain of B blocks in each of C prefix caches.
    """

    run: RecordArray
    engines: RecordArray
    pools: RecordArray
    replicas: RecordArray
    due_s: FloatArray
    slots: RecordArray
    transfers: RecordArray
    wheel: IntArray
    crossing: IntArray
    chunks: IntArray
    series: FloatArray
    intensity: FloatArray
    intensity_sum: FloatArray
    rows: RecordArray
    tenants: RecordArray
    histograms: IntArray
    days: RecordArray
    schedule_s: FloatArray
    schedule: IntArray
    hashes: IntArray
    caches: RecordArray
    cache_before: IntArray
    cache_after: IntArray


class Requests(NamedTuple):
    """Columns of a trace as the loop reads them, shape ``(N,)``; ``block_at`` ``(N + 1,)``, or empty without blocks."""

    arrival_s: FloatArray
    input_tokens: IntArray
    output_tokens: IntArray
    tenant: IntArray
    block_at: IntArray
