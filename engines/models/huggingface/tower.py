"""What towers from checkpoints share."""

from __future__ import annotations

from typing import Self

from torch import nn


class Tower(nn.Module):
    """A checkpoint's network, and around it what its processor did; frozen until `tune` says otherwise.

    `features` is the size C of a token, `tokens` how many P come of a frame or window (0: as many as go in).
    The backbone stays in evaluation mode while it is tuned: no dropout, no change of batch statistics.
    """

    def __init__(self, backbone: nn.Module, features: int, tokens: int) -> None:
        super().__init__()
        self.backbone = backbone.eval().requires_grad_(False)
        self.features, self.tokens = features, tokens

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`, but for the backbone."""
        super().train(mode)
        self.backbone.eval()
        return self
