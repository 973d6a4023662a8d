"""Grounding: each word is told how well the best of what is seen or heard answers it, and each sight and sound alike.

Late interaction (MaxSim of ColBERT, arXiv 2004.12832) given back to the tokens, with a smooth maximum: attention alone
says what answers a word best, but hardly whether it answers at all, and it needs far more examples to learn to.

Shape letters: N videos, L text tokens, M media tokens, D embedding size, H heads, E size of one head.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.models.layers import mask_bias

#: Of the smooth maximum, at the start: cosines a tenth apart then weigh as e to one.
SHARPNESS = 10.0


class Grounded(NamedTuple):
    """Updates of text (N, L, D) and media (N, M, D) tokens, and whose answers they were; 0 where either is missing."""

    text_NLD: Tensor
    media_NMD: Tensor
    text_weight_NLM: Tensor
    media_weight_NML: Tensor


class Grounding(nn.Module):
    """Cosines of every word with every sight (or sound) in `heads` spaces -> their smooth maxima -> tokens.

    At the start both sides go into the same spaces: what lies near in token space agrees from the first step on.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.text, self.media = nn.Linear(size, size, bias=False), nn.Linear(size, size, bias=False)
        self.media.weight.data.copy_(self.text.weight.data)
        self.log_sharpness = nn.Parameter(torch.full((1,), math.log(SHARPNESS)))
        self.to_text, self.to_media = nn.Linear(heads, size), nn.Linear(heads, size)

    def forward(
        self, text_NLD: Tensor, text_mask_NL: Tensor, media_NMD: Tensor, media_mask_NM: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The updates of text and media tokens. Masks are bool; masked tokens answer nothing."""
        there_N11, *sharp = self._compared(text_NLD, text_mask_NL, media_NMD, media_mask_NM)
        return self._updates(there_N11, *sharp)

    def traced(self, text_NLD: Tensor, text_mask_NL: Tensor, media_NMD: Tensor, media_mask_NM: Tensor) -> Grounded:
        """The same, and whose answers they were."""
        there_N11, for_text_NHLM, for_media_NHML = self._compared(text_NLD, text_mask_NL, media_NMD, media_mask_NM)
        return Grounded(
            *self._updates(there_N11, for_text_NHLM, for_media_NHML),
            there_N11 * for_text_NHLM.softmax(-1).mean(1),
            there_N11 * for_media_NHML.softmax(-1).mean(1),
        )

    def _compared(
        self, text_NLD: Tensor, text_mask_NL: Tensor, media_NMD: Tensor, media_mask_NM: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """1 where there is something to compare, (N, 1, 1), and sharpened cosines as words and as media see them."""
        sharp_NHLM = self.log_sharpness.exp() * self.cosines(text_NLD, media_NMD)
        there_N11 = (text_mask_NL.any(1) & media_mask_NM.any(1))[:, None, None].to(text_NLD.dtype)
        for_text_NHLM = sharp_NHLM + mask_bias(media_mask_NM)[:, None, None]
        for_media_NHML = sharp_NHLM.transpose(-1, -2) + mask_bias(text_mask_NL)[:, None, None]
        return there_N11, for_text_NHLM, for_media_NHML

    def _updates(self, there_N11: Tensor, for_text_NHLM: Tensor, for_media_NHML: Tensor) -> tuple[Tensor, Tensor]:
        sharpness = self.log_sharpness.exp()
        answers_NLH = (smooth_maximum(for_text_NHLM) / sharpness).transpose(1, 2)
        answers_NMH = (smooth_maximum(for_media_NHML) / sharpness).transpose(1, 2)
        return (
            there_N11 * self.to_text(there_N11 * answers_NLH),
            there_N11 * self.to_media(there_N11 * answers_NMH),
        )

    def cosines(self, text_NLD: Tensor, media_NMD: Tensor) -> Tensor:
        """(N, H, L, M) in [-1, 1]."""
        return self._heads(self.text(text_NLD)) @ self._heads(self.media(media_NMD)).transpose(-1, -2)

    def _heads(self, x_NTD: Tensor) -> Tensor:
        x_NHTE = x_NTD.reshape(*x_NTD.shape[:2], self.heads, -1).transpose(1, 2)
        return functional.normalize(x_NHTE, dim=-1, eps=1e-6)


def smooth_maximum(x_NHLM: Tensor) -> Tensor:
    """log of the sum of exponentials over the last axis; finite where all is masked, in every engine."""
    highest_NHL1 = x_NHLM.amax(-1, keepdim=True)
    smooth_NHL: Tensor = (x_NHLM - highest_NHL1).exp().sum(-1).log() + highest_NHL1.squeeze(-1)
    return smooth_NHL
