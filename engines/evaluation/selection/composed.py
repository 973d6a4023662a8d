"""The composed benchmark as an arena: what frozen towers make of pictures, sound and title, side by side.

The towers know no label of ours, so a kind that is new to the head is new to the embedding too; the shipped fusion
network was trained on these very labels and would give the new kind away.

Shape letters: N clips, V size of a view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from engines.active.vectors import Float32
from engines.bundle import TOKENIZER
from engines.data.public.manifest import Row, read_rows
from engines.evaluation.selection.arena import Arena, Kind, compressed, unit
from engines.models.pretrained.words import load_words
from engines.tokenizer import TextTokenizer
from engines.training.features import CLIPS, read_header, shard_path

#: Values that are kept of each view.
SIZES: Mapping[str, int] = {"vision": 96, "audio": 96, "text": 48}
#: Embedding of a YAMNet window; the rest are its 521 class scores.
AUDIO_EMBEDDING = 1024
WORDS = "words.safetensors"
LONGEST = 64

#: Kinds of restricted clips by what is seen or heard of them.
RESTRICTED = {
    "gun seen": ("revolver", "cannon"),
    "animal seen": ("crocodile", "scorpion"),
    "gunshot heard": ("gunshot",),
    "explosion heard": ("explosion",),
    "long number spoken": ("digits",),
}
#: Kinds of clickbait that only title and sound together show: what the title promises, and nobody hears.
UNHEARD = {"baby promised, not heard": ("baby",), "sea or rain promised, not heard": ("sea", "rain")}


def arenas(features: Path, words: Path) -> dict[str, Arena]:
    """Of the tasks `adult` and `clickbait`; the pool is the train split, the test the test split.

    Raises `ValueError` when a folder is not whole.
    """
    rows = read_rows(features)
    views = _views(features, words, rows)
    pool, test = (np.array([n for n, row in enumerate(rows) if row.split == split]) for split in ("train", "test"))
    pairs = {name: compressed(views[name][pool], views[name][test], size) for name, size in SIZES.items()}
    feature_NF, feature_TF = (np.concatenate([pairs[name][side] for name in SIZES], axis=1) for side in (0, 1))

    def arena(task: str, kinds: Mapping[str, Sequence[str]], has: Callable[[Row, Sequence[str]], bool]) -> Arena:
        label_M = np.array([getattr(row.labels, task) for row in rows], np.float32)
        of_kind = {
            name: np.array([has(row, things) for row in rows]) & (label_M == 1) for name, things in kinds.items()
        }
        return Arena(
            name=task,
            feature_NF=feature_NF,
            feature_TF=feature_TF,
            embedding_ND=unit(feature_NF),
            views={name: unit(pairs[name][0]) for name in SIZES},
            label_N=label_M[pool],
            label_T=label_M[test],
            kinds=tuple(Kind(name, of_M[pool], of_M[test]) for name, of_M in of_kind.items()),
        )

    def shows(row: Row, things: Sequence[str]) -> bool:
        return any(span.thing in things for span in row.spans)

    def promises(row: Row, topics: Sequence[str]) -> bool:
        return row.title_topic in topics

    return {"adult": arena("adult", RESTRICTED, shows), "clickbait": arena("clickbait", UNHEARD, promises)}


def _views(features: Path, words: Path, rows: Sequence[Row]) -> dict[str, Float32]:
    """Mean and maximum over frames or windows, and the mean word vector of the title, float32 (N, V)."""
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


def _mean_and_maximum(features_NXPC: Tensor, mask_NX: Tensor) -> NDArray[np.float32]:
    """(N, 2 C): of the places of all frames or windows that are there; zeros where there are none."""
    there_NXPC = mask_NX[..., None, None].expand_as(features_NXPC)
    values_NXPC = features_NXPC.float()
    total_NC = (values_NXPC * there_NXPC).sum((1, 2))
    mean_NC = total_NC / there_NXPC.sum((1, 2)).clamp(min=1)
    top_NC = values_NXPC.masked_fill(~there_NXPC, -torch.inf).amax((1, 2))
    top_NC[~mask_NX.any(1)] = 0
    return np.asarray(torch.cat([mean_NC, top_NC], 1).numpy(), np.float32)


def _titles(words: Path, rows: Sequence[Row]) -> NDArray[np.float32]:
    tokenizer = TextTokenizer.from_file(words / TOKENIZER, LONGEST)
    table_VC = load_words(words / WORDS).table.weight.float().numpy()
    sums = [table_VC[tokenizer.encode({"title": row.title})[0]].sum(0) for row in rows]
    return unit(np.stack(sums))
