"""How large tensors get on real clips, and where to cut them off: what scales are made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from engines.spec import Array

Batches = Sequence[Mapping[str, Array]]
Float32 = NDArray[np.float32]

#: Values of one tensor that are looked at, drawn evenly from all batches.
_SAMPLE = 262_144
#: Magnitudes are sorted into this many bins of equal width.
_BINS = 2048
#: Candidates for where to cut off, as shares of the greatest magnitude.
_SHARES = np.geomspace(1.0, 0.05, 60)


@dataclass
class Seen:
    """Of one tensor: its greatest magnitude, and magnitudes drawn at random."""

    most: float = 0.0
    drawn: list[Float32] = field(default_factory=list)

    def cut(self, levels: float) -> float:
        """The magnitude that becomes `levels`, an integer: the one with the least squared error of rounding.

        Cutting off outliers costs them dearly and makes every other value finer. 0 when all values are 0.
        """
        counts, edges = np.histogram(np.concatenate(self.drawn), _BINS, (0.0, self.most or 1.0))
        middles = (edges[:-1] + edges[1:]) / 2
        cuts = self.most * _SHARES
        steps = np.maximum(cuts, np.finfo(np.float32).tiny)[:, None] / levels
        errors = (np.minimum(np.rint(middles / steps), levels) * steps - middles) ** 2
        return float(cuts[(errors @ counts).argmin()])


def run(model: onnx.ModelProto, batches: Batches, names: Sequence[str]) -> Iterator[list[Array]]:
    """These tensors of a graph for each batch, on ONNX Runtime's CPU.

    Graphs are not rewritten for speed beyond what leaves rounding as it stands in them. Memory holds all tensors of a
    batch: batches of few rows.
    """
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    given = {value.name for value in model.graph.output}
    opened.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in given)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = onnxruntime.InferenceSession(opened.SerializeToString(), options, providers=["CPUExecutionProvider"])
    for batch in batches:
        yield session.run(list(names), dict(batch))


def seen(model: onnx.ModelProto, batches: Batches, names: Sequence[str]) -> dict[str, Seen]:
    """What these float32 tensors look like. The same batches always give the same."""
    rng = np.random.default_rng(0)
    found = {name: Seen() for name in names}
    quota = -(-_SAMPLE // len(batches))
    for arrays in run(model, batches, names):
        for name, array in zip(names, arrays, strict=True):
            magnitudes = np.abs(array).reshape(-1).astype(np.float32)
            found[name].most = max(found[name].most, float(magnitudes.max(initial=0.0)))
            some = magnitudes if magnitudes.size <= quota else magnitudes[rng.integers(0, magnitudes.size, quota)]
            found[name].drawn.append(some)
    return found
