"""Two public pools of titles as arenas: is a title sensational, as its publisher's label says?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from engines.active.vectors import Float32
from engines.data.public.sources import find_sets, read_assets
from engines.evaluation.selection.arena import Arena, compressed, unit

POOLS = ("headlines", "youtube")
#: Titles that are drawn of each set, and how many of them are the pool; the rest is the test.
DRAWN, POOL = 12_000, 8_000
SIZE = 128


def arenas(data: Path, cache: Path, advance: Callable[[], object]) -> dict[str, Arena]:
    """Each set with MiniLM's sentence embeddings, kept in `cache` once made; channels are in pool or test, not both.

    `advance` is called for every 64 titles that are embedded. Raises `ValueError` when the sets are not there.
    """
    found = {}
    for name, (embedding_ND, label_N) in _sets(data, cache, advance).items():
        pair = compressed(embedding_ND[:POOL], embedding_ND[POOL:], SIZE)
        found[name] = _arena(name, *pair, label_N)
    return found


def shift(data: Path, cache: Path, advance: Callable[[], object]) -> tuple[Arena, Arena]:
    """Both sets, as of `arenas`, in one space: the main directions of the first pool, which is all that was known."""
    sets = _sets(data, cache, advance)
    known_ND = sets[POOLS[0]][0][:POOL]
    found = []
    for name, (embedding_ND, label_N) in sets.items():
        pool_NF, test_TF = (compressed(known_ND, rows_ND, SIZE)[1] for rows_ND in np.split(embedding_ND, [POOL]))
        found.append(_arena(name, pool_NF, test_TF, label_N))
    return found[0], found[1]


def _sets(data: Path, cache: Path, advance: Callable[[], object]) -> dict[str, tuple[Float32, Float32]]:
    """Embeddings and labels of the titles that are drawn of each set, the pool first."""
    assets = [asset for asset in read_assets(data, find_sets(data)) if asset.kind == "title"]
    found = {}
    for name in POOLS:
        of_set = [one for one in assets if one.source == name]
        order = np.random.default_rng(0).permutation(len(of_set))[:DRAWN]
        drawn = sorted((of_set[place] for place in order), key=lambda one: hashlib.sha256(one.group.encode()).digest())
        embedding_ND = _embedded([one.member for one in drawn], cache / f"{name}.safetensors", advance)
        found[name] = embedding_ND, np.array([one.sensational for one in drawn], np.float32)
    return found


def _arena(name: str, feature_NF: Float32, feature_TF: Float32, label_M: Float32) -> Arena:
    widths = (feature_NF.shape[1],)
    return Arena(name, feature_NF, feature_TF, unit(feature_NF), {}, label_M[:POOL], label_M[POOL:], widths=widths)


def _embedded(titles: list[str], path: Path, advance: Callable[[], object]) -> Float32:
    from engines.models.pretrained import load
    from engines.training.distil import sentence_embeddings
    from engines.training.word_run import encoded, teachers_tokenizer

    key = hashlib.sha256("\n".join(titles).encode()).hexdigest()
    if path.is_file() and (found := load_file(path)).keys() == {key}:
        return found[key]
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = encoded(teachers_tokenizer(path.parent), titles)
    embedding_ND = unit(sentence_embeddings(load.minilm(), ids, advance).numpy())
    save_file({key: embedding_ND}, path)
    return embedding_ND
