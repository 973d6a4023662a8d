"""EfficientNet-Lite0 (arXiv 1905.11946 without squeeze-excite and with ReLU6): what a frame shows.

Shape letters: F frames, C,H,W channel, height, width, P tokens of a frame.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.models.pretrained import FRAME_FEATURES, IMAGE_CLASSES
from engines.models.pretrained.layers import SameConvolution

#: Blocks, kernel, stride of the first block, widening inside a block, channels out.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM = 32


class InvertedBottleneck(nn.Module):
    """Widen, look around (depthwise), narrow; the input is added where shapes allow (arXiv 1801.04381)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, widening: int) -> None:
        super().__init__()
        inside = inputs * widening
        self.widen = SameConvolution(inputs, inside, 1) if widening > 1 else None
        self.look = SameConvolution(inside, inside, kernel, stride, groups=inside)
        self.narrow = SameConvolution(inside, outputs, 1)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x_FCHW: Tensor) -> Tensor:
        """float32 (F, C, H, W) -> (F, C', H / stride, W / stride)."""
        inside_FCHW = x_FCHW if self.widen is None else functional.relu6(self.widen(x_FCHW))
        out_FCHW: Tensor = self.narrow(functional.relu6(self.look(inside_FCHW)))
        return x_FCHW + out_FCHW if self.adds else out_FCHW


class EfficientNetLite0(nn.Module):
    """A map of 7 x 7 places for a frame of 224 pixels; tokens are its quadrants, logits come from its mean."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConvolution(3, STEM, 3, stride=2)
        blocks, channels = [], STEM
        for count, kernel, stride, widening, outputs in STAGES:
            for index in range(count):
                blocks.append(InvertedBottleneck(channels, outputs, kernel, stride if index == 0 else 1, widening))
                channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = SameConvolution(channels, FRAME_FEATURES, 1)
        self.classifier = nn.Linear(FRAME_FEATURES, IMAGE_CLASSES)

    def forward(self, frames_FCHW: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 RGB (F, 3, 224, 224) -> features_FPC float32 (F, 4, 1280), row by row, and ImageNet logits (F, 1000).

        Neighbouring quadrants share the middle row or column of the map, as 7 is odd.
        """
        map_FCHW = self.places(frames_FCHW)
        quadrants_FCHW = functional.avg_pool2d(map_FCHW, 4, stride=3)
        return quadrants_FCHW.flatten(2).transpose(1, 2), self.classifier(map_FCHW.mean((2, 3)))

    def places(self, frames_FCHW: Tensor) -> Tensor:
        """uint8 RGB (F, 3, 224, 224) -> the map before pooling, float32 (F, 1280, 7, 7)."""
        pixels_FCHW = (frames_FCHW.to(torch.float32) - 127) / 128
        map_FCHW: Tensor = self.blocks(functional.relu6(self.stem(pixels_FCHW)))
        return functional.relu6(self.head(map_FCHW))
