"""One vector a clip and sense of what the frozen towers make of it: to compare videos by where nothing is trained.

Shape letters: N clips, X frames or windows, P tokens of each, C features of a token, V size of a view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from engines.data.public.manifest import Row
from engines.manifest import TOKENIZER
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

    Raises `ValueError` when a folder is not whole.
    """
    vision = np.concatenate([rows_MV for _, rows_MV in _stored(features, CLIPS, "vision")])
    return {"vision": vision, "audio": sound_view(features), "text": _titles(words, rows)}


def sound_view(features: Path, versions: Sequence[str] = ()) -> Float32:
    """Of the sound alone, float32 (N, V): of the last of these versions that has the clip, else as uploaded.

    Blocks (embedding and classes, mean and maximum) have standard deviation 1 as uploaded, and other versions the same
    scale. Raises `ValueError` when the folder is not whole, or has no such version.
    """
    if missing := sorted(set(versions) - set(read_header(features).versions)):
        raise ValueError(f"{features}: has no version {', '.join(missing)}; extract it by `earshot dataset features`")
    sound_NV = np.concatenate([rows_MV for _, rows_MV in _stored(features, CLIPS, "audio")])
    ends = [AUDIO_EMBEDDING, sound_NV.shape[1] // 2, sound_NV.shape[1] // 2 + AUDIO_EMBEDDING]
    scale_V = np.concatenate([np.full(block.shape[1], block.std()) for block in np.split(sound_NV, ends, axis=1)])
    for version in versions:
        for places, rows_MV in _stored(features, version, "audio"):
            sound_NV[places] = rows_MV
    return np.asarray(sound_NV / scale_V, np.float32)


def _stored(features: Path, version: str, name: str) -> Iterator[tuple[NDArray[np.int64], Float32]]:
    """Shard by shard: which clips, and their mean and maximum."""
    header = read_header(features)
    for shard in range(-(-header.clips // header.shard_clips)):
        store = load_file(shard_path(features, version, shard))
        places = np.asarray(store["clips"].numpy(), np.int64)
        yield places, _mean_and_maximum(store[f"{name}_features"], store[f"{name}_mask"])


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
