"""Tells single frames and windows which of them make a clip restricted, where rows say when that is.

A clip's label alone says that something in it decides, not what: a sight of 0.8 s among eight frames is learnt from far
more examples. Rows without spans of what is there tell nothing, and their clips do not count.

Shape letters: N clips, X frames or windows of a clip, P places of each, D embedding size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.data.public.manifest import Modality, Row
from engines.models.arms import FusionInputs, moments_of
from engines.spec import TASKS
from engines.training.features import FeatureBatch
from engines.training.tuning.things import during

RESTRICTED = TASKS.index("adult")


def spotting_loss(
    body: nn.Module,
    tokens: FusionInputs,
    batch: FeatureBatch,
    pictures: Sequence[Row],
    sounds: Sequence[Row],
) -> Tensor:
    """Mean cross-entropy of the moments that an arm judges, over those of which anything is known; 0 without any.

    pictures, sounds: the rows that each clip's frames and windows are of.
    """
    total = torch.zeros(())
    sides: dict[Modality, tuple[Tensor, Tensor, Tensor, Sequence[Row]]] = {
        "vision": (tokens.vision_NVD, batch.vision_mask_NF, batch.vision_seconds_NF, pictures),
        "audio": (tokens.audio_NAD, batch.audio_mask_NW, batch.audio_seconds_NW, sounds),
    }
    for modality, moments in moments_of(body).items():
        tokens_NTD, mask_NX, seconds_NX, rows = sides[modality]
        N, X = mask_NX.shape
        truth_NX = restricted_moments(rows, seconds_NX, modality)
        said_NX = moments.of_each(tokens_NTD.reshape(N, X, -1, tokens_NTD.shape[-1]))[..., RESTRICTED]
        known_NX = mask_NX & ~truth_NX.isnan()
        losses_NX = functional.binary_cross_entropy_with_logits(said_NX, truth_NX.nan_to_num(), reduction="none")
        total = total + (losses_NX * known_NX).sum() / known_NX.sum().clamp(min=1)
    return total


def restricted_moments(rows: Sequence[Row], seconds_NX: Tensor, modality: Modality) -> Tensor:
    """float32 (N, X): 1 where what restricts a clip is seen or heard, 0 elsewhere; NaN where nothing is known of it."""
    truth_NX = np.zeros(seconds_NX.shape, np.float32)
    for n, (row, seconds_X) in enumerate(zip(rows, seconds_NX.numpy(), strict=True)):
        if not (row.seen or row.heard):
            truth_NX[n] = np.nan
        for span in row.spans:
            if span.modality == modality:
                truth_NX[n][during(span, seconds_X, modality)] = 1
    return torch.from_numpy(truth_NX)
