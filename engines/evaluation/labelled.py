"""How right a bundle is on labelled videos of anybody's: what its verdicts would be, beside what people said.

Shape letters: M clips, X those whose label is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from engines.answers import Answers, answers
from engines.bundle import Bundle
from engines.data.public.manifest import Row
from engines.evaluation.curve import Curve
from engines.evaluation.resampling import QUANTILE_95, Resampling
from engines.spec import TASKS

#: Labels of a kind without which there is no interval: so few resampled say hardly more than themselves.
FEWEST = 10


class Rightness(msgspec.Struct, frozen=True):
    """Of one task: average precision with its 95 % interval, and what its threshold does; shares in [0, 1].

    Chance is positives / clips. The interval takes clips of one group to err together, and is NaN with fewer than
    `FEWEST` labels of a kind. precision: NaN where none is called.
    """

    task: str
    clips: int
    positives: int
    average_precision: float
    low: float
    high: float
    threshold: float
    called: float
    precision: float
    recall: float


def evaluate_labelled(
    bundle: Bundle, folder: Path, rows: Sequence[Row], on_clip: Callable[[], None] = lambda: None
) -> list[Rightness]:
    """Of every task with labels of both kinds, through decoding and the bundle's engines. At least one row.

    Relevance counts as 1 from grade 2 on. Scores are those of verdicts where the policy counts all categories.
    """
    found = answers(bundle, folder, rows, on_clip)
    measured = (_of_task(bundle, found, rows, task) for task in TASKS)
    return [one for one in measured if one is not None]


def _of_task(bundle: Bundle, found: Answers, rows: Sequence[Row], task: str) -> Rightness | None:
    k, threshold = TASKS.index(task), bundle.thresholds[task]
    known_X = np.flatnonzero(~np.isnan(found.labels_MK[:, k]))
    labels_X = found.labels_MK[known_X, k]
    positives = int(labels_X.sum())
    if not 0 < positives < len(labels_X):
        return None
    scores_X = bundle.calibration.scores(found.raised(bundle))[known_X, k]
    value = float(Curve.of(labels_X, scores_X).average_precision()[0])
    spread = float("nan")
    if min(positives, len(labels_X) - positives) >= FEWEST:
        resampling = Resampling([rows[m].groups for m in known_X.tolist()])
        values_B = Curve.of(labels_X, scores_X, resampling.weights_BN).average_precision()
        spread = QUANTILE_95 * resampling.standard_error(values_B)
    is_called_X = scores_X >= threshold
    right = int((is_called_X & (labels_X == 1)).sum())
    return Rightness(
        task,
        len(labels_X),
        positives,
        value,
        float(np.maximum(0.0, value - spread)),
        float(np.minimum(1.0, value + spread)),
        threshold,
        float(is_called_X.mean()),
        right / int(is_called_X.sum()) if is_called_X.any() else float("nan"),
        right / positives,
    )
