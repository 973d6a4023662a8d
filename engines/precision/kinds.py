"""The types of 16 and of 8 bits, and what each is for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from engines.spec import Array


@dataclass(frozen=True)
class Half:
    """A float of 16 bits: its name and number in ONNX, the opset that takes it, its least normal and greatest value.

    exact: types whose every value it holds and that TensorRT casts to it (`NvInferRuntimeBase.h`: uint8 only to
        float32 and float16).
    """

    name: str
    element: int
    opset: int
    least: float
    most: float
    exact: frozenset[int]

    def holds(self, constant: Array) -> bool:
        """Whether a constant keeps its meaning: no value overflows, and not all are lost to the least normal one.

        Masks (-1e9, -inf) and guards against division by zero (1e-12) do not keep it.
        """
        return bool((np.abs(constant) <= self.most).all()) and (
            constant.size == 0 or not constant.any() or float(np.abs(constant).max()) >= self.least
        )


_UINT8, _BOOL = onnx.TensorProto.UINT8, onnx.TensorProto.BOOL
#: IEEE 754 binary16, and the upper half of binary32.
FP16 = Half("float16", onnx.TensorProto.FLOAT16, 1, 2.0**-14, 65504.0, frozenset({_UINT8, _BOOL}))
BF16 = Half("bfloat16", onnx.TensorProto.BFLOAT16, 22, 2.0**-126, 3.3895313892515355e38, frozenset({_BOOL}))


@dataclass(frozen=True)
class Eight:
    """A type of 8 bits: its name and number in ONNX, its greatest value, and what is computed in it.

    per_channel: weights have a scale for each output channel, else one for the tensor.
    """

    name: str
    element: int
    most: float
    operators: frozenset[str]
    per_channel: bool


#: -128 is left out, so that a value and its negative are rounded alike (arXiv 2004.09602, 3.1).
INT8 = Eight("int8", onnx.TensorProto.INT8, 127.0, frozenset({"Conv", "MatMul", "Gemm"}), True)
#: e4m3 without infinities (arXiv 2209.05433, 3). TensorRT has few convolutions in it: they stay in 16 bits.
FP8 = Eight("float8", onnx.TensorProto.FLOAT8E4M3FN, 448.0, frozenset({"MatMul", "Gemm"}), False)
