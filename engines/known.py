"""What a bundle knows: is what a video shows, or sounds like, unlike all that the bundle was made with?

The tokens of a sense, averaged over the video, are seen along the main directions of the training clips, each divided
by its standard deviation there, and their mean cosine distance to the nearest training clips is compared with that of
validation clips, from which nothing was learnt. The novelty of a sense is the share of these that lie nearer: 0.99 says
that only one in a hundred ordinary clips is as far off.

Shape letters: N training clips, M validation clips, D embedding size, V directions, X tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from engines.active.index import Index
from engines.spec import MARKING

SCHEMA = "earshot-known/1"
#: Directions that are kept of the tokens, and training clips that a distance is the mean of. Chosen on things held out
#: beside those that docs/results/novelty reports on: half or twice as many directions find fewer sights.
DIRECTIONS, NEIGHBOURS = 48, 20
#: Training clips that are kept, evenly spaced where there are more: a quarter of a megabyte for each sense.
MOST_CLIPS = 5_000
#: Clips of each split without which no share of them says anything.
FEWEST_CLIPS = 20
#: Of the largest variance, below which a direction is rounding and no direction.
LEAST_VARIANCE = 1e-6

Float32 = NDArray[np.float32]


class TooFewClipsError(ValueError):
    """Raised when there are too few clips to say of any sense what is ordinary."""


class Sense:
    """One of `MARKING`: training clips in an index, and how far off validation clips are. Thread-safe.

    mean_D, change_DV: tokens -> directions. row_NV: int8, the training clips there; only their direction counts.
    far_M: float32, distances of the validation clips, in [0, 2], least first.
    """

    def __init__(self, mean_D: Float32, change_DV: Float32, row_NV: NDArray[np.int8], far_M: Float32) -> None:
        """Raises `ValueError` when the sizes do not fit each other."""
        (D,), (N, V) = mean_D.shape, row_NV.shape
        if change_DV.shape != (D, V) or not N or len(far_M) < FEWEST_CLIPS or (np.diff(far_M) < 0).any():
            raise ValueError(
                f"known clips: came directions {change_DV.shape}, {len(far_M)} distances and rows {(N, V)}, expected "
                f"directions {(D, V)}, {FEWEST_CLIPS} distances or more, least first, and rows"
            )
        self.mean_D, self.change_DV, self.row_NV, self.far_M = mean_D, change_DV, row_NV, far_M
        self._index = Index.of("known", [str(n) for n in range(N)], row_NV.astype(np.float32))

    @property
    def width(self) -> int:
        """D."""
        return len(self.mean_D)

    def distance(self, pooled_XD: Float32) -> Float32:
        """Mean cosine distance of each row to its nearest training clips, float32 (X,) in [0, 2]."""
        seen_XV = (pooled_XD - self.mean_D) @ self.change_DV
        far_X = np.ones(len(seen_XV), np.float32)  # the very middle has no direction, and is like nothing
        has_X = seen_XV.any(axis=1)
        if has_X.any():
            far_X[has_X] = 1 - self._index.search(seen_XV[has_X], NEIGHBOURS)[0].mean(axis=1)
        return far_X

    def novelty(self, pooled_XD: Float32) -> Float32:
        """Of each row, float32 (X,) in [0, 1): the share of the validation clips, and itself, that lie nearer."""
        nearer_X = np.searchsorted(self.far_M, self.distance(pooled_XD), "left")
        return np.asarray(nearer_X / (len(self.far_M) + 1), np.float32)


class Known:
    """The senses of which a bundle keeps clips, by the names of `MARKING`. Immutable, thread-safe."""

    def __init__(self, senses: Mapping[str, Sense]) -> None:
        self.senses = senses

    def novelty(self, pooled: Mapping[str, Float32]) -> dict[str, float]:
        """Of one video, from the senses that it has: float32 (D,) each, as of `pooled_tokens`; others take no part.

        One video at a time, so that the company of a batch changes no number.
        """
        there = {name: pooled[name] for name in self.senses if name in pooled}
        return {name: float(self.senses[name].novelty(pooled_D[None])[0]) for name, pooled_D in there.items()}

    def save(self, path: Path) -> None:
        """Write one file."""
        arrays: dict[str, NDArray[np.generic]] = {}
        for name, sense in self.senses.items():
            parts = (sense.mean_D, sense.change_DV, sense.row_NV, sense.far_M)
            arrays |= {f"{name}.{part}": np.ascontiguousarray(array) for part, array in zip(_PARTS, parts, strict=True)}
        path.write_bytes(save(arrays, {"schema": SCHEMA}))  # `save_file` makes files that others may not read

    @classmethod
    def load(cls, path: Path, names: Sequence[str], width: int) -> Self:
        """Raises `ValueError` when the file has not just these senses, or is for tokens of another width."""
        try:
            with safe_open(path, "numpy") as stored:
                if (came := (stored.metadata() or {}).get("schema")) != SCHEMA:
                    raise ValueError(f"{path.name}: came schema {came!r}, expected {SCHEMA}")
                expected = {f"{name}.{part}" for name in names for part in _PARTS}
                if (found := set(stored.keys())) != expected:
                    raise ValueError(f"{path.name}: has {sorted(found)}, expected {sorted(expected)}")
                arrays = {name: tuple(stored.get_tensor(f"{name}.{part}") for part in _PARTS) for name in names}
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{path.name}: no known clips: {error}") from error
        senses = {name: Sense(*parts) for name, parts in arrays.items()}
        for name, sense in senses.items():
            if sense.width != width:
                raise ValueError(
                    f"{path.name}: {name} came {sense.width} wide, expected {width} as the bundle's tokens"
                )
        return cls(senses)


_PARTS = ("mean", "directions", "rows", "distances")


def pooled_tokens(token_XD: NDArray[np.floating]) -> Float32:
    """The mean of a video's tokens of one sense, one or more, in half precision as they are kept: float32 (D,)."""
    return np.asarray(token_XD.astype(np.float16).mean(axis=0, dtype=np.float32), np.float32)


def direction(mean_D: Float32) -> NDArray[np.float16] | None:
    """Of such a mean, float16 (D,), unit norm; None where it has none."""
    norm = float(np.linalg.norm(mean_D))
    return (mean_D / norm).astype(np.float16) if norm > 0 else None


def joined(shares: Collection[float]) -> float | None:
    """Of a video by the senses that it has: the chance that all of as many senses of an ordinary clip lie nearer.

    The highest to the power of how many there are (Sidak 1967): one sense out of the ordinary is enough, and having
    more of them raises no more alarms. Exact where senses are independent. None without any.
    """
    return max(shares) ** len(shares) if shares else None


def fitted(pooled_ND: Float32, held_MD: Float32) -> Sense:
    """What is kept of training clips, with the distances of validation clips; rows as of `pooled_tokens`.

    Raises `ValueError` for training clips that are all alike.
    """
    mean_D = pooled_ND.mean(axis=0)
    variance_D, direction_DD = np.linalg.eigh(np.cov((pooled_ND - mean_D).astype(np.float64).T))
    variance_D, direction_DD = variance_D[::-1][:DIRECTIONS], direction_DD[:, ::-1][:, :DIRECTIONS]
    kept_D = variance_D > max(LEAST_VARIANCE * variance_D[0], np.finfo(np.float32).tiny)
    if not kept_D.any():
        raise ValueError(f"known clips: came {len(pooled_ND)} training clips that are all alike, expected unlike ones")
    change_DV = np.asarray(direction_DD[:, kept_D] / np.sqrt(variance_D[kept_D]), np.float32)
    places = np.unique(np.linspace(0, len(pooled_ND) - 1, min(MOST_CLIPS, len(pooled_ND))).astype(np.int64))
    row_NV = (pooled_ND[places] - mean_D) @ change_DV
    row_NV = row_NV[row_NV.any(axis=1)]
    small_NV = np.rint(127 * row_NV / np.abs(row_NV).max(axis=1, keepdims=True)).astype(np.int8)
    nothing_M = np.zeros(FEWEST_CLIPS, np.float32)
    far_M = Sense(mean_D, change_DV, small_NV, nothing_M).distance(held_MD)
    return Sense(mean_D, change_DV, small_NV, np.sort(far_M))


def known_of(train: Mapping[str, Float32], held: Mapping[str, Float32]) -> Known:
    """Both by the names of `MARKING`: float32 (N, D) and (M, D), only of clips that have the sense.

    A sense that too few clips have is not known. Raises `TooFewClipsError` where that is so of all.
    """
    counts = {name: (len(train[name]), len(held[name])) for name in MARKING}
    enough = [name for name, (trained, tried) in counts.items() if min(trained, tried) >= FEWEST_CLIPS]
    if not enough:
        raise TooFewClipsError(
            f"known clips: came {counts} for training and validation, expected {FEWEST_CLIPS} of both for one sense"
        )
    return Known({name: fitted(train[name], held[name]) for name in enough})
