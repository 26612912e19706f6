"""Loops and adapters that let policies command real plants and clusters."""
