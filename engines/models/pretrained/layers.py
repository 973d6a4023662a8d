"""Layers shared by the pretrained backbones.

Shape letters: F frames or windows, C,H,W channel, height, width.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class SameConvolution(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: what cannot be split evenly goes to the right and the bottom.

    Input sides have to be multiples of the stride. Batch norms are folded into weight and bias when weights load.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, groups=groups)
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self.edges = (before, after, before, after)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  the name of nn.Conv2d
        """float32 (F, C, H, W) -> (F, C', H / stride, W / stride)."""
        return super().forward(functional.pad(input, self.edges) if any(self.edges) else input)
