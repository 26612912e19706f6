"""Pure array functions of the physics: sun, wind, storage, generators, cooling, accelerators and transfers.

The modules are imported one by one (``from joulewright.physics.cooling import pue_profile``), so that reading
the accelerator catalogue does not import numpy.
"""
