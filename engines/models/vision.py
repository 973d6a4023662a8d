"""The vision tower: frames -> tokens, a small convolutional network.

Shape letters: F frames, C,H,W channel, height, width, P tokens of a frame, D embedding size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """Convolution that halves both sides, batch norm (folded at export), ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class VisionTower(nn.Module):
    """Patches of 4 x 4 pixels, then three halvings: a square of 32 x 32 pixels becomes one token."""

    def __init__(self, size: int, frame_pixels: int) -> None:
        super().__init__()
        self.patches = nn.Sequential(nn.Conv2d(3, 32, 4, stride=4), nn.ReLU())
        self.layers = nn.Sequential(convolution(32, 48), convolution(48, 64), convolution(64, 96))
        self.project = nn.Linear(96, size)
        self.position_PD = nn.Parameter(0.02 * torch.randn((frame_pixels // 32) ** 2, size))

    def forward(self, frames_FCHW: Tensor) -> Tensor:
        """uint8 RGB (F, 3, H, W) in [0, 255] -> tokens_FPD float32."""
        pixels_FCHW = frames_FCHW.to(torch.float32) / 127.5 - 1
        features_FPC = self.layers(self.patches(pixels_FCHW)).flatten(2).transpose(1, 2)
        tokens_FPD: Tensor = self.project(features_FPC) + self.position_PD
        return tokens_FPD
