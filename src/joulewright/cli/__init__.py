"""The command line ``jw``."""
