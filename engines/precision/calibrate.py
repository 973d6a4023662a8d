"""Which products go into 8 bits, and with what scales: measured on real clips, one tensor at a time.

Chosen by these numbers, with ONNX Runtime on a CPU: the starter's eye and ear in int8, ranges from 64 frames or windows
of training clips, cosines of tokens (of their mean) to float32 over 96 of validation clips.

| all products in int8, weights rounded to the nearest | eye, 105 products | ear, 29 products |
|---|---|---|
| activations cut at the greatest magnitude | 0.9945 (0.9959) | 0.9890 (0.9922) |
| at the 99.9th percentile | 0.9899 (0.9918) | 0.9811 (0.9832) |
| at the 99.99th percentile | 0.9949 (0.9961) | 0.9915 (0.9933) |
| where the squared error is least | 0.9948 (0.9961) | 0.9907 (0.9932) |
| the same, and biases corrected by the mean error on 32 training frames | 0.9963 (0.9972) | 0.9906 (0.9930) |

| cut where the squared error is least, errors of weights cancel | eye | ear |
|---|---|---|
| all but ends whose sizes engines refuse | 103: 0.9971 (0.9979) | 27: 0.9912 (0.9932) |
| noise of at most 0.01 | 99: 0.9971 (0.9979) | 12: 0.9990 (0.9991) |
| 0.005 | 87: 0.9989 (0.9992) | 8: 0.9994 (0.9995) |
| 0.002 | 68: 0.9993 (0.9995) | 4: 0.9997 (0.9997) |

Of 400 validation clips, verdicts of (clickbait, adult, relevance) that came out otherwise with both towers so:
(2, 7, 6), (0, 5, 2), (0, 4, 3) and (0, 2, 3); with 0.001, where 49 and 2 products are left, (0, 4, 0). Biases are not
corrected: with the four loudest tensors out it moved the eye from 0.9992 to 0.9993.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from engines.precision.choice import chosen
from engines.precision.eight import candidates, quantised
from engines.precision.graph import FLOAT, View
from engines.precision.kinds import FP16, INT8, Eight
from engines.precision.ranges import Batches, run, seen
from engines.spec import Array

#: Of an output's variance, what 8 bits may add as noise.
MOST_NOISE = 0.002
#: Batches that each tensor is tried on.
_TRIED = 4
#: Below this, and above 1 less this, probabilities are all alike.
_LEAST_PROBABILITY = 0.001

#: Output -> share of its variance.
Noise = dict[str, float]
#: Called with how many tensors have been tried, and of how many.
OnTried = Callable[[int, int], None]


def nobody(done: int, total: int) -> None:
    """Takes no notice of progress."""


def calibrated(
    model: onnx.ModelProto, eight: Eight, batches: Batches, most_noise: float, on_tried: OnTried = nobody
) -> dict[int, float]:
    """Ordinal -> clip of the products of a plain float32 graph to compute in 8 bits, as `quantised` takes them.

    The products that read one tensor are put into 8 bits by themselves, and the noise that they bring to each output
    is measured. Noise of different tensors adds up, near enough; so those that bring most stay in 16 bits until what
    the others bring together is at most `most_noise` of the variance of every output.
    """
    view = View(model)
    sources = candidates(view, eight, chosen(view, FP16))
    clips = _clips(model, eight, batches, sorted(set(sources.values())))
    tried = [
        batches[place] for place in np.linspace(0, len(batches) - 1, min(_TRIED, len(batches))).round().astype(int)
    ]
    exact = _outputs(model, tried)
    noise: dict[str, Noise] = {}
    for done, (name, clip) in enumerate(clips.items(), start=1):
        alone = {ordinal: clip for ordinal, source in sources.items() if source == name}
        noise[name] = noise_between(exact, _outputs(quantised(model, alone, eight), tried))
        on_tried(done, len(clips))
    quiet = quiet_together(noise, most_noise)
    return {ordinal: clips[name] for ordinal, name in sources.items() if name in quiet}


def _clips(model: onnx.ModelProto, eight: Eight, batches: Batches, names: list[str]) -> dict[str, float]:
    """Where to cut off the tensors whose scales 16 bits can hold."""
    ranges = seen(model, batches, names) if names else {}
    clips = {name: found.cut(eight.most) if eight is INT8 else found.most for name, found in ranges.items()}
    return {name: clip for name, clip in clips.items() if clip / eight.most >= FP16.least}


def quiet_together(noise: Mapping[str, Noise], most_noise: float) -> set[str]:
    """What is left when the loudest are taken out, one by one, where the sum is too loud."""
    left = dict(noise)
    while left:
        total = {name: sum(each[name] for each in left.values()) for name in next(iter(left.values()))}
        loudest = max(total, key=total.__getitem__)
        if total[loudest] <= most_noise:
            break
        del left[max(left, key=lambda source: left[source][loudest])]
    return set(left)


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
