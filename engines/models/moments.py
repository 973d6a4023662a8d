"""What single moments say for a task: a frame is enough, wherever it is and whatever the rest of the video shows.

Multiple-instance learning with the log-mean-exp pool of arXiv 1411.6228: between the mean and the maximum of what each
frame or window says by itself, so that the moment that decides is found without being pointed at.

Shape letters: N videos, X tokens of one modality, D embedding size, K tasks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.models.grounding import smooth_maximum
from engines.models.layers import mask_bias
from engines.spec import TASKS

#: Of the pool (r in arXiv 1411.6228): logits a quarter apart weigh as e to one.
SHARPNESS = 4.0
#: Of what is pooled, at the start, where moments count from the first step on.
OPEN = 0.3


class Moments(nn.Module):
    """Tokens of one modality -> an addition to each task's logit; 0 where there are none."""

    def __init__(self, size: int, *, scale: float = OPEN) -> None:
        super().__init__()
        self.norm, self.say = nn.LayerNorm(size), nn.Linear(size, len(TASKS))
        self.scale_K = nn.Parameter(torch.full((len(TASKS),), scale))

    def forward(self, x_NXD: Tensor, mask_NX: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K), and whose they are: weights (N, K, X) with sum 1, or 0 where there are no tokens."""
        said_NKX = SHARPNESS * self.say(self.norm(x_NXD)).transpose(1, 2) + mask_bias(mask_NX)[:, None]
        there_N1 = mask_NX.any(1, keepdim=True).to(x_NXD.dtype)
        count_N1 = mask_NX.to(torch.float32).sum(1, keepdim=True).clamp(min=1)
        pooled_NK = (smooth_maximum(said_NKX) - count_N1.log()) / SHARPNESS
        # Not a product: where nothing is there this is the mask's, and overflows half precision.
        pooled_NK = torch.where(there_N1 > 0, pooled_NK, torch.zeros_like(pooled_NK))
        return self.scale_K * pooled_NK, there_N1[..., None] * said_NKX.softmax(-1)


def shared_out(parts_NK: list[Tensor]) -> list[Tensor]:
    """(N, K, 1) each: how much of a sum each of its parts is, by magnitude; of a sum of zeros the first is all."""
    first_NK, *others_NK = parts_NK
    sizes_NK = [first_NK.abs() + 1e-6, *(part_NK.abs() for part_NK in others_NK)]
    total_NK = torch.stack(sizes_NK).sum(0)
    return [(size_NK / total_NK)[..., None] for size_NK in sizes_NK]
