"""An auxiliary loss that ties what towers see and hear to the words for it, frame by frame and window by window.

Shape letters: N examples, X frames or windows, P tokens of each, Y things, L words of a name, D embedding size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.tokenizer import TextTokenizer


class Naming(nn.Module):
    """Says for each frame or window which things it holds: the best token's agreement with the thing's name.

    A sigmoid over every pair (arXiv 2303.15343), the best of several tokens standing for its frame. Used in training
    only: it brings the towers to the vocabulary long before the fusion network could.
    """

    def __init__(self, tokenizer: TextTokenizer, names: Sequence[str], size: int) -> None:
        super().__init__()
        encoded = [tokenizer.encode({"title": name})[0] for name in names]
        ids_YL = np.zeros((len(names), max(map(len, encoded))), np.int64)
        mask_YL = np.zeros(ids_YL.shape, np.bool_)
        for y, ids_L in enumerate(encoded):
            ids_YL[y, : len(ids_L)], mask_YL[y, : len(ids_L)] = ids_L, True
        self.register_buffer("ids_YL", torch.from_numpy(ids_YL))
        self.register_buffer("mask_YL", torch.from_numpy(mask_YL))
        self.project = nn.Linear(size, size)
        self.project.weight.data.copy_(torch.eye(size))  # so that what is learnt shows in the tokens themselves
        self.bias = nn.Parameter(torch.full((1,), -3.0))  # few of all things are in a frame

    def forward(self, text: nn.Module, tokens_NXPD: Tensor, segment: int) -> Tensor:
        """Logits (N, X, Y); `text` reads the names, as texts of that segment."""
        ids_YL, mask_YL = self.get_buffer("ids_YL"), self.get_buffer("mask_YL")
        words_YLD = text(ids_YL, torch.full_like(ids_YL, segment), mask_YL)
        names_YD = self.project(words_YLD.sum(1) / mask_YL.sum(1, keepdim=True))
        agreement_NXPY = tokens_NXPD @ names_YD.T / tokens_NXPD.shape[-1] ** 0.5
        logits_NXY: Tensor = agreement_NXPY.amax(2) + self.bias
        return logits_NXY


def naming_loss(logits_NXY: Tensor, there_NXY: Tensor, mask_NX: Tensor) -> Tensor:
    """Mean over kept frames or windows of the summed cross-entropy over things; NaN does not count."""
    known_NXY = mask_NX[..., None] & ~there_NXY.isnan()
    losses_NXY = functional.binary_cross_entropy_with_logits(logits_NXY, there_NXY.nan_to_num(), reduction="none")
    return (losses_NXY * known_NXY).sum() / mask_NX.sum().clamp(min=1)
