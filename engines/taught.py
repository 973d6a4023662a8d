"""Categories that people taught a bundle with some dozen labels: heads on what each sense alone makes of a video.

A category that no tower and no training knows is told from the videos that people labelled: a logistic regression on
how alike a video is to each of them (`engines.active.kernel`), in the senses that decide. The graphs stay as they are.

Shape letters: L labelled videos, D embedding size, N videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from engines.active.kernel import KernelHead

SCHEMA = "earshot-taught/1"
#: Where a category's calibration is kept beside those of towers, which stand under their modality.
TAUGHT = "taught"
#: What a head may read: directions of mean tokens, as rows of a pool have them.
SENSES = ("vision", "audio", "text")

Float32 = NDArray[np.float32]
Views = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Head:
    """One category. mean_D: by sense that it reads, of unit-norm views; what is compared is what differs from it.

    row_LD: by sense, labelled videos less that mean, unit norm or zero. weight_L, bias: of `KernelHead`.
    """

    mean_D: Mapping[str, Float32]
    row_LD: Mapping[str, Float32]
    weight_L: Float32
    bias: float

    def __post_init__(self) -> None:
        L, parts = self.weight_L.size, [self.weight_L, *self.mean_D.values(), *self.row_LD.values()]
        fits = self.weight_L.ndim == 1 and set(self.mean_D) == set(self.row_LD) != set()
        for name, mean_D in self.mean_D.items():
            fits = fits and mean_D.ndim == 1 and self.row_LD[name].shape == (L, mean_D.size)
        if not L or not fits:
            shapes = {name: row_LD.shape for name, row_LD in self.row_LD.items()}
            raise ValueError(f"taught head: came rows {shapes} for {L} weights, expected a row of each sense for each")
        if not np.isfinite(self.bias) or not all(np.isfinite(part).all() for part in parts):
            raise ValueError("taught head: came numbers that are not finite, expected those of `earshot teach`")
        if not set(self.mean_D) <= set(SENSES):
            raise ValueError(f"taught head: came senses {sorted(self.mean_D)}, expected some of {', '.join(SENSES)}")

    @property
    def senses(self) -> tuple[str, ...]:
        """That it reads, in the order of `SENSES`."""
        return tuple(name for name in SENSES if name in self.mean_D)

    def logits(self, videos: Sequence[Views]) -> Float32:
        """float32 (N,): log odds under the labels it was taught with; NaN of a video without any of its senses.

        A sense that a video lacks is like nothing and speaks neither way.
        """
        features = {name: np.stack([self._apart(name, views) for views in videos]) for name in self.senses}
        together_NF = np.concatenate(list(features.values()), axis=1)
        knows_N = [any(name in views for name in self.senses) for views in videos]
        return np.where(knows_N, self._kernel.logits(together_NF), np.float32(np.nan)).astype(np.float32)

    @cached_property
    def _kernel(self) -> KernelHead:
        """Put together once: a worker asks it four times a video."""
        rows_LF = np.concatenate([self.row_LD[name] for name in self.senses], axis=1)
        widths = tuple(len(self.mean_D[name]) for name in self.senses)
        return KernelHead(widths, label_LF=rows_LF, weight_L=self.weight_L, bias=self.bias)

    def _apart(self, name: str, views: Views) -> Float32:
        return apart(views[name][None], self.mean_D[name])[0] if name in views else np.zeros_like(self.mean_D[name])


class Lesson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a category was taught with, for the manifest.

    labels: how many said no, and yes. share: of all videos, that are taken to be of the category. of: id of the bundle
    that the pool's views were of. graphs: what its views depend on. sha256: of pool and labels.
    """

    task: str
    senses: tuple[str, ...]
    labels: tuple[int, int]
    share: float
    of: str
    graphs: str
    sha256: str


class Taught:
    """Heads by the name of their category. Immutable, thread-safe."""

    def __init__(self, heads: Mapping[str, Head]) -> None:
        self.heads = heads

    def save(self, path: Path) -> None:
        """Write one file."""
        arrays: dict[str, NDArray[np.generic]] = {}
        for name, head in self.heads.items():
            arrays[f"{name}/weights"] = head.weight_L
            arrays[f"{name}/bias"] = np.array([head.bias], np.float32)
            for sense in head.senses:
                arrays[f"{name}/{sense}/mean"] = head.mean_D[sense]
                arrays[f"{name}/{sense}/rows"] = head.row_LD[sense].astype(np.float16)
        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        path.write_bytes(save(whole, {"schema": SCHEMA}))  # `save_file` makes files that others may not read

    @classmethod
    def load(cls, path: Path, senses: Mapping[str, Sequence[str]], width: int) -> Self:
        """senses: of each category. Raises `ValueError` when the file has not just these, or is of another width."""
        try:
            with safe_open(path, "numpy") as stored:
                if (came := (stored.metadata() or {}).get("schema")) != SCHEMA:
                    raise ValueError(f"{path.name}: came schema {came!r}, expected {SCHEMA}")
                if (found := set(stored.keys())) != (expected := _names(senses)):
                    raise ValueError(f"{path.name}: has {sorted(found)}, expected {sorted(expected)}")
                arrays = {name: stored.get_tensor(name) for name in expected}
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{path.name}: no taught categories: {error}") from error
        heads = {name: _head(arrays, name, read) for name, read in senses.items()}
        for name, head in heads.items():
            if any(len(mean_D) != width for mean_D in head.mean_D.values()):
                raise ValueError(f"{path.name}: {name} was taught on other views, expected {width} wide ones")
        return cls(heads)


def untaught(categories: Mapping[str, Mapping[str, dict[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """A calibration's categories, task -> category -> sense, without those that people taught."""
    return {task: {name: one for name, one in known.items() if TAUGHT not in one} for task, known in categories.items()}


def apart(view_ND: NDArray[np.floating], mean_D: Float32) -> Float32:
    """What is particular to each view, float32 (N, D): its direction from the mean, unit norm, or zero at the mean."""
    unit_ND = view_ND / np.maximum(np.linalg.norm(view_ND.astype(np.float32), axis=1, keepdims=True), 1e-12)
    away_ND = unit_ND.astype(np.float32) - mean_D
    return np.asarray(away_ND / np.maximum(np.linalg.norm(away_ND, axis=1, keepdims=True), 1e-6), np.float32)


def _names(senses: Mapping[str, Sequence[str]]) -> set[str]:
    of_senses = {
        f"{name}/{sense}/{part}" for name, read in senses.items() for sense in read for part in ("mean", "rows")
    }
    return of_senses | {f"{name}/{part}" for name in senses for part in ("weights", "bias")}


def _head(arrays: Mapping[str, NDArray[np.generic]], name: str, senses: Sequence[str]) -> Head:
    def part(key: str) -> Float32:
        return np.asarray(arrays[f"{name}/{key}"], np.float32)

    means, rows = ({sense: part(f"{sense}/{key}") for sense in senses} for key in ("mean", "rows"))
    if part("bias").shape != (1,):
        raise ValueError(f"taught head {name}: came a bias of shape {part('bias').shape}, expected one number")
    return Head(means, rows, part("weights"), float(part("bias")[0]))
