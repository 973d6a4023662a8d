"""One case's calibrated answer.

Shape letters: T frames or windows, K tasks, M modalities.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamer.records.arrays import Float32, shapes_shown
from streamer.records.fused import Fused
from streamer.records.terms import TASKS, Modality


@dataclass(frozen=True, slots=True)
class Category:
    """A named part of a task's score, judged beside the fusion network: by towers alone, or as people taught it.

    logit: the task's logit that is as likely as the category. without_M: float32, the same without modality m; -inf
        where the others know nothing of it. score: calibrated probability in [0, 1].
    modality, prior_T: which says most for it, and the float32 prior in [0, 1] of each of its frames or windows; empty
        where the modality as a whole says so.
    counted: whether the policy lets it raise the task's score.
    """

    name: str
    logit: float
    without_M: Float32
    score: float
    modality: Modality
    prior_T: Float32
    counted: bool

    def __repr__(self) -> str:
        return shapes_shown(self)


@dataclass(frozen=True, slots=True)
class Scores:
    """One case's calibrated answer, with what it was made from.

    logits_K: float32, the fusion network's or, where that is higher, the highest of the task's counted categories.
    scores_K: float32 probabilities in [0, 1], those of `logits_K`.
    network_K: float32 probabilities in [0, 1], by the fusion network alone.
    attribution_KM: float32, the logit minus that without modality m; zero where m is missing anyway.
    without_KM: float32, the score without modality m; the score itself where m is missing anyway.
    categories: of each task, in the bundle's order; without those of which the video's modalities know nothing.
    """

    fused: Fused
    logits_K: Float32
    scores_K: Float32
    network_K: Float32
    attribution_KM: Float32
    without_KM: Float32
    categories: tuple[tuple[Category, ...], ...]

    def __post_init__(self) -> None:
        vectors = (self.logits_K, self.scores_K, self.network_K)
        if any(vector.shape != self.fused.logits_K.shape for vector in vectors) or len(self.categories) != len(TASKS):
            raise ValueError(
                f"Scores: {self.scores_K.shape} with {len(self.categories)} tasks' categories; {self.fused}"
            )
        if self.without_KM.shape != self.fused.without_KM.shape:
            raise ValueError(f"Scores: without {self.without_KM.shape}; of {self.fused}")

    def carrier(self, k: int) -> Category | None:
        """The category that the score of task k is that of; None where it is the fusion network's own."""
        counted = [category for category in self.categories[k] if category.counted]
        loudest = max(counted, key=lambda category: category.logit, default=None)
        return loudest if self.logits_K[k] > self.fused.logits_K[k] else None

    def __repr__(self) -> str:
        return shapes_shown(self)
