"""Inputs of chosen sizes: whole batches, each of their rows alone, and the sizes at which engines change.

Shape letters: N rows (F of the towers that look and listen), X places of any other free axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from engines.bundle import Bundle
from engines.gpu.traffic import longest
from engines.parity import random_inputs
from engines.runner import Runner
from engines.spec import SEGMENTS, Array, GraphSpec, Range

Lengths = Mapping[str, NDArray[np.int64]]


@runtime_checkable
class Bucketed(Protocol):
    """A runner that was built for some shapes and fills every call up to one of them."""

    @property
    def bucket_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Sizes of the free axes, in the order of the spec's ranges."""
        ...


def ranges(bundle: Bundle, graph: str) -> dict[str, Range]:
    """Of each free axis of a graph, as far as calls of this bundle go: so many frames, windows and words."""
    most = dict(zip(bundle.graphs[graph].ranges, longest(bundle)[graph], strict=True))
    return {
        axis: Range(sizes.minimum, min(sizes.optimum, most[axis]), most[axis])
        for axis, sizes in bundle.graphs[graph].ranges.items()
    }


def turning_points(bundle: Bundle, runner: Runner) -> dict[str, list[int]]:
    """By axis the sizes at which an engine may change how it runs: those of its buckets, else those the spec names."""
    found = {
        axis: {sizes.minimum, sizes.optimum, sizes.maximum} for axis, sizes in ranges(bundle, runner.spec.name).items()
    }
    if isinstance(runner, Bucketed):
        for shape in runner.bucket_shapes:
            for axis, size in zip(found, shape, strict=True):
                found[axis].add(size)
    return {axis: sorted(sizes) for axis, sizes in found.items()}


def around(sizes: Iterable[int], most: int) -> list[int]:
    """Each size, one less and one more, from 1 to `most`."""
    return sorted({near for size in sizes for near in (size - 1, size, size + 1) if 1 <= near <= most})


def random_batch(
    bundle: Bundle, graph: str, sizes: Mapping[str, int], rng: np.random.Generator
) -> tuple[dict[str, Array], Lengths]:
    """Random inputs whose rows are of unlike lengths, padded by zeros as in the stream; the first is the longest."""
    spec = bundle.graphs[graph]
    words = {"vocabulary": bundle.tokenizer.vocabulary_size, "segments": len(SEGMENTS)}
    inputs = random_inputs(spec, {**sizes, **words}, rng)
    rows = sizes[spec.row_axis]
    lengths = {axis: rng.integers(1, size + 1, rows) for axis, size in sizes.items() if axis != spec.row_axis}
    for tensor in spec.inputs:
        for axis, lengths_N in lengths.items():
            lengths_N[0] = sizes[axis]
            if axis in tensor.axes:
                there_NX = np.arange(sizes[axis]) < lengths_N[:, None]
                inputs[tensor.name] = _kept(inputs[tensor.name], there_NX)
    return inputs, lengths


def alone(inputs: Mapping[str, Array], lengths: Lengths, row: int, spec: GraphSpec) -> dict[str, Array]:
    """The inputs of one row, without any padding."""
    return {tensor.name: trimmed(inputs[tensor.name], lengths, row, tensor.axes) for tensor in spec.inputs}


def trimmed(array: Array, lengths: Lengths, row: int, axes: tuple[int | str, ...]) -> Array:
    """Of a tensor of many rows, that of one row without its padding; it keeps its row axis."""
    own = (slice(int(lengths[axis][row])) if axis in lengths else slice(None) for axis in map(str, axes[1:]))
    return np.ascontiguousarray(array[(slice(row, row + 1), *own)])


def _kept(array: Array, there_NX: NDArray[np.bool_]) -> Array:
    """Zeros, False for masks, where nothing is; True where a mask has something."""
    if array.dtype == np.bool_:
        return there_NX
    wide: NDArray[Any] = there_NX.reshape(there_NX.shape + (1,) * (array.ndim - 2))
    return np.where(wide, array, np.zeros((), array.dtype))
