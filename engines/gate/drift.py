"""How far rows are from what they should be, relative to their tensor: one number for each row.

Shape letters: N rows, Y all numbers of a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engines.gate.errors import UNORDERED
from engines.spec import Array

#: Drift that float32 explains: sums come in another order where a batch has another size. At all sizes of the two
#: shipped bundles ONNX Runtime on an EPYC with AVX-512 came to 5e-6 at most.
ROUNDING = 1e-4
#: Drift that no precision explains.
LOOSEST = 0.05
#: A row may depend on its batch by so many times the candidate's error on the row alone.
OWN_ERRORS = 2.0

Outputs = Mapping[str, Array]


def drift(one: Sequence[Outputs], other: Sequence[Outputs]) -> tuple[float, str]:
    """The furthest row of any output, and of which.

    one, other: for each row its outputs, alike in names and shapes. A row's drift is the root mean square of its
    differences over that of all rows of `other`; infinite where only `other` is finite.
    """
    worst, tensor = 0.0, ""
    for name in sorted(other[0].keys() - {UNORDERED}):
        rows = [np.asarray(outputs[name], np.float64).ravel() for outputs in other]
        scale = _root_mean_square(np.concatenate(rows)) or 1.0
        for own, row_Y in zip(one, rows, strict=True):
            apart = _apart(np.asarray(own[name], np.float64).ravel(), row_Y) / scale
            if apart > worst:
                worst, tensor = apart, name
    return worst, tensor


def allowed(own_error: float) -> float:
    """How far a row may drift with its batch, where the candidate is off by `own_error` on the row alone.

    Kernels for other sizes round otherwise, by about as much as the candidate's precision is off anyway. Rows that were
    mixed up drift by about 1.
    """
    return min(LOOSEST, max(ROUNDING, OWN_ERRORS * own_error))


def _apart(own_Y: NDArray[np.float64], row_Y: NDArray[np.float64]) -> float:
    known_Y = np.isfinite(row_Y)
    if own_Y.shape != row_Y.shape or not np.isfinite(own_Y[known_Y]).all():
        return float("inf")
    return _root_mean_square(own_Y[known_Y] - row_Y[known_Y])


def _root_mean_square(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0
