"""Which products go into 8 bits, and with what scales: measured on real clips, one product at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from engines.precision.choice import FP16, chosen
from engines.precision.eight import INT8, Eight, candidates, quantised
from engines.precision.graph import FLOAT, View
from engines.precision.ranges import Batches, run, seen
from engines.spec import Array

#: Of an output's variance, what 8 bits may add as noise.
MOST_NOISE = 0.002
#: Batches that each product is tried on.
_TRIED = 8
#: Below this, and above 1 less this, probabilities are all alike.
_LEAST_PROBABILITY = 0.001

#: Output -> share of its variance.
Noise = dict[str, float]


def calibrated(
    model: onnx.ModelProto, eight: Eight, batches: Batches, on_product: Callable[[], None] = lambda: None
) -> dict[int, float]:
    """Ordinal -> clip of the products of a plain float32 graph to compute in 8 bits, as `quantised` takes them.

    Each candidate is put into 8 bits by itself, and the noise that it brings to each output is measured. Noise of
    different products adds up, near enough; so those that bring most stay in 16 bits until what the others bring
    together is at most `MOST_NOISE` at every output.
    """
    view = View(model)
    inputs = candidates(view, eight, chosen(view, FP16))
    ranges = seen(model, batches, sorted(set(inputs.values())))
    cuts = {name: found.cut(eight.most) if eight is INT8 else found.most for name, found in ranges.items()}
    # A scale that 16 bits cannot hold well is none.
    clips = {ordinal: cuts[name] for ordinal, name in inputs.items() if cuts[name] / eight.most >= FP16.least}
    tried = [
        batches[place] for place in np.linspace(0, len(batches) - 1, min(_TRIED, len(batches))).round().astype(int)
    ]
    exact = _outputs(model, tried)
    noise: dict[int, Noise] = {}
    for ordinal, clip in clips.items():
        noise[ordinal] = noise_between(exact, _outputs(quantised(model, {ordinal: clip}, eight), tried))
        on_product()
    return {ordinal: clips[ordinal] for ordinal in _quiet(noise)}


def _quiet(noise: Mapping[int, Noise]) -> list[int]:
    """The products that are left when the loudest are taken out, one by one, where the sum is too loud."""
    left = dict(noise)
    while left:
        total = {name: sum(each[name] for each in left.values()) for name in next(iter(left.values()))}
        loudest = max(total, key=total.__getitem__)
        if total[loudest] <= MOST_NOISE:
            break
        del left[max(left, key=lambda ordinal: left[ordinal][loudest])]
    return list(left)


def _outputs(model: onnx.ModelProto, batches: Batches) -> dict[str, list[Array]]:
    names = [value.name for value in model.graph.output if value.type.tensor_type.elem_type == FLOAT]
    return dict(zip(names, map(list, zip(*run(model, batches, names), strict=True)), strict=True))


def noise_between(exact: Mapping[str, list[Array]], came: Mapping[str, list[Array]]) -> Noise:
    """Mean squared difference of each output over its variance; both have the same batches.

    Outputs that never leave [0, 1] are compared as logits: of probabilities that are nearly all 0, the variance would
    say nothing.
    """
    noise = {}
    for name, arrays in exact.items():
        flat, other = _flat(arrays), _flat(came[name])
        if flat.min(initial=0.0) >= 0 and flat.max(initial=0.0) <= 1:
            flat, other = _logits(flat), _logits(other)
        noise[name] = float(((flat - other) ** 2).mean() / max(flat.var(), np.finfo(np.float32).tiny))
    return noise


def _flat(arrays: list[Array]) -> NDArray[np.float64]:
    return np.concatenate([array.reshape(-1) for array in arrays]).astype(np.float64)


def _logits(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    inner = np.clip(probabilities, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    logits: NDArray[np.float64] = np.log(inner / (1 - inner))
    return logits
