"""The serving loop compiled: what :mod:`joulewright.sim.processes.inference.plain` does, and more.

A step costs what changes in it: sums over sequences are kept, a wheel tells which sequences end at a step, and what a
sequence used follows from running sums over steps when it leaves. Nothing is created while the loop runs.
"""
