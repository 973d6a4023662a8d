"""The tensors between the stream and the engines: names, dtypes, axes and the sizes engines are built for.

Axis letters: F frames or windows (of any number of videos, back to back), N videos, C,H,W channel, height, width,
S samples, P tokens of one frame or window, L text tokens, V vision tokens, A audio tokens, D embedding size, K tasks,
I most probable classes, R priors.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]

#: The order of the fusion network's logits.
TASKS = ("clickbait", "adult", "relevance")

#: Text fields, in the order of their segment ids.
SEGMENTS = ("title", "description", "hashtags", "query")

GRAPHS = ("vision", "audio", "text", "fusion")

#: What an engine computes in; a graph says it type by type (`engines.precision`).
Precision = Literal["fp32", "fp16", "bf16", "int8", "fp8"]

#: The graphs that may mark what they see or hear, beside their tokens.
MARKING = ("vision", "audio")

#: How many of the most probable classes of a frame or window a graph gives.
MARKED_CLASSES = 3


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output: axes are fixed sizes (int) or named and free (str)."""

    name: str
    dtype: str
    axes: tuple[int | str, ...]

    def check(self, array: Array, sizes: dict[str, int]) -> None:
        """Raise `ValueError` unless the array has this dtype and shape; `sizes` ties equal letters together."""
        if array.dtype != np.dtype(self.dtype) or array.ndim != len(self.axes):
            raise ValueError(f"{self.name}: came {array.dtype}{array.shape}, expected {self.dtype}{self.axes}")
        for axis, size in zip(self.axes, array.shape, strict=True):
            want = axis if isinstance(axis, int) else sizes.setdefault(axis, size)
            if size != want:
                raise ValueError(f"{self.name}: came {array.shape}, expected {self.axes} with {axis}={want}")

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape where the named axes have these sizes."""
        return tuple(axis if isinstance(axis, int) else sizes[axis] for axis in self.axes)


@dataclass(frozen=True, slots=True)
class Range:
    """The sizes of one free axis that engines are built for."""

    minimum: int
    optimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """Inputs and outputs of one graph, and the range of each free axis."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    ranges: Mapping[str, Range]

    @property
    def row_axis(self) -> str:
        """The axis that batches run along: the first of every input and output."""
        return str(self.inputs[0].axes[0])

    def check_inputs(self, inputs: Mapping[str, Array]) -> None:
        """Raise `ValueError` naming the tensor, what came and what was expected."""
        expected = {spec.name for spec in self.inputs}
        if set(inputs) != expected:
            raise ValueError(f"{self.name}: came inputs {sorted(inputs)}, expected {sorted(expected)}")
        sizes: dict[str, int] = {}
        for spec in self.inputs:
            spec.check(inputs[spec.name], sizes)


def graph_specs(
    frame_pixels: int,
    window_samples: int,
    embedding_size: int,
    *,
    classes: Collection[str] = (),
    priors: Mapping[str, int] | None = None,
) -> dict[str, GraphSpec]:
    """The four graphs of every bundle; a bundle differs only in these sizes and its token counts.

    classes: those of `MARKING` that name what they see or hear; they have two more outputs: `classes_FI`, indices of
        the most probable classes, most probable first, and `class_scores_FI`, their probabilities in [0, 1].
    priors: for those of `MARKING` that judge by themselves, how many categories: one more output, `priors_FR`,
        probabilities in [0, 1] that the frame or window shows or sounds like each.
    """
    D = embedding_size
    frames = TensorSpec("frames_FCHW", "uint8", ("F", 3, frame_pixels, frame_pixels))
    windows = TensorSpec("windows_FS", "float32", ("F", window_samples))
    marked = {
        name: (
            TensorSpec("tokens_FPD", "float32", ("F", "P", D)),
            *_marks(name in classes, (priors or {}).get(name, 0)),
        )
        for name in MARKING
    }
    text = (
        TensorSpec("ids_NL", "int64", ("N", "L")),
        TensorSpec("segments_NL", "int64", ("N", "L")),
        TensorSpec("mask_NL", "bool", ("N", "L")),
    )
    media, batch = Range(1, 64, 512), Range(1, 16, 64)
    return {
        "vision": GraphSpec("vision", (frames,), marked["vision"], {"F": media}),
        "audio": GraphSpec("audio", (windows,), marked["audio"], {"F": media}),
        "text": GraphSpec(
            "text", text, (TensorSpec("tokens_NLD", "float32", ("N", "L", D)),), {"N": batch, "L": Range(1, 32, 128)}
        ),
        "fusion": GraphSpec(
            "fusion",
            _fusion_inputs(D),
            _fusion_outputs(D),
            {"N": batch, "V": Range(1, 128, 8192), "A": Range(1, 64, 1024), "L": Range(1, 32, 128)},
        ),
    }


def _marks(classes: bool, priors: int) -> tuple[TensorSpec, ...]:
    named = (
        TensorSpec("classes_FI", "int64", ("F", MARKED_CLASSES)),
        TensorSpec("class_scores_FI", "float32", ("F", MARKED_CLASSES)),
    )
    judged = (TensorSpec("priors_FR", "float32", ("F", priors)),)
    return (named if classes else ()) + (judged if priors else ())


def _fusion_inputs(D: int) -> tuple[TensorSpec, ...]:
    return (
        TensorSpec("vision_NVD", "float32", ("N", "V", D)),
        TensorSpec("vision_mask_NV", "bool", ("N", "V")),
        TensorSpec("vision_seconds_NV", "float32", ("N", "V")),
        TensorSpec("audio_NAD", "float32", ("N", "A", D)),
        TensorSpec("audio_mask_NA", "bool", ("N", "A")),
        TensorSpec("audio_seconds_NA", "float32", ("N", "A")),
        TensorSpec("text_NLD", "float32", ("N", "L", D)),
        TensorSpec("text_mask_NL", "bool", ("N", "L")),
    )


def _fusion_outputs(D: int) -> tuple[TensorSpec, ...]:
    K = len(TASKS)
    return (
        TensorSpec("logits_NK", "float32", ("N", K)),
        TensorSpec("embedding_ND", "float32", ("N", D)),
        TensorSpec("novelty_N", "float32", ("N",)),
        TensorSpec("vision_weight_NKV", "float32", ("N", K, "V")),
        TensorSpec("audio_weight_NKA", "float32", ("N", K, "A")),
        TensorSpec("text_weight_NKL", "float32", ("N", K, "L")),
    )
