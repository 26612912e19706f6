"""Purposes of the random numbers of a run."""

ANSWER, DURATION, MEASURED, FAILURE, FAILURE_PART = range(1, 6)
