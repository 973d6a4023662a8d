"""Do two engines say the same? The largest error of any output, and the share of verdicts that come out otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.spec import Array, GraphSpec, TensorSpec

Function = Callable[[Mapping[str, Array]], Mapping[str, Array]]


class Parity(msgspec.Struct, frozen=True):
    """`errors`: largest absolute difference by output. `flips` of `verdicts` decisions differ."""

    errors: dict[str, float]
    verdicts: int
    flips: int

    @property
    def worst(self) -> float:
        """Largest error of all outputs."""
        return max(self.errors.values())

    @property
    def flip_rate(self) -> float:
        """Share of verdicts that differ, in [0, 1]."""
        return self.flips / self.verdicts if self.verdicts else 0.0


def compare(
    left: Function,
    right: Function,
    batches: Iterable[Mapping[str, Array]],
    decide: Callable[[Mapping[str, Array]], NDArray[np.bool_]] | None = None,
) -> Parity:
    """Run both on every batch. `decide` turns outputs into yes or no; without it no verdicts are counted.

    Indices of classes are not compared: of equally probable ones either may come first. Their probabilities are.
    Raises `ValueError` when there is no batch or the two have different outputs.
    """
    errors: dict[str, float] = {}
    verdicts = flips = 0
    for batch in batches:
        one, other = left(batch), right(batch)
        if {name: array.shape for name, array in one.items()} != {name: array.shape for name, array in other.items()}:
            raise ValueError(f"parity: came outputs {sorted(one)} and {sorted(other)} of unlike names or shapes")
        for name in one.keys() - {"classes_FI"}:
            errors[name] = max(errors.get(name, 0.0), _difference(one[name], other[name]))
        if decide is not None:
            different = decide(one) != decide(other)
            verdicts, flips = verdicts + different.size, flips + int(different.sum())
    if not errors:
        raise ValueError("parity: came no batch, expected one or more")
    return Parity(errors, verdicts, flips)


def random_inputs(spec: GraphSpec, sizes: Mapping[str, int], rng: np.random.Generator) -> dict[str, Array]:
    """Inputs that fit the spec: any pixel, loud noise, ids below `sizes["vocabulary"]`; about a quarter is masked."""
    return {tensor.name: _random(tensor, sizes, rng) for tensor in spec.inputs}


def _random(tensor: TensorSpec, sizes: Mapping[str, int], rng: np.random.Generator) -> Array:
    shape = [axis if isinstance(axis, int) else sizes[axis] for axis in tensor.axes]
    if tensor.dtype == "uint8":
        return rng.integers(0, 256, shape, np.uint8)
    if tensor.dtype == "int64":
        return rng.integers(0, sizes["segments" if tensor.name.startswith("segments") else "vocabulary"], shape)
    if tensor.dtype == "bool":
        mask = rng.random(shape) < 0.75
        mask[:, 0] = True
        return mask
    if "seconds" in tensor.name:
        return np.sort(rng.uniform(0, 60, shape), axis=-1).astype(np.float32)
    return rng.standard_normal(shape).astype(np.float32).clip(-1, 1)


def _difference(one: Array, other: Array) -> float:
    difference = np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64))
    return float("inf") if np.isnan(difference).any() else float(difference.max(initial=0.0))
