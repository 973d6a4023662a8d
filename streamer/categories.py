"""Categories: the parts of a task's score that are judged beside the network, and when they outweigh it. Pure.

The highest prior of a video's frames or windows speaks for a category that a tower knows; for one that people taught
the bundle, how alike the video is to those that they labelled. Either goes through the category's own calibration. A
task's logit is the highest of the fusion network's and of those categories that the policy counts: a network that was
never shown such a scene cannot talk down who knows it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engines.calibration import Calibration
from engines.taught import TAUGHT, Head, Taught
from streamer.records import TASKS, Category, Float32, Fused, Modality, Task

_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Categories:
    """What a bundle knows by itself, and what of it the policy counts.

    priors: modality -> names of the columns of its marks' `priors_TR`.
    counted: task -> categories that raise its score; a task that is not named here counts all of its own.
    taught: heads of the categories that no tower has a prior for.
    """

    calibration: Calibration
    priors: Mapping[Modality, Sequence[str]] = field(default_factory=dict)
    counted: Mapping[Task, Collection[str]] = field(default_factory=dict)
    taught: Taught = field(default_factory=lambda: Taught({}))

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
        head = self.taught.heads.get(name)
        return self._by_towers(task, name, fused) if head is None else self._by_people(task, name, head, fused)

    def _by_towers(self, task: Task, name: str, fused: Fused) -> Category | None:
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
        without_M = np.array([np.delete(logits_M, m).max() for m in range(len(Modality))], np.float32)
        return self._said(task, name, float(logits_M.max()), without_M, loudest, prior_T[loudest])

    def _by_people(self, task: Task, name: str, head: Head, fused: Fused) -> Category | None:
        """Of the whole video, and of it without each modality in turn: what matters most is missed most."""
        views = {modality.value: view_D for modality, view_D in fused.views.items()}
        fewer = [{sense: view_D for sense, view_D in views.items() if sense != left_out} for left_out in Modality]
        logit, *others = (self._logit(task, name, said) for said in head.logits([views, *fewer]).tolist())
        if logit == -np.inf:
            return None
        read = [modality for modality in Modality if modality in head.senses and modality in fused.views]
        missed = min(read, key=lambda modality: others[tuple(Modality).index(modality)])
        return self._said(task, name, logit, np.array(others, np.float32), missed, _NOTHING)

    def _logit(self, task: Task, name: str, said: float) -> float:
        """The task's logit that is as likely as what a head said; -inf where it knows nothing."""
        if np.isnan(said):
            return -np.inf
        return self.calibration.category_logits(task, name, {TAUGHT: float(1 / (1 + np.exp(-said)))})[TAUGHT]

    def _said(
        self, task: Task, name: str, logit: float, without_M: Float32, modality: Modality, prior_T: Float32
    ) -> Category:
        logits_1K = np.full((1, len(TASKS)), logit, np.float32)
        score = float(self.calibration.scores(logits_1K)[0, TASKS.index(task)])
        counted = task not in self.counted or name in self.counted[task]
        return Category(name, logit, without_M, score, modality, prior_T, counted)


def raised(logits_K: Float32, categories: Sequence[Sequence[Category]], without: Modality | None = None) -> Float32:
    """float32 (K,): the highest of each task's logit and of its counted categories.

    without: a modality whose knowledge is left aside; where the video lacks it anyway, that changes nothing.
    """

    def logit_of(category: Category) -> float:
        return category.logit if without is None else float(category.without_M[tuple(Modality).index(without)])

    highest = [
        max([logit, *(logit_of(each) for each in known if each.counted)])
        for logit, known in zip(logits_K.tolist(), categories, strict=True)
    ]
    return np.array(highest, np.float32)
