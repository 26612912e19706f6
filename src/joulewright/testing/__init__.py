"""Contract suites for people who add policies, forecasters and adapters."""
