"""Tokens and coverage to seal, made from a seed."""

from __future__ import annotations

import numpy as np

from streamer.records import Coverage, Tokens

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


def some_tokens(T: int = 3, P: int = 2, D: int = 16, seed: int = 0) -> Tokens:
    """T items of P tokens of D numbers."""
    rng = np.random.default_rng(seed)
    return Tokens(
        rng.standard_normal((T, P, D)).astype(np.float16),
        np.cumsum(rng.random((T, 2)), axis=0),
        rng.random((T, P)) < 0.8,
    )


def same_tokens(a: Tokens, b: Tokens) -> bool:
    """Equal to the bit, signs of zero included."""
    pairs = ((a.values_TPD, b.values_TPD), (a.spans_T2, b.spans_T2), (a.mask_TP, b.mask_TP))
    return all(x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in pairs)
