"""Static word vectors: what a title is about, without looking at word order (model2vec is the same idea).

Shape letters: N videos, L text tokens, C values of a word vector, V words.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


class WordVectors(nn.Module):
    """A table of vectors. The mean of a text's vectors points where its sentence embedding points.

    Every value is an 8-bit integer times the scale of its row, and the largest of a row is 127 or -127: a bundle that
    stores tables in 8 bits stores this one without loss.
    """

    def __init__(self, vocabulary_size: int, word_features: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary_size, word_features)

    def forward(self, ids_NL: Tensor, mask_NL: Tensor) -> Tensor:
        """int64 and bool (N, L) -> features_NLC float32; masked words are zero."""
        words_NLC: Tensor = self.table(ids_NL)
        return words_NLC * mask_NL[..., None].to(torch.float32)


def load_words(path: Path) -> WordVectors:
    """What `save_words` wrote. Raises `ValueError` for a file that holds something else."""
    tensors = load_file(path)
    if set(tensors) != {"table_VC", "scale_V"} or tensors["table_VC"].dtype != torch.int8:
        raise ValueError(f"{path.name}: came tensors {sorted(tensors)}, expected table_VC in int8 and scale_V")
    words = WordVectors(*tensors["table_VC"].shape)
    words.table.weight.data = tensors["table_VC"].to(torch.float32) * tensors["scale_V"][:, None]
    return words.requires_grad_(False).eval()


def save_words(table_VC: Tensor, path: Path) -> Tensor:
    """Round a float32 table to 8 bits, write it, and return it as it will be read."""
    scale_V = table_VC.abs().amax(1).clamp(min=1e-12) / 127
    rounded_VC = (table_VC / scale_V[:, None]).round().to(torch.int8)
    save_file({"table_VC": rounded_VC, "scale_V": scale_V}, path)
    return rounded_VC.to(torch.float32) * scale_V[:, None]


def pooled(features_NLC: Tensor) -> Tensor:
    """One unit-norm vector for each text, float32 (N, C); cosine of two stands for MiniLM's. Zero for no words."""
    return nn.functional.normalize(features_NLC.sum(1), dim=-1)
