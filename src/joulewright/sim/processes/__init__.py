"""Processes that live on the event kernel."""
