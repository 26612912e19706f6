"""Moving job state over a wide-area link."""

from __future__ import annotations

from joulewright.errors import ScenarioError
from joulewright.physics.ranges import checked

BYTES_PER_PARAMETER = 14.0
"""Checkpoint bytes per parameter of mixed-precision Adam: 2 weights, 4 master weights, 4 + 4 moments."""


def transfer_h(size_gb: float, bandwidth_gbit_s: float) -> float:
    """Time to move data over a link [h].

    Parameters
    ----------
    size_gb : float
        Size [GB = 1e9 B].
    bandwidth_gbit_s : float
        Usable bandwidth [Gbit/s].

    Raises
    ------
    ScenarioError
        If the size is negative or the bandwidth is not positive.

    Notes
    -----
    ``8 size / bandwidth``, converted to hours; protocol overhead belongs into the usable bandwidth.

    References
    ----------
    Definition of a byte as 8 bit, IEC 80000-13:2008.

    Examples
    --------
    >>> transfer_h(980.0, 100.0) * 3600  # 7840 Gbit at 100 Gbit/s [s]
    78.4
    """
    checked(size_gb, "size", 0.0, unit="GB")
    if not bandwidth_gbit_s > 0.0:
        raise ScenarioError(f"bandwidth is {bandwidth_gbit_s:g} Gbit/s; allowed is above 0 Gbit/s")
    return 8.0 * size_gb / bandwidth_gbit_s / 3600.0


def checkpoint_gb(parameters_billion: float, bytes_per_parameter: float = BYTES_PER_PARAMETER) -> float:
    """Size of the state of a training job [GB].

    Parameters
    ----------
    parameters_billion : float
        Parameters of the model [1e9].
    bytes_per_parameter : float
        Bytes stored for each parameter [B].

    References
    ----------
    Rajbhandari et al. (2020), ZeRO, section 3.1, doi:10.1109/SC41405.2020.00024 (without gradients).

    Examples
    --------
    >>> checkpoint_gb(70.0)
    980.0
    """
    checked(parameters_billion, "parameters", 0.0, unit="billion")
    return parameters_billion * bytes_per_parameter
