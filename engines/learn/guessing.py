"""Pseudo-labels for training clips, guessed by the current bundle from stored features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np

from engines.bundle import Bundle
from engines.data.public.manifest import Row
from engines.learn.pseudo import PseudoOptions, guess
from engines.learn.rows import Guessing
from engines.learn.stored import batches, judge_stored
from engines.spec import TASKS
from engines.training.features import TRAIN, FeatureSet

#: Labels of yes and no; relevance is graded, and a grade is no probability.
GUESSED = ("clickbait", "adult")


def guesser(
    bundle: Bundle,
    features: FeatureSet,
    options: PseudoOptions,
    progress: Callable[[str, int], AbstractContextManager[Callable[..., None]]],
) -> Guessing:
    """Guesses labels that training rows lack; of validation clips, which calibrate and choose, nothing is guessed."""

    def guessing(rows: Sequence[Row]) -> Mapping[str, Mapping[str, int]]:
        places = [n for n, row in enumerate(rows) if row.split == TRAIN]
        if not places:
            return {}
        with progress("guess", batches(len(places))) as advance:
            said = judge_stored(bundle, features.folder, places, advance)
        score_NK = bundle.calibration.scores(said.logits_NK)
        found: dict[str, dict[str, int]] = {}
        for task in GUESSED:
            values = [getattr(rows[n].labels, task) for n in places]
            label_N = np.array([np.nan if value is None else value for value in values], np.float32)
            guesses = guess(said.embedding_ND, score_NK[:, TASKS.index(task)], label_N, options)
            pairs = zip(guesses.places_M.tolist(), guesses.labels_M.tolist(), strict=True)
            found[task] = {rows[places[place]].clip_id: int(label) for place, label in pairs}
        return found

    return guessing
