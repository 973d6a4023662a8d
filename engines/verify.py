"""A bundle under ONNX Runtime: against the network that it was exported from, and against another bundle on clips."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray

from engines.activations import without_integers
from engines.answers import answers
from engines.bundle import Bundle
from engines.data.public.manifest import Row
from engines.engine_set import EngineSet
from engines.export import open_checkpoint
from engines.models.rounding import round_weights
from engines.ort import OrtRunner
from engines.parity import Parity, compare, random_inputs
from engines.quantise import is_small
from engines.reference import reference_engines
from engines.spec import GRAPHS, TASKS, Array

#: Share of verdicts on clips that may come out otherwise than another bundle's.
MOST_FLIPS = 0.005
#: Largest difference of any output. float32 sums in another order differ by about 1e-6 here.
LOGIT_TOLERANCE = 1e-4


class Agreement(msgspec.Struct, frozen=True):
    """Of one task: how many of `verdicts` flip between two bundles, and the largest difference of their scores."""

    task: str
    verdicts: int
    flips: int
    worst: float

    @property
    def flip_rate(self) -> float:
        """In [0, 1]."""
        return self.flips / max(1, self.verdicts)


def is_faithful(parities: Mapping[str, Parity]) -> bool:
    """Whether graphs say what their network says: nothing beyond `LOGIT_TOLERANCE`, and no verdict flips."""
    return all(parity.worst <= LOGIT_TOLERANCE and parity.flips == 0 for parity in parities.values())


def compare_on_clips(
    one: Bundle, other: Bundle, folder: Path, rows: Sequence[Row], on_clip: Callable[[], None] = lambda: None
) -> list[Agreement]:
    """What two bundles decide of the same clips by the first one's calibration; `on_clip` twice for each clip.

    Scores are those of verdicts where the policy counts all categories. Raises `ValueError` when there are no clips.
    """
    if not rows:
        raise ValueError(f"{folder}: came no clips to compare on, expected some")
    scores = [one.calibration.scores(answers(bundle, folder, rows, on_clip).raised(one)) for bundle in (one, other)]
    thresholds_K = np.array([one.thresholds[task] for task in TASKS], np.float32)
    flips_K = ((scores[0] >= thresholds_K) != (scores[1] >= thresholds_K)).sum(0)
    worst_K = np.abs(scores[0] - scores[1]).max(0)
    return [Agreement(task, len(rows), int(flips_K[k]), float(worst_K[k])) for k, task in enumerate(TASKS)]


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
