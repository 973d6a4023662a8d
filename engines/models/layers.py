"""Layers shared by the towers and the fusion network.

Shape letters: N items, T tokens, S tokens attended to, D embedding size, H heads, E size of one head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """softmax(q k' / sqrt(E)) v, "Attention is all you need" (arXiv 1706.03762), with masked memory.

    Where all memory is masked the weights mean nothing: the caller sees to that.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(size, size)
        self.key_value = nn.Linear(size, 2 * size)
        self.output = nn.Linear(size, size)

    def forward(self, x_NTD: Tensor, memory_NSD: Tensor, mask_NS: Tensor) -> Tensor:
        """(N, T, D)."""
        return self._attend(x_NTD, memory_NSD, mask_NS)[0]

    def traced(self, x_NTD: Tensor, memory_NSD: Tensor, mask_NS: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and the weights (N, T, S) averaged over heads; weight is 0 where the mask is False."""
        out_NTD, weights_NHTS = self._attend(x_NTD, memory_NSD, mask_NS)
        return out_NTD, weights_NHTS.mean(1)

    def _attend(self, x_NTD: Tensor, memory_NSD: Tensor, mask_NS: Tensor) -> tuple[Tensor, Tensor]:
        query_NHTE = self._heads(self.query(x_NTD) / math.sqrt(x_NTD.shape[-1] // self.heads))
        key_NSD, value_NSD = self.key_value(memory_NSD).chunk(2, dim=-1)
        logits_NHTS = query_NHTE @ self._heads(key_NSD).transpose(-1, -2)
        weights_NHTS = functional.softmax(logits_NHTS + mask_bias(mask_NS)[:, None, None], dim=-1)
        out_NHTE = weights_NHTS @ self._heads(value_NSD)
        return self.output(out_NHTE.transpose(1, 2).flatten(2)), weights_NHTS

    def _heads(self, x_NTD: Tensor) -> Tensor:
        return x_NTD.reshape(*x_NTD.shape[:2], self.heads, -1).transpose(1, 2)


class FeedForward(nn.Sequential):
    """W2 gelu(W1 x)."""

    def __init__(self, size: int) -> None:
        super().__init__(nn.Linear(size, 2 * size), nn.GELU(approximate="tanh"), nn.Linear(2 * size, size))


class Block(nn.Module):
    """A pre-norm transformer block: x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(size), Attention(size, heads)
        self.forward_norm, self.feed_forward = nn.LayerNorm(size), FeedForward(size)

    def forward(self, x_NTD: Tensor, mask_NT: Tensor) -> Tensor:
        """Tokens (N, T, D)."""
        normed_NTD = self.attention_norm(x_NTD)
        return self._updated(x_NTD, self.attention(normed_NTD, normed_NTD, mask_NT))

    def traced(self, x_NTD: Tensor, mask_NT: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and the flow (N, T, T): the share of each token in each output token."""
        normed_NTD = self.attention_norm(x_NTD)
        update_NTD, weights_NTT = self.attention.traced(normed_NTD, normed_NTD, mask_NT)
        share_NT1 = share_of_update(x_NTD, update_NTD)
        kept_NTT = torch.diag_embed(1 - share_NT1.squeeze(-1))
        return self._updated(x_NTD, update_NTD), kept_NTT + share_NT1 * weights_NTT

    def _updated(self, x_NTD: Tensor, update_NTD: Tensor) -> Tensor:
        x_NTD = x_NTD + update_NTD
        thought_NTD: Tensor = self.feed_forward(self.forward_norm(x_NTD))
        return x_NTD + thought_NTD


def mask_bias(mask_NS: Tensor) -> Tensor:
    """Added to logits: 0 where there is a token, so low elsewhere that softmax gives exactly 0 beside any token."""
    return (mask_NS.to(torch.float32) - 1) * 1e9


def share_of_update(x_NTD: Tensor, update_NTD: Tensor) -> Tensor:
    """How much of x + update is the update, by norms, (N, T, 1) in [0, 1]."""
    update_NT1, x_NT1 = norm(update_NTD), norm(x_NTD)
    return update_NT1 / (update_NT1 + x_NT1)


def norm(x_NTD: Tensor) -> Tensor:
    """Euclidean, (N, T, 1), held a little above 0, where its gradient does not exist."""
    return (x_NTD.square().sum(-1, keepdim=True) + 1e-12).sqrt()


def sinusoid(positions_NT: Tensor, size: int, longest: float) -> Tensor:
    """(N, T, size) sines and cosines with periods from 2 pi / 4 to about `longest` (arXiv 1706.03762, 3.5)."""
    steps = torch.arange(size // 2, dtype=torch.float32, device=positions_NT.device)
    rates = 4.0 * torch.exp(-math.log(4.0 * longest) * steps / (size // 2))
    angles_NTE = positions_NT[..., None] * rates
    return torch.cat([angles_NTE.sin(), angles_NTE.cos()], dim=-1)
