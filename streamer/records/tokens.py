"""What towers make of one video or text.

Shape letters: T frames, windows or text fields, P tokens of each, L tokens of a text, D embedding size,
I most probable classes, R priors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.records.arrays import Float16, Float32, Float64, Int32, Int64, shape_of, shapes_shown


@dataclass(frozen=True, slots=True)
class Text:
    """The event's words as the text encoder takes them: int64 ids and segment ids of L tokens, L >= 1."""

    ids_L: Int64
    segments_L: Int64


@dataclass(frozen=True, slots=True)
class Marks:
    """What a tower knows by itself of each frame or window, beside its tokens.

    classes_TI: int32, indices of the most probable classes, most probable first; I = 0 where the tower names nothing.
    class_scores_TI: float32, their probabilities in [0, 1].
    priors_TR: float32 in [0, 1], that it shows or sounds like each of the bundle's priors; R = 0 where there are none.
    """

    classes_TI: Int32
    class_scores_TI: Float32
    priors_TR: Float32

    def __post_init__(self) -> None:
        T, I = shape_of("classes_TI", self.classes_TI, np.int32, 2)  # noqa: E741
        scores = shape_of("class_scores_TI", self.class_scores_TI, np.float32, 2)
        priors = shape_of("priors_TR", self.priors_TR, np.float32, 2)
        if scores != (T, I) or priors[0] != T:
            raise ValueError(f"Marks: classes {(T, I)} with scores {scores} and priors {priors}; one row each")

    @property
    def whole(self) -> bool:
        """Whether every index and probability is one."""
        shares = (self.class_scores_TI, self.priors_TR)
        return bool((self.classes_TI >= 0).all()) and all(((x >= 0) & (x <= 1)).all() for x in shares)

    def rows(self, start: int, end: int) -> Marks:
        """Those of some of the frames or windows."""
        return Marks(self.classes_TI[start:end], self.class_scores_TI[start:end], self.priors_TR[start:end])

    @classmethod
    def none(cls, T: int) -> Marks:
        """Of T frames, windows or texts of which nothing is known by name."""
        return cls(np.zeros((T, 0), np.int32), np.zeros((T, 0), np.float32), np.zeros((T, 0), np.float32))

    def __repr__(self) -> str:
        return shapes_shown(self)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token embeddings of one modality of one video.

    values_TPD: float16, P tokens for each of T frames, windows or text fields. Half precision on every path, so
        that a cached value and a fresh one are the same bits.
    spans_T2: float64 seconds [start, end] of each; a frame is an instant; all zero for text.
    mask_TP: bool, False where a token is padding.
    marks: of each frame or window; of a text there are none.
    """

    values_TPD: Float16
    spans_T2: Float64
    mask_TP: NDArray[np.bool_]
    marks: Marks

    def __post_init__(self) -> None:
        T, P, _ = shape_of("values_TPD", self.values_TPD, np.float16, 3)
        for name, array, want in (("spans_T2", self.spans_T2, (T, 2)), ("mask_TP", self.mask_TP, (T, P))):
            if array.shape != want:
                raise ValueError(f"{name}: came {array.shape}, expected {want} beside values {(T, P)}")
        if len(self.marks.classes_TI) != T:
            raise ValueError(f"marks: came {len(self.marks.classes_TI)} rows, expected {T} beside values {(T, P)}")

    def __repr__(self) -> str:
        return shapes_shown(self)
