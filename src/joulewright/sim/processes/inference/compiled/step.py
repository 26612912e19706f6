"""One step: time and energy from sums over its sequences."""

from __future__ import annotations

from typing import Any

from joulewright.physics.inference.step import step_values
from joulewright.sim.compiler import compiled, inlined

_values: Any = compiled(step_values)


@inlined
def step_kernel(k: Any, tokens: float, sequences: float, kv_tokens: float, pairs: float) -> Any:
    """Time and power of a step, its actual over its raw energy, and the raw energy that its tokens share [J].

    Raw is what it would be without power limit and without slowing down for one; tokens share what is neither reading
    of the cache nor operations: weights, overheads and the power without traffic.
    """
    time_s, _, _, _, kv, compute, power_w, raw_w, energy_j = _values(k, tokens, sequences, kv_tokens, pairs)
    flops = k.flops_per_token * tokens + k.flops_per_token_context * pairs
    plain_s = flops / (compute * k.raw_flops_per_s * k.stages)
    raw_j = raw_w * plain_s * k.gpus
    shared_j = raw_j - (k.kv_w * kv + k.compute_w * compute) * plain_s * k.gpus
    return time_s, power_w, raw_w, energy_j / raw_j, shared_j


@inlined
def effective_tokens(engine: Any, context: int) -> Any:
    """Tokens that attention reads of a context, over the layers with and without a window."""
    return engine.global_fraction * context + (1.0 - engine.global_fraction) * min(context, engine.window)


@inlined
def blocks_for(run: Any, tokens: int) -> Any:
    return (tokens + run.block_tokens - 1) // run.block_tokens
