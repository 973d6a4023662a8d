"""Specs refuse what does not fit, naming the tensor, what came and what was expected."""

from __future__ import annotations

import numpy as np
import pytest

from engines.ort import spec_fault
from engines.spec import TensorSpec, graph_specs

SPECS = graph_specs(frame_pixels=8, window_samples=20, embedding_size=4)


def text_inputs(L: int = 3) -> dict[str, np.ndarray]:
    return {
        "ids_NL": np.zeros((2, L), np.int64),
        "segments_NL": np.zeros((2, L), np.int64),
        "mask_NL": np.ones((2, L), np.bool_),
    }


def test_fitting_inputs_pass() -> None:
    SPECS["text"].check_inputs(text_inputs())
    SPECS["vision"].check_inputs({"frames_FCHW": np.zeros((5, 3, 8, 8), np.uint8)})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"text: came inputs \[\], expected \['ids_NL', 'mask_NL', 'segments_NL'\]"),
        (text_inputs() | {"more": np.zeros(1)}, "came inputs"),
        (text_inputs() | {"ids_NL": np.zeros((2, 3), np.int32)}, r"ids_NL: came int32\(2, 3\), expected int64"),
        (text_inputs() | {"ids_NL": np.zeros(3, np.int64)}, r"ids_NL: came int64\(3,\)"),
        (text_inputs() | {"mask_NL": np.ones((2, 4), np.bool_)}, r"mask_NL: came \(2, 4\).*L=3"),
    ],
    ids=["none", "too many", "dtype", "rank", "unequal axes"],
)
def test_unfitting_inputs_are_named(inputs: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SPECS["text"].check_inputs(inputs)


def test_fixed_axis_counts() -> None:
    with pytest.raises(ValueError, match=r"frames_FCHW: came \(1, 3, 8, 9\)"):
        SPECS["vision"].check_inputs({"frames_FCHW": np.zeros((1, 3, 8, 9), np.uint8)})


def found(spec_name: str, **changes: TensorSpec) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
    spec = SPECS[spec_name]
    inputs = {tensor.name: changes.get(tensor.name, tensor) for tensor in spec.inputs}
    return inputs, {tensor.name: changes.get(tensor.name, tensor) for tensor in spec.outputs}


def test_a_file_may_fix_the_tokens_of_a_frame_but_not_the_batch() -> None:
    fixed_tokens = TensorSpec("tokens_FPD", "float32", ("F", 16, 4))
    fixed_batch = TensorSpec("frames_FCHW", "uint8", (1, 3, 8, 8))
    assert spec_fault(SPECS["vision"], *found("vision", tokens_FPD=fixed_tokens)) is None
    fault = spec_fault(SPECS["vision"], *found("vision", frames_FCHW=fixed_batch))
    assert fault is not None
    assert "(1, 3, 8, 8), expected uint8('F', 3, 8, 8)" in fault
