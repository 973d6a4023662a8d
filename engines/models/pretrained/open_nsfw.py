"""open_nsfw (Yahoo, 2016; ResNet-50 of arXiv 1512.03385 with half the channels): is a frame pornographic?

Shape letters: F frames, C,H,W channel, height, width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Blocks and inner channels of each stage; four times as many come out.
STAGES = ((3, 32), (4, 64), (6, 128), (3, 256))
STEM, WIDENING = 64, 4
#: What its Caffe original subtracts from red, green and blue.
MEAN_RGB = (123.0, 117.0, 104.0)


class Bottleneck(nn.Module):
    """Reduce, look, expand, added to the input or to a projection of it. The stride sits in `reduce`, as in Caffe."""

    def __init__(self, inputs: int, inside: int, stride: int) -> None:
        super().__init__()
        outputs = WIDENING * inside
        self.reduce = nn.Conv2d(inputs, inside, 1, stride)
        self.look = nn.Conv2d(inside, inside, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else None
        self.expand = nn.Conv2d(inside, outputs, 1)

    def forward(self, x_FCHW: Tensor) -> Tensor:
        """float32 (F, C, H, W) -> (F, 4 inside, H / stride, W / stride)."""
        inside_FCHW = functional.relu(self.look(functional.relu(self.reduce(x_FCHW))))
        kept_FCHW = x_FCHW if self.shortcut is None else self.shortcut(x_FCHW)
        return functional.relu(kept_FCHW + self.expand(inside_FCHW))


class OpenNsfw(nn.Module):
    """Its original sees the middle of a picture squeezed to a square; this takes the whole frame, letterboxed."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean_C11", torch.tensor(MEAN_RGB)[:, None, None], persistent=False)
        self.stem = nn.Conv2d(3, STEM, 7, stride=2, padding=3)
        blocks, channels = [], STEM
        for stage, (count, inside) in enumerate(STAGES):
            for index in range(count):
                blocks.append(Bottleneck(channels, inside, stride=2 if stage > 0 and index == 0 else 1))
                channels = WIDENING * inside
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(channels, 2)

    def forward(self, frames_FCHW: Tensor) -> Tensor:
        """uint8 RGB (F, 3, 224, 224) -> probability_F float32 in [0, 1]."""
        return self.from_pixels(frames_FCHW.to(torch.float32) - self.get_buffer("mean_C11"))

    def from_pixels(self, pixels_FCHW: Tensor) -> Tensor:
        """RGB with the mean subtracted, float32 (F, 3, 224, 224) -> probability_F."""
        stem_FCHW = functional.relu(self.stem(pixels_FCHW))
        pooled_FCHW = functional.max_pool2d(functional.pad(stem_FCHW, (0, 1, 0, 1)), 3, stride=2)
        map_FCHW: Tensor = self.blocks(pooled_FCHW)
        logits_F2: Tensor = self.classifier(map_FCHW.mean((2, 3)))
        return logits_F2.softmax(1)[:, 1]
