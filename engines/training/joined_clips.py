"""Stored features of clips that are put after each other, as those of one long video that is looked at now and then.

Shape letters: N videos, X frames or windows, P places of each, C features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.training.features import CLIPS, FeatureBatch, FeatureSet, padded

#: Of a composed clip; a shorter one is followed by nothing for the rest.
PART_SECONDS = 4.0


def joined_batch(
    features: FeatureSet,
    videos: Sequence[Sequence[int]],
    said: Sequence[int],
    looks: int,
    windows: int,
    rng: np.random.Generator,
) -> FeatureBatch:
    """Videos of these clips, in order, each with the words of the clip `said`.

    Of each at most so many looks and windows: one in each equal part, by chance, where one is stored.
    """
    vision = [_spread(features, clips, "vision", looks, rng) for clips in videos]
    audio = [_spread(features, clips, "audio", windows, rng) for clips in videos]
    vision_NFPC, vision_mask_NF, vision_seconds_NF = padded(vision)
    audio_NWPC, audio_mask_NW, audio_seconds_NW = padded(audio)
    return replace(
        features.batch(said),
        vision_NFPC=vision_NFPC,
        vision_mask_NF=vision_mask_NF,
        vision_seconds_NF=vision_seconds_NF,
        audio_NWPC=audio_NWPC,
        audio_mask_NW=audio_mask_NW,
        audio_seconds_NW=audio_seconds_NW,
    )


def _spread(
    features: FeatureSet, clips: Sequence[int], modality: str, most: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Features (X, P, C) and seconds (X,) of what is taken."""
    stored = [features.stored(CLIPS, n, modality) for n in clips]
    values_XPC = torch.cat([values for values, _ in stored]).to(torch.float32)
    seconds_X = torch.cat([seconds + PART_SECONDS * at for at, (_, seconds) in enumerate(stored)])
    if len(values_XPC) <= most:
        return values_XPC, seconds_X
    taken = one_of_each(seconds_X.numpy(), PART_SECONDS * len(clips), most, rng)
    return values_XPC[taken], seconds_X[taken]


def one_of_each(
    seconds_X: NDArray[np.float32], length_seconds: float, parts: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Places, ascending: one, by chance, of those in each of so many equal parts of the length."""
    part_X = np.minimum(seconds_X / length_seconds * parts, parts - 1).astype(np.int64)
    order_X = rng.permutation(len(seconds_X))
    _, first = np.unique(part_X[order_X], return_index=True)
    return np.sort(order_X[first])
