"""Categories: the parts of a task's score that towers judge by themselves, and when they outweigh the network. Pure.

The highest prior of a video's frames or windows speaks for a category, through the category's own calibration. A task's
logit is the highest of the fusion network's and of those categories that the policy counts: a network that was never
shown such a scene cannot talk down a tower that knows it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engines.calibration import Calibration
from streamer.records import TASKS, Category, Float32, Fused, Modality, Task


@dataclass(frozen=True)
class Categories:
    """What a bundle knows by itself, and what of it the policy counts.

    priors: modality -> names of the columns of its marks' `priors_TR`.
    counted: task -> categories that raise its score; a task that is not named here counts all of its own.
    """

    calibration: Calibration
    priors: Mapping[Modality, Sequence[str]] = field(default_factory=dict)
    counted: Mapping[Task, Collection[str]] = field(default_factory=dict)

    def of(self, fused: Fused) -> tuple[tuple[Category, ...], ...]:
        """Of each task, those of which the video's modalities know something."""
        return tuple(
            tuple(
                category
                for name in self.calibration.categories.get(task, {})
                if (category := self._category(task, name, fused)) is not None
            )
            for task in TASKS
        )

    def _category(self, task: Task, name: str, fused: Fused) -> Category | None:
        prior_T = {
            modality: fused.marks_of(modality).priors_TR[:, names.index(name)]
            for modality, names in self.priors.items()
            if name in names and len(fused.spans_of(modality))
        }
        highest = {str(modality): float(series_T.max()) for modality, series_T in prior_T.items()}
        logits = self.calibration.category_logits(task, name, highest)
        if not logits:
            return None
        logits_M = np.array([logits.get(modality, -np.inf) for modality in Modality], np.float32)
        loudest = tuple(Modality)[int(logits_M.argmax())]
        logits_1K = np.full((1, len(TASKS)), logits_M.max(), np.float32)
        return Category(
            name=name,
            logits_M=logits_M,
            score=float(self.calibration.scores(logits_1K)[0, TASKS.index(task)]),
            modality=loudest,
            prior_T=prior_T[loudest],
            counted=task not in self.counted or name in self.counted[task],
        )


def raised(logits_K: Float32, categories: Sequence[Sequence[Category]], without: Modality | None = None) -> Float32:
    """float32 (K,): the highest of each task's logit and of its counted categories.

    without: a modality whose knowledge is left aside; where the video lacks it anyway, that changes nothing.
    """
    others_M = np.array([modality is not without for modality in Modality])
    highest = [
        max([logit, *(float(each.logits_M[others_M].max()) for each in known if each.counted)])
        for logit, known in zip(logits_K.tolist(), categories, strict=True)
    ]
    return np.array(highest, np.float32)
