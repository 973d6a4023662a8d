"""The text tower: token ids -> tokens that know their neighbours and the field they come from.

Shape letters: N videos, L text tokens, D embedding size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.models.layers import Block, sinusoid
from engines.spec import SEGMENTS


class TextTower(nn.Module):
    """word + segment + position, then one transformer block."""

    def __init__(self, size: int, vocabulary_size: int, heads: int) -> None:
        super().__init__()
        self.word = nn.Embedding(vocabulary_size, size)
        self.segment = nn.Embedding(len(SEGMENTS), size)
        self.block = Block(size, heads)
        self.norm = nn.LayerNorm(size)

    def forward(self, ids_NL: Tensor, segments_NL: Tensor, mask_NL: Tensor) -> Tensor:
        """ids, segments int64 and mask bool (N, L) -> tokens_NLD float32; masked tokens are zero."""
        x_NLD = self.word(ids_NL) + self.segment(segments_NL)
        positions_NL = torch.ones_like(ids_NL).cumsum(1).to(torch.float32)
        x_NLD = x_NLD + 0.3 * sinusoid(positions_NL, x_NLD.shape[-1], longest=256.0)
        x_NLD = self.block(x_NLD, mask_NL)
        tokens_NLD: Tensor = self.norm(x_NLD) * mask_NL[..., None].to(x_NLD.dtype)
        return tokens_NLD
