"""One vector a clip and sense of what the frozen towers make of it: to compare videos by where nothing is trained.

Shape letters: N clips, X frames or windows, P tokens of each, C features of a token, V size of a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from engines.bundle import TOKENIZER
from engines.data.public.manifest import Row
from engines.models.pretrained.words import load_words
from engines.tokenizer import TextTokenizer
from engines.training.features import CLIPS, read_header, shard_path

#: Embedding of a YAMNet window; the rest are its 521 class scores.
AUDIO_EMBEDDING = 1024
WORDS = "words.safetensors"
LONGEST = 64

Float32 = NDArray[np.float32]


def clip_views(features: Path, words: Path, rows: Sequence[Row]) -> dict[str, Float32]:
    """Mean and maximum over frames or windows, and the mean word vector of the title, float32 (N, V).

    Blocks of sound (embedding and classes, mean and maximum) have standard deviation 1. Raises `ValueError` when a
    folder is not whole.
    """
    header = read_header(features)
    parts: dict[str, list[Float32]] = {"vision": [], "audio": []}
    for shard in range(-(-header.clips // header.shard_clips)):
        store = load_file(shard_path(features, CLIPS, shard))
        for name, found in parts.items():
            found.append(_mean_and_maximum(store[f"{name}_features"], store[f"{name}_mask"]))
    vision, audio = (np.concatenate(parts[name]) for name in ("vision", "audio"))
    blocks = np.split(audio, [AUDIO_EMBEDDING, audio.shape[1] // 2, audio.shape[1] // 2 + AUDIO_EMBEDDING], axis=1)
    scaled = np.concatenate([block / block.std() for block in blocks], axis=1)
    return {"vision": vision, "audio": np.asarray(scaled, np.float32), "text": _titles(words, rows)}


def _mean_and_maximum(features_NXPC: Tensor, mask_NX: Tensor) -> Float32:
    """(N, 2 C): of the places of all frames or windows that are there; zeros where there are none."""
    there_NXPC = mask_NX[..., None, None].expand_as(features_NXPC)
    values_NXPC = features_NXPC.float()
    total_NC = (values_NXPC * there_NXPC).sum((1, 2))
    mean_NC = total_NC / there_NXPC.sum((1, 2)).clamp(min=1)
    top_NC = values_NXPC.masked_fill(~there_NXPC, -torch.inf).amax((1, 2))
    top_NC[~mask_NX.any(1)] = 0
    return np.asarray(torch.cat([mean_NC, top_NC], 1).numpy(), np.float32)


def _titles(words: Path, rows: Sequence[Row]) -> Float32:
    tokenizer = TextTokenizer.from_file(words / TOKENIZER, LONGEST)
    table_VC = load_words(words / WORDS).table.weight.float().numpy()
    sums = [table_VC[tokenizer.encode({"title": row.title})[0]].sum(0) for row in rows]
    sum_NV = np.stack(sums)
    return np.asarray(sum_NV / np.maximum(np.linalg.norm(sum_NV, axis=1, keepdims=True), 1e-12), np.float32)
