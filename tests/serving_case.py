"""A serving engine whose every step takes 0.1 s and 20 J, so that results can be worked by hand."""

from __future__ import annotations

from joulewright.physics.inference.deployment import coefficients, deploy

TOY = coefficients(deploy("Llama-3.1-8B", "H100"))._replace(
    weight_bytes=1e-9,
    kv_bytes_per_token=10.0,
    bytes_per_s=1e30,
    flops_per_s=1e30,
    fixed_s=0.1,
    seconds_per_sequence=0.0,
    p0_w=200.0,
    weight_w=0.0,
    kv_w=0.0,
    compute_w=0.0,
    loaded_idle_w=50.0,
    idle_w=40.0,
    host_idle_w=10.0,
    host_active_w=30.0,
    kv_capacity_tokens=1e6,
)
"""200 W in a step, 50 W loaded idle, 10 and 30 W of host: a request of ten tokens takes 230 J."""
