"""Dividing a power budget among accelerators: centrally, or by exchange between neighbours."""

from joulewright.policy.power.allocation import PowerNode, PowerTree, PowerUse, divide_budget
from joulewright.policy.power.exchange import Exchange, exchange_tokens

__all__ = ["Exchange", "PowerNode", "PowerTree", "PowerUse", "divide_budget", "exchange_tokens"]
