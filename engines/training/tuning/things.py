"""Ties tokens to words while an arm is trained: each frame and window is to match the names of what is there.

A matching loss over pairs of the same clip and pairs that do not belong together (`engines.training.naming`); the rows
say what is seen and heard when.

Shape letters: N clips, F frames, W windows, P places or steps of each, Y things, D embedding size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.data.public.manifest import Modality, Span
from engines.data.public.named import topics
from engines.models.fusion import FusionInputs
from engines.spec import SEGMENTS
from engines.training.features import FeatureBatch, FeatureSet
from engines.training.naming import Naming, naming_loss

#: What a window of sound reaches to both sides of its middle, less what is too short to be heard in it.
HALF_WINDOW_SECONDS = 0.4
#: Composed pictures change with the frame nearest to the moment that rows give, 8 to 12 a second: up to half a frame
#: before it. Frames at a cut are looked at more than others, as they are keyframes.
HALF_FRAME_SECONDS = 0.05


class Things(nn.Module):
    """The names of all that is seen, and of all that is heard, in training clips; also those that queries give it."""

    def __init__(self, features: FeatureSet, indices: NDArray[np.int64], size: int) -> None:
        super().__init__()
        rows = [features.rows[int(index)] for index in indices]
        self._rows = features.rows
        self._seen = _names({span.thing for row in rows for span in row.seen})
        self._heard = _names({span.thing for row in rows for span in row.heard})
        self.sights = Naming(features.tokenizer, list(self._seen) or ["nothing"], size)
        self.sounds = Naming(features.tokenizer, list(self._heard) or ["nothing"], size)

    @property
    def names(self) -> tuple[set[str], set[str]]:
        """Of what is seen, and of what is heard."""
        return set(self._seen), set(self._heard)

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
        if "vision" in reads and self._seen:
            there_NXY = _there(self._seen, [self._rows[n].seen for n in clips], batch.vision_seconds_NF, "vision")
            logits_NXY = self.sights(text, _apart(tokens.vision_NVD, batch.vision_mask_NF), segment)
            total = total + naming_loss(logits_NXY, there_NXY, batch.vision_mask_NF)
        if "audio" in reads and self._heard:
            spans = [self._rows[n].heard for n in sounds]
            there_NXY = _there(self._heard, spans, batch.audio_seconds_NW, "audio")
            logits_NXY = self.sounds(text, _apart(tokens.audio_NAD, batch.audio_mask_NW), segment)
            total = total + naming_loss(logits_NXY, there_NXY, batch.audio_mask_NW)
        return total


def _names(things: Set[str]) -> dict[str, frozenset[str]]:
    """Name -> the things that it is a name of."""
    names: dict[str, set[str]] = {thing.replace("_", " ").lower(): {thing} for thing in sorted(things)}
    for topic in topics():
        if meant := things & {*topic.seen, *topic.heard}:
            for name in topic.queries:
                names.setdefault(name, set()).update(meant)
    return {name: frozenset(meant) for name, meant in sorted(names.items())}


def _apart(tokens_NTD: Tensor, mask_NX: Tensor) -> Tensor:
    """(N, X, P, D)."""
    N, X = mask_NX.shape
    return tokens_NTD.reshape(N, X, -1, tokens_NTD.shape[-1])


def during(span: Span, seconds_X: NDArray[np.float32], modality: Modality) -> NDArray[np.bool_]:
    """Which frames at these moments show it, or which windows with these middles hold it."""
    if modality == "vision":
        shown_X = seconds_X + HALF_FRAME_SECONDS
        return (shown_X >= span.start_seconds) & (shown_X < span.end_seconds)
    return (seconds_X + HALF_WINDOW_SECONDS >= span.start_seconds) & (
        seconds_X - HALF_WINDOW_SECONDS <= span.end_seconds
    )


def _there(
    names: Mapping[str, frozenset[str]], spans: Sequence[Sequence[Span]], seconds_NX: Tensor, modality: Modality
) -> Tensor:
    """float32 (N, X, Y): 1 where what has that name is there at that moment; NaN where nothing is known of a clip."""
    places: dict[str, list[int]] = {}
    for y, meant in enumerate(names.values()):
        for thing in meant:
            places.setdefault(thing, []).append(y)
    there_NXY = np.zeros((*seconds_NX.shape, len(names)), np.float32)
    seconds = seconds_NX.numpy()
    for n, row_spans in enumerate(spans):
        if not row_spans:
            there_NXY[n] = np.nan
        for span in row_spans:
            if span.thing in places:
                shown = np.flatnonzero(during(span, seconds[n], modality)).tolist()
                there_NXY[n][np.ix_(shown, places[span.thing])] = 1
    return torch.from_numpy(there_NXY)
