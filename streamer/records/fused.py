"""What the fusion network says of one case.

Shape letters: T frames or windows, D embedding size, K tasks, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streamer.records.arrays import Float16, Float32, Float64, shape_of, shapes_shown
from streamer.records.terms import TASKS, Modality
from streamer.records.tokens import Marks


@dataclass(frozen=True, slots=True)
class Attention:
    """What one case's logits rest on, per task: weights in [0, 1] that sum to at most 1 over all modalities.

    vision_KT, audio_KT: float32, weight of each frame and window; zero of them when the video has none.
    text_K: float32, weight of the text as a whole.
    vision_spans_T2, audio_spans_T2: float64 seconds [start, end] of each frame and window.
    """

    vision_KT: Float32
    audio_KT: Float32
    text_K: Float32
    vision_spans_T2: Float64
    audio_spans_T2: Float64

    def __post_init__(self) -> None:
        for name in ("vision", "audio"):
            weights_KT, spans_T2 = getattr(self, f"{name}_KT"), getattr(self, f"{name}_spans_T2")
            K, T = shape_of(f"{name}_KT", weights_KT, np.float32, 2)
            if len(TASKS) != K or spans_T2.shape != (T, 2):
                raise ValueError(
                    f"Attention: {name} weights {(K, T)} with spans {spans_T2.shape}; "
                    f"expected {len(TASKS)} tasks and one span for each weight"
                )

    def __repr__(self) -> str:
        return shapes_shown(self)


@dataclass(frozen=True, slots=True)
class Fused:
    """What the fusion network said of one case; all that has to be remembered to decide again.

    logits_K: float32 before calibration.
    without_KM: float32 logits without modality m (order of `Modality`); the logits themselves where m is missing.
    embedding_D: float32, unit norm, for nearest neighbours.
    novelty: of each modality that the video has and the bundle keeps training clips of, in [0, 1), single precision:
        the share of ordinary clips that lie nearer to them.
    views: of each modality that has tokens, the direction of their mean, float16 (D,), unit norm.
    vision_marks, audio_marks: what the towers said of each frame and window of `attention`.
    """

    logits_K: Float32
    without_KM: Float32
    embedding_D: Float32
    novelty: Mapping[Modality, float]
    views: Mapping[Modality, Float16]
    attention: Attention
    vision_marks: Marks
    audio_marks: Marks

    def __post_init__(self) -> None:
        (K,) = shape_of("logits_K", self.logits_K, np.float32, 1)
        if len(TASKS) != K or self.without_KM.shape != (K, len(Modality)):
            raise ValueError(
                f"Fused: logits {(K,)}, without {self.without_KM.shape}; "
                f"expected {len(TASKS)} tasks and {len(Modality)} modalities"
            )
        for modality, view_D in self.views.items():
            if shape_of(f"views.{modality}", view_D, np.float16, 1) != self.embedding_D.shape:
                raise ValueError(f"Fused: view of {modality} {view_D.shape}, embedding {self.embedding_D.shape}")
        for modality in (Modality.VISION, Modality.AUDIO):
            spans_T2, marks = self.spans_of(modality), self.marks_of(modality)
            if len(spans_T2) != len(marks.classes_TI):
                raise ValueError(f"Fused: {marks} of {modality} with {len(spans_T2)} spans; expected one row each")

    def marks_of(self, modality: Modality) -> Marks:
        """What the tower said of each frame (vision) or window (audio)."""
        return self.vision_marks if modality is Modality.VISION else self.audio_marks

    def spans_of(self, modality: Modality) -> Float64:
        """Seconds [start, end] of each frame (vision) or window (audio)."""
        attention = self.attention
        return attention.vision_spans_T2 if modality is Modality.VISION else attention.audio_spans_T2

    def __repr__(self) -> str:
        return shapes_shown(self)


@dataclass(frozen=True, slots=True)
class Fusion:
    """What the fusion network said of cases, in their order."""

    cases: tuple[Fused, ...]
    engine_ms: float  # wall time in the fusion engine, for all cases
