"""Precision lives in the graph: one rewrite each to float32, float16, bfloat16, int8 and float8.

Engines compile what a graph says, type by type (TensorRT calls such networks strongly typed), so a rewrite is proven
once, numerically and without a GPU, and holds for every engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import onnx

from engines.precision.calibrate import MOST_NOISE, OnTried, calibrated, nobody
from engines.precision.eight import quantised
from engines.precision.fit import fit_for_tensorrt
from engines.precision.half import in_half, simulated
from engines.precision.kinds import BF16, FP8, FP16, INT8, Eight, Half
from engines.precision.plain import as_float
from engines.precision.report import layers_by_precision
from engines.spec import Array, Precision

__all__ = ["PRECISIONS", "at_precision", "fit_for_tensorrt", "layers_by_precision", "simulated"]

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
HALVES: dict[Precision, Half] = {"fp16": FP16, "bf16": BF16}
EIGHTS: dict[Precision, Eight] = {"int8": INT8, "fp8": FP8}


def at_precision(
    model: onnx.ModelProto,
    precision: Precision,
    batches: Sequence[Mapping[str, Array]] = (),
    *,
    most_noise: float = MOST_NOISE,
    on_tried: OnTried = nobody,
) -> onnx.ModelProto:
    """A copy of a graph that computes in a precision. Inputs and outputs keep names, types and shapes.

    model: of a bundle, or any float32 graph without branches.
    batches: inputs of real clips, of a few rows each, which int8 and fp8 are calibrated on. What each tensor costs is
        measured on four of them, spread evenly: minutes for a large graph, which `on_tried` counts.
    most_noise: share of each output's variance that 8 bits may add; what would add more stays in 16.
    Raises `ValueError` for an unknown precision, for one that needs batches without any, and for graphs that are
    quantised otherwise than bundles are.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision: came {precision!r}, expected one of {list(PRECISIONS)}")
    if precision in EIGHTS and not batches:
        raise ValueError(f"{precision}: came no batches, expected inputs of real clips to measure ranges on")
    plain = as_float(model)
    if precision == "fp32":
        return plain
    if precision in HALVES:
        return in_half(plain, HALVES[precision])
    eight = EIGHTS[precision]
    return quantised(in_half(plain, FP16), calibrated(plain, eight, batches, most_noise, on_tried), eight)
