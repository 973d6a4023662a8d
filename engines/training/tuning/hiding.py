"""What training hides of a clip, so that no arm leans on one modality or one feature alone.

What is hidden of a clip in an epoch depends on seed, epoch and clip alone: it is the same however a batch is split
among processes, and after a run was interrupted.

Shape letters: N clips, F frames, P places of a frame, C features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engines.spec import SEGMENTS, TASKS
from engines.training.features import FeatureBatch, FeatureSet, drawn_version
from engines.training.tuning.remix import Remixer

TITLE, QUERY = SEGMENTS.index("title"), SEGMENTS.index("query")


@dataclass(frozen=True, kw_only=True)
class HidingOptions:
    """Shares in [0, 1] of clips without a modality and of features set to zero; places of a frame that are kept.

    rough: of clips whose sound is one of the augmented versions, where there are any. title: of clips that have lost
    their title alone.
    """

    audio: float = 0.15
    vision: float = 0.05
    text: float = 0.05
    title: float = 0.1
    features: float = 0.1
    places: int = 2
    rough: float = 0.4


@dataclass(frozen=True)
class Example:
    """Clips in training: features, targets (N, K), and for each the clip that its sound is of."""

    batch: FeatureBatch
    targets_NK: Tensor
    sounds: Sequence[int]


def hidden_batch(
    features: FeatureSet,
    indices: Sequence[int],
    options: HidingOptions,
    *,
    seed: int,
    epoch: int,
    remixer: Remixer | None = None,
) -> Example:
    """These clips as training sees them in that epoch."""
    rngs = [np.random.default_rng([seed, epoch, index]) for index in indices]
    targets_NK = features.targets_NK[list(indices)]
    sounds, text = list(indices), None
    if remixer is not None:
        remixed = [remixer.draw(index, rng) for index, rng in zip(indices, rngs, strict=True)]
        sounds, text = [item.sound for item in remixed], [item.fields for item in remixed]
        targets_NK = np.stack([item.targets_K for item in remixed])
    versions = [drawn_version(features, index, rng, options.rough) for index, rng in zip(sounds, rngs, strict=True)]
    batch = features.batch(indices, list(zip(versions, sounds, strict=True)), text)
    hidden = _hidden(batch, rngs, options)
    return Example(hidden, _still_true(torch.from_numpy(targets_NK), batch, hidden), sounds)


def _still_true(targets_NK: Tensor, whole: FeatureBatch, hidden: FeatureBatch) -> Tensor:
    """Who sees no title was promised nothing; and nothing is known of relevance to a query that nobody reads."""
    targets_NK = targets_NK.clone()
    lost_NL = whole.text_mask_NL & ~hidden.text_mask_NL
    promised_N = (lost_NL & (whole.segments_NL == TITLE)).any(1)
    asked_N = (lost_NL & (whole.segments_NL == QUERY)).any(1)
    clickbait, relevance = TASKS.index("clickbait"), TASKS.index("relevance")
    targets_NK[promised_N, clickbait] = targets_NK[promised_N, clickbait].clamp(max=0)  # unknown stays unknown
    targets_NK[asked_N, relevance] = torch.nan
    return targets_NK


def _hidden(batch: FeatureBatch, rngs: Sequence[np.random.Generator], options: HidingOptions) -> FeatureBatch:
    places_NFP = _some_places(batch.vision_NFPC, rngs, options.places)
    vision_NFPC = batch.vision_NFPC.gather(2, places_NFP[..., None].expand(-1, -1, -1, batch.vision_NFPC.shape[-1]))
    there = {
        name: torch.tensor([bool(rng.random() >= share) for rng in rngs])[:, None]
        for name, share in (
            ("vision", options.vision),
            ("audio", options.audio),
            ("text", options.text),
            ("title", options.title),
        )
    }
    return replace(
        batch,
        vision_NFPC=vision_NFPC * _kept(vision_NFPC.shape[-1], rngs, options.features),
        vision_mask_NF=batch.vision_mask_NF & there["vision"],
        audio_NWPC=batch.audio_NWPC * _kept(batch.audio_NWPC.shape[-1], rngs, options.features),
        audio_mask_NW=batch.audio_mask_NW & there["audio"],
        text_mask_NL=batch.text_mask_NL & there["text"] & (there["title"] | (batch.segments_NL != TITLE)),
        places_NFP=places_NFP,
    )


def _some_places(vision_NFPC: Tensor, rngs: Sequence[np.random.Generator], places: int) -> Tensor:
    """int64 (N, F, `places`): others of each frame, as neighbouring places see much the same."""
    _, F, P, _ = vision_NFPC.shape
    order_NFP = np.stack([rng.random((F, P)) for rng in rngs]).argsort(-1)
    return torch.from_numpy(np.sort(order_NFP[..., :places], -1))


def _kept(count: int, rngs: Sequence[np.random.Generator], share: float) -> Tensor:
    """(N, 1, 1, C): 0 for features that a clip is without, else what keeps the mean."""
    kept_NC = np.stack([rng.random(count, np.float32) >= share for rng in rngs])
    return torch.from_numpy(kept_NC.astype(np.float32) / max(1 - share, 1e-6))[:, None, None]
