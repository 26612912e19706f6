"""Inference of language models: step time, power, memory, steady state, measurements and calibration.

The modules are imported one by one (``from joulewright.physics.inference.step import step``).
"""
