"""What a bundle says of the labelled clips of a folder, through the engines that judge in the stream.

Shape letters: M clips, K tasks, R categories.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.active.kernel import probability
from engines.bundle import Bundle
from engines.data.decoding import decoded
from engines.data.public.manifest import RELEVANT, Row
from engines.opening import open_engines
from engines.scoring import ClipTokens, encode, judge_all
from engines.spec import TASKS
from engines.taught import TAUGHT

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Choice:
    """Which rows: of a split, without those that have a source of some kinds, of one tenant or of all."""

    split: str = "val"
    without: tuple[str, ...] = ()
    tenant: str | None = None

    def of(self, rows: Sequence[Row]) -> list[Row]:
        """In their order."""
        chosen = [row for row in rows if row.split == self.split and row.kinds.isdisjoint(self.without)]
        return [row for row in chosen if self.tenant is None or row.tenant == self.tenant]


@dataclass(frozen=True)
class Answers:
    """Logits, and labels 0, 1 or NaN, both float32 (M, K).

    priors: modality -> float32 (M, R) in [0, 1], NaN where a clip lacks the modality. taught: category -> float32 (M,)
    in [0, 1] likewise, what its head says.
    """

    logits_MK: Float32
    labels_MK: Float32
    priors: dict[str, Float32]
    taught: Mapping[str, Float32] = field(default_factory=dict)

    def known(self, task: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Logits and labels, both (M,), of the clips whose label is known."""
        k = TASKS.index(task)
        known_M = ~np.isnan(self.labels_MK[:, k])
        return self.logits_MK[known_M, k].astype(np.float64), self.labels_MK[known_M, k].astype(np.float64)

    def raised(self, bundle: Bundle) -> Float32:
        """Logits as verdicts rest on them where the policy counts all categories: a louder prior raises its task's."""
        raised_MK: Float32 = self.logits_MK.copy()
        for task, categories in bundle.calibration.categories.items():
            for category in categories:
                for m, logit in enumerate(self._loudest(bundle, task, category)):
                    raised_MK[m, TASKS.index(task)] = max(raised_MK[m, TASKS.index(task)], logit)
        return raised_MK

    def _loudest(self, bundle: Bundle, task: str, category: str) -> list[float]:
        columns = {
            modality: self.priors[modality][:, names.index(category)]
            for modality, names in bundle.priors.items()
            if category in names
        } | ({TAUGHT: self.taught[category]} if category in self.taught else {})
        loudest = []
        for m in range(len(self.logits_MK)):
            known = {modality: float(prior_M[m]) for modality, prior_M in columns.items() if not np.isnan(prior_M[m])}
            loudest.append(max(bundle.calibration.category_logits(task, category, known).values(), default=-np.inf))
        return loudest


def answers(bundle: Bundle, folder: Path, rows: Sequence[Row], on_clip: Callable[[], None] = lambda: None) -> Answers:
    """Decode and judge each clip; one that cannot be decoded is judged by its words. At least one row."""
    window_seconds = bundle.preprocessing.window_samples / bundle.preprocessing.sample_rate_hz
    tokens: list[ClipTokens] = []
    with open_engines(bundle) as engines:
        for row, clip in zip(rows, decoded(folder, rows, bundle.preprocessing), strict=True):
            tokens.append(encode(engines, bundle.tokenizer, clip, row.fields, window_seconds))
            on_clip()
        logits = [judgement.logits_K for judgement in judge_all(engines, tokens)]
    return collect(bundle, rows, logits, [beside(item) for item in tokens])


@dataclass(frozen=True, slots=True)
class Beside:
    """What judges a clip beside the network: priors (R,) of the modalities that it has, and its views."""

    priors: Mapping[str, Float32]
    views: Mapping[str, NDArray[np.float16]]


def beside(tokens: ClipTokens) -> Beside:
    """Of one clip."""
    return Beside(tokens.priors, tokens.views)


def collect(bundle: Bundle, rows: Sequence[Row], logits: Sequence[Float32], others: Sequence[Beside]) -> Answers:
    """What was said of each row: logits (K,), and what judges beside the network. At least one row."""
    priors = {
        modality: np.stack([one.priors.get(modality, np.full(len(names), np.nan, np.float32)) for one in others])
        for modality, names in bundle.priors.items()
    }
    views = [one.views for one in others]
    taught = {name: probability(head.logits(views)) for name, head in bundle.taught.heads.items()}
    return Answers(np.stack(logits), np.array([_labels(row) for row in rows], np.float32), priors, taught)


def _labels(row: Row) -> list[float]:
    relevance = row.labels.relevance
    is_relevant = None if relevance is None else relevance >= RELEVANT
    values = {"clickbait": row.labels.clickbait, "adult": row.labels.adult, "relevance": is_relevant}
    return [float("nan") if value is None else float(value) for value in map(values.__getitem__, TASKS)]
