"""Whether a shot is heard in a quiet track, and whether the verdict says when: read from verdicts.

Shape letters: P pairs, B replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.data.public.manifest import Row
from engines.evaluation.verdicts import DECIDED, Evidence, Line

#: How far a span may be from the sound.
NEAR_SECONDS = 1.0
REPLICATES, SEED = 1000, 0


class Share(msgspec.Struct, frozen=True):
    """A share with its 95 % interval, by bootstrap over pairs."""

    value: float
    low: float
    high: float


class Found(msgspec.Struct, frozen=True):
    """auc: of a shot and any everyday sound, how often the shot scores higher. paired: over the same pictures only.

    sound_first, span_right: shots of which sound is the heaviest evidence, and whose heaviest span of sound is right.
    """

    pairs: int
    auc: Share
    paired: Share
    sound_first: int
    span_right: int


def measure(rows: Sequence[Row], lines: Sequence[Line]) -> Found:
    """Raises `ValueError` when a clip has no decided verdict on `adult`."""
    verdicts = {Path(line.file).name: line for line in lines if line.task == "adult" and line.state == DECIDED}
    missing = [str(row.file) for row in rows if Path(str(row.file)).name not in verdicts]
    if missing:
        raise ValueError(
            f"verdicts: came none on `adult` of {len(missing)} clips, such as {missing[0]}; judge all of them"
        )
    logits: dict[bool, list[float]] = {True: [], False: []}
    sound_first = span_right = 0
    for row in sorted(rows, key=lambda row: row.clip_id):
        line = verdicts[Path(str(row.file)).name]
        logits[bool(row.labels.adult)].append(float(line.logit if line.logit is not None else np.nan))
        if row.labels.adult:
            heaviest = sorted(line.evidence, key=lambda piece: -piece.weight)
            sound_first += bool(heaviest) and heaviest[0].modality == "audio"
            span_right += _is_near(next((piece for piece in heaviest if piece.modality == "audio"), None), row)
    shots_P, everyday_P = (np.array(logits[kind]) for kind in (True, False))
    if shots_P.shape != everyday_P.shape or not shots_P.size:
        raise ValueError(f"clips: came {shots_P.size} shots and {everyday_P.size} everyday sounds, expected pairs")
    wins_PP = _wins(shots_P[:, None], everyday_P[None])
    draws_BP = np.random.default_rng(SEED).integers(0, shots_P.size, (REPLICATES, shots_P.size))
    auc_B = np.array([wins_PP[np.ix_(draw_P, draw_P)].mean() for draw_P in draws_BP])
    paired_P = wins_PP.diagonal()
    return Found(
        shots_P.size,
        _share(float(wins_PP.mean()), auc_B),
        _share(float(paired_P.mean()), paired_P[draws_BP].mean(1)),
        sound_first,
        span_right,
    )


def _wins(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where the first is higher, a half where they are equal."""
    return np.where(first == second, 0.5, (first > second).astype(np.float64))


def _share(value: float, value_B: NDArray[np.float64]) -> Share:
    low, high = np.quantile(value_B, (0.025, 0.975)).tolist()
    return Share(value, low, high)


def _is_near(piece: Evidence | None, row: Row) -> bool:
    if piece is None or piece.start_ms is None or piece.end_ms is None:
        return False
    (sound,) = row.spans
    starts_early_enough = piece.start_ms / 1000 <= sound.end_seconds + NEAR_SECONDS
    return starts_early_enough and piece.end_ms / 1000 >= sound.start_seconds - NEAR_SECONDS
