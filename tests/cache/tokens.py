"""Tokens and coverage to seal, made from a seed."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamer.records import Coverage, Marks, Tokens

COVERAGE = Coverage(
    plan_id="plan-1",
    duration_seconds=30.0,
    frames=8,
    largest_gap_seconds=4.25,
    audio_seconds=12.0,
    audio_duration_seconds=29.5,
    damaged_packets=1,
    notes=("größte Lücke am Ende",),
)


def some_marks(T: int = 3, I: int = 3, R: int = 2, seed: int = 0) -> Marks:  # noqa: E741
    """I classes and R priors of each of T items."""
    rng = np.random.default_rng(seed)
    scores_TI = np.sort(rng.random((T, I)).astype(np.float32))[:, ::-1].copy()
    return Marks(rng.integers(0, 1000, (T, I), np.int32), scores_TI, rng.random((T, R)).astype(np.float32))


def mark_bits(marks: Marks) -> list[tuple[object, ...]]:
    """Everything in marks, signs of zero included."""
    arrays = (marks.classes_TI, marks.class_scores_TI, marks.priors_TR)
    return [(array.dtype, array.shape, array.tobytes()) for array in arrays]


def some_tokens(T: int = 3, P: int = 2, D: int = 16, seed: int = 0) -> Tokens:
    """T items of P tokens of D numbers."""
    rng = np.random.default_rng(seed)
    return Tokens(
        rng.standard_normal((T, P, D)).astype(np.float16),
        np.cumsum(rng.random((T, 2)), axis=0),
        rng.random((T, P)) < 0.8,
        some_marks(T, seed=seed),
    )


def same_tokens(a: Tokens, b: Tokens) -> bool:
    """Equal to the bit, signs of zero included."""
    pairs = ((a.values_TPD, b.values_TPD), (a.spans_T2, b.spans_T2), (a.mask_TP, b.mask_TP))
    same = all(x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in pairs)
    return same and mark_bits(a.marks) == mark_bits(b.marks)


@st.composite
def all_marks(draw: st.DrawFn, T: int) -> Marks:
    """Any marks of T items; most towers have none."""
    I, R = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))  # noqa: E741
    shares = st.floats(0, 1, width=32)
    return Marks(
        draw(hnp.arrays(np.int32, (T, I), elements=st.integers(0, 2**31 - 1))),
        draw(hnp.arrays(np.float32, (T, I), elements=shares)),
        draw(hnp.arrays(np.float32, (T, R), elements=shares)),
    )
