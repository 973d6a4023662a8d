"""What arrays of records are of, and the checks that they fit."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Float16 = NDArray[np.float16]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


def shape_of(name: str, array: NDArray[np.generic], dtype: type[np.generic], rank: int) -> tuple[int, ...]:
    """The shape of an array of that type and rank. Raises `ValueError` for another."""
    if array.dtype != dtype or array.ndim != rank:
        raise ValueError(
            f"{name}: came {array.dtype} of shape {array.shape}, expected {np.dtype(dtype)} of rank {rank}"
        )
    return array.shape


def check_series(
    name: str, array: NDArray[np.generic] | None, dtype: type[np.generic], rank: int, seconds_T: Float64
) -> None:
    """Raises `ValueError` unless there is one time for each item; None has no items."""
    count = 0 if array is None else shape_of(name, array, dtype, rank)[0]
    if seconds_T.shape != (count,):
        raise ValueError(f"{name}: {count} items with times of shape {seconds_T.shape}; one time each")


def shapes_shown(record: DataclassInstance) -> str:
    """The `repr` of a record with shapes in the place of arrays."""

    def show(value: object) -> str:
        return f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else repr(value)

    parts = (f"{item.name}={show(getattr(record, item.name))}" for item in fields(record))
    return f"{type(record).__name__}({', '.join(parts)})"
