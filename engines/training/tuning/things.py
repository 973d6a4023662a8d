"""Ties tokens to words while an arm is trained: each frame and window is to match the names of what is there.

A matching loss over pairs of the same clip and pairs that do not belong together (`engines.training.naming`); the rows
say what is seen and heard when.

Shape letters: N clips, F frames, W windows, P places or steps of each, Y things, D embedding size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.data.public.manifest import Span
from engines.models.arms import FusionInputs
from engines.spec import SEGMENTS
from engines.training.features import FeatureBatch, FeatureSet
from engines.training.naming import Naming, naming_loss

#: What a window of sound reaches to both sides of its middle, less what is too short to be heard in it.
HALF_WINDOW_SECONDS = 0.4


class Things(nn.Module):
    """The names of all that is seen, and of all that is heard, in training clips."""

    def __init__(self, features: FeatureSet, indices: NDArray[np.int64], size: int) -> None:
        super().__init__()
        self.rows = features.rows
        rows = [features.rows[int(index)] for index in indices]
        self.seen = sorted({span.thing for row in rows for span in row.seen})
        self.heard = sorted({span.thing for row in rows for span in row.heard})
        self.sights = Naming(features.tokenizer, [_words(thing) for thing in self.seen or ["nothing"]], size)
        self.sounds = Naming(features.tokenizer, [_words(thing) for thing in self.heard or ["nothing"]], size)

    def loss(
        self,
        text: nn.Module,
        tokens: FusionInputs,
        batch: FeatureBatch,
        clips: Sequence[int],
        sounds: Sequence[int],
        *,
        reads: Sequence[str],
        turn: int,
    ) -> Tensor:
        """Of clips with the sound of `sounds`, over the modalities that are read.

        Names are read as titles and as queries by turns.
        """
        segment = (0, len(SEGMENTS) - 1)[turn % 2]
        total = torch.zeros(())
        if "vision" in reads and self.seen:
            there_NXY = _there(self.seen, [self.rows[n].seen for n in clips], batch.vision_seconds_NF, 0.0)
            logits_NXY = self.sights(text, _apart(tokens.vision_NVD, batch.vision_mask_NF), segment)
            total = total + naming_loss(logits_NXY, there_NXY, batch.vision_mask_NF)
        if "audio" in reads and self.heard:
            spans = [self.rows[n].heard for n in sounds]
            there_NXY = _there(self.heard, spans, batch.audio_seconds_NW, HALF_WINDOW_SECONDS)
            logits_NXY = self.sounds(text, _apart(tokens.audio_NAD, batch.audio_mask_NW), segment)
            total = total + naming_loss(logits_NXY, there_NXY, batch.audio_mask_NW)
        return total


def _apart(tokens_NTD: Tensor, mask_NX: Tensor) -> Tensor:
    """(N, X, P, D)."""
    N, X = mask_NX.shape
    return tokens_NTD.reshape(N, X, -1, tokens_NTD.shape[-1])


def _there(things: Sequence[str], spans: Sequence[Sequence[Span]], seconds_NX: Tensor, reach: float) -> Tensor:
    """float32 (N, X, Y): 1 where a thing is there at that moment; NaN for clips of which nothing is known."""
    places = {thing: y for y, thing in enumerate(things)}
    there_NXY = torch.zeros((*seconds_NX.shape, len(things)))
    for n, row_spans in enumerate(spans):
        if not row_spans:
            there_NXY[n] = float("nan")
        for span in row_spans:
            if span.thing in places:
                at_X = (seconds_NX[n] + reach >= span.start_seconds) & (seconds_NX[n] - reach <= span.end_seconds)
                there_NXY[n, at_X, places[span.thing]] = 1
    return there_NXY


def _words(thing: str) -> str:
    return thing.replace("_", " ")
