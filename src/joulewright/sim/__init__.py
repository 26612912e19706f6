"""Simulation: what a policy would have done, and what would have come of it."""
