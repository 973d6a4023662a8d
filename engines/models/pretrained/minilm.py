"""all-MiniLM-L6-v2 (BERT, arXiv 1810.04805, of 6 layers): the teacher of our word vectors. Not part of any bundle.

Shape letters: N texts, L tokens, D embedding size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: config.json of the published model.
VOCABULARY, POSITIONS, SIZE, INSIDE, HEADS, LAYERS, EPSILON = 30522, 512, 384, 1536, 12, 6, 1e-12
#: Ids that stand before and after every text.
START, END = 101, 102


class Layer(nn.Module):
    """A post-norm transformer layer."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(SIZE, SIZE) for _ in range(3))
        self.output, self.output_norm = nn.Linear(SIZE, SIZE), nn.LayerNorm(SIZE, EPSILON)
        self.widen, self.narrow, self.forward_norm = (
            nn.Linear(SIZE, INSIDE),
            nn.Linear(INSIDE, SIZE),
            nn.LayerNorm(SIZE, EPSILON),
        )

    def forward(self, x_NLD: Tensor, mask_N11L: Tensor) -> Tensor:
        """float32 (N, L, D) -> the same shape; `mask_N11L` is True where there is a token."""
        query, key, value = (
            part(x_NLD).unflatten(2, (HEADS, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        seen_NHLE = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask_N11L)
        x_NLD = self.output_norm(x_NLD + self.output(seen_NHLE.transpose(1, 2).flatten(2)))
        out_NLD: Tensor = self.forward_norm(x_NLD + self.narrow(functional.gelu(self.widen(x_NLD))))
        return out_NLD


class MiniLM(nn.Module):
    """Sentence embeddings: the mean of the last layer's tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(POSITIONS, SIZE)
        self.kind = nn.Parameter(torch.zeros(SIZE))
        self.norm = nn.LayerNorm(SIZE, EPSILON)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, ids_NL: Tensor, mask_NL: Tensor) -> Tensor:
        """int64 and bool (N, L), with `START` and `END`, L <= 512 -> embeddings float32 (N, 384), not of unit norm."""
        x_NLD = self.norm(self.words(ids_NL) + self.positions.weight[: ids_NL.shape[1]] + self.kind)
        for layer in self.layers:
            x_NLD = layer(x_NLD, mask_NL[:, None, None])
        weight_NL1 = mask_NL[..., None].to(x_NLD.dtype)
        mean_ND: Tensor = (x_NLD * weight_NL1).sum(1) / weight_NL1.sum(1)
        return mean_ND


def our_names(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published tensors under the names that they have here."""
    state = {
        "words.weight": published["embeddings.word_embeddings.weight"],
        "positions.weight": published["embeddings.position_embeddings.weight"],
        "kind": published["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": published["embeddings.LayerNorm.weight"],
        "norm.bias": published["embeddings.LayerNorm.bias"],
    }
    parts = {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "output": "attention.output.dense",
        "output_norm": "attention.output.LayerNorm",
        "widen": "intermediate.dense",
        "narrow": "output.dense",
        "forward_norm": "output.LayerNorm",
    }
    for layer in range(LAYERS):
        for ours, theirs in parts.items():
            for kind in ("weight", "bias"):
                state[f"layers.{layer}.{ours}.{kind}"] = published[f"encoder.layer.{layer}.{theirs}.{kind}"]
    return state
