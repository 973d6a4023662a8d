"""A bundle under ONNX Runtime against the network that it was exported from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from engines.activations import without_integers
from engines.bundle import Bundle
from engines.engine_set import EngineSet
from engines.export import open_checkpoint
from engines.models.rounding import round_weights
from engines.ort import OrtRunner
from engines.parity import Parity, compare, random_inputs
from engines.quantise import is_small
from engines.reference import reference_engines
from engines.spec import GRAPHS, TASKS, Array

#: Largest difference of any output. float32 sums in another order differ by about 1e-6 here.
LOGIT_TOLERANCE = 1e-4


def is_faithful(parities: Mapping[str, Parity]) -> bool:
    """Whether graphs say what their network says: nothing beyond `LOGIT_TOLERANCE`, and no verdict flips."""
    return all(parity.worst <= LOGIT_TOLERANCE and parity.flips == 0 for parity in parities.values())


def verify_bundle(bundle: Bundle, checkpoint: Path, *, batches: int, seed: int) -> dict[str, Parity]:
    """Compare graph by graph on random batches of 1 to 20 rows; verdicts are counted on fusion.

    What computes in integers is compared with its activations in float32: their ranges were measured on clips, and
    random pixels are none. `compare_on_clips` says what integers change.
    """
    network, _ = open_checkpoint(checkpoint)
    for name in GRAPHS:
        if is_small(bundle.graph_path(name)):
            round_weights(network.get_submodule(name), convolutions=name in bundle.integers)
    thresholds_K = np.array([bundle.thresholds[task] for task in TASKS], np.float32)

    def decide(outputs: Mapping[str, Array]) -> NDArray[np.bool_]:
        return bundle.calibration.scores(np.asarray(outputs["logits_NK"], np.float32)) >= thresholds_K

    rng = np.random.default_rng(seed)
    sizes = [_draw_sizes(rng, bundle) for _ in range(batches)]
    parities = {}
    with _in_floats(bundle) as engines, reference_engines(network) as reference:
        for name in GRAPHS:
            inputs = [random_inputs(bundle.graphs[name], size, rng) for size in sizes]
            judge = decide if name == "fusion" else None
            parities[name] = compare(getattr(engines, name), getattr(reference, name), inputs, judge)
    return parities


@contextmanager
def _in_floats(bundle: Bundle) -> Iterator[EngineSet]:
    with tempfile.TemporaryDirectory() as scratch:
        paths = {name: bundle.graph_path(name) for name in GRAPHS}
        for name in bundle.integers:
            plain = without_integers(onnx.load(paths[name]))
            paths[name] = Path(scratch) / f"{name}.onnx"
            onnx.save(plain, paths[name])
        with EngineSet(**{name: OrtRunner(path, bundle.graphs[name]) for name, path in paths.items()}) as engines:
            yield engines


def _draw_sizes(rng: np.random.Generator, bundle: Bundle) -> dict[str, int]:
    return {
        "F": int(rng.integers(1, 21)),
        "N": int(rng.integers(1, 21)),
        "V": int(rng.integers(1, 129)),
        "A": int(rng.integers(1, 65)),
        "L": int(rng.integers(1, bundle.preprocessing.max_text_tokens + 1)),
        "vocabulary": bundle.tokenizer.vocabulary_size,
        "segments": 4,
    }
