"""Moving job state over a wide-area link."""

from __future__ import annotations

from numpy.typing import ArrayLike

from joulewright.model.timeline import FloatArray
from joulewright.physics.ranges import checked

BYTES_PER_PARAMETER = 14.0
"""Checkpoint bytes per parameter of mixed-precision Adam: 2 weights, 4 master weights, 4 + 4 moments."""


def transfer_s(size_gb: ArrayLike, bandwidth_gbit_s: ArrayLike) -> FloatArray:
    """Time to move data over a link [s], broadcast shapes.

    Parameters
    ----------
    size_gb : array_like
        Size [GB = 1e9 B].
    bandwidth_gbit_s : array_like
        Usable bandwidth [Gbit/s].

    Raises
    ------
    ScenarioError
        If the size is negative or the bandwidth is not positive.

    Notes
    -----
    ``8 size / bandwidth``; protocol overhead belongs into the usable bandwidth.

    References
    ----------
    Definition of a byte as 8 bit, IEC 80000-13:2008.

    Examples
    --------
    >>> float(transfer_s(980.0, 100.0))  # 7840 Gbit at 100 Gbit/s
    78.4
    """
    bandwidth = checked(bandwidth_gbit_s, "bandwidth", 1e-9, unit="Gbit/s")
    seconds: FloatArray = 8.0 * checked(size_gb, "size", 0.0, unit="GB") / bandwidth
    return seconds


def transfer_h(size_gb: float, bandwidth_gbit_s: float) -> float:
    """Time to move data over a link [h]; see :func:`transfer_s`.

    References
    ----------
    See :func:`transfer_s`.

    Examples
    --------
    >>> transfer_h(980.0, 100.0) * 3600  # 78.4 s
    78.4
    """
    return float(transfer_s(size_gb, bandwidth_gbit_s)) / 3600.0


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
