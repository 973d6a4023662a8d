"""The recipe `starter`: what is trained on top of the frozen towers, calibrated, as one checkpoint with the towers.

Shape letters: N clips, D embedding size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engines.manifest import TOKENIZER
from engines.models.pretrained.assemble import starter_network
from engines.models.pretrained.words import WordVectors, load_words
from engines.models.starter import StarterNetwork
from engines.spec import TASKS
from engines.tokenizer import TextTokenizer
from engines.training.arms import Workshop
from engines.training.calibrate import bent, calibrate, thresholds
from engines.training.checkpoint import StarterCard, save_checkpoint
from engines.training.curves import write_epochs
from engines.training.features import TRAIN, VAL, FeatureSet
from engines.training.known import representatives
from engines.training.recipes import STARTER_PREPROCESSING, StarterRecipe
from engines.training.trained import load_start
from engines.training.tuning.judge import BATCH, logits
from engines.training.tuning.lineage import lineage
from engines.training.tuning.loop import tune
from engines.training.tuning.network import Tunable
from engines.training.tuning.processes import Processes
from engines.training.tuning.state import Epoch

CHECKPOINT, STATE, CURVES = "checkpoint.safetensors", "state.safetensors", "epochs"
#: The file of word vectors, beside the tokenizer that gives its ids.
WORDS = "words.safetensors"
ARM = "vlmae"


def open_features(features: Path, words: Path, without: Sequence[str] = ()) -> tuple[FeatureSet, WordVectors]:
    """Stored features with the text as the starter reads it; `without` as of `FeatureSet`.

    Raises `ValueError` when either folder is not whole.
    """
    tokenizer = TextTokenizer.from_file(words / TOKENIZER, STARTER_PREPROCESSING.max_text_tokens)
    vectors = load_words(words / WORDS)
    if tokenizer.vocabulary_size != len(vectors.table.weight):
        raise ValueError(
            f"{words}: came {len(vectors.table.weight)} words and a tokenizer of {tokenizer.vocabulary_size}; "
            "they must be made together"
        )
    return FeatureSet(features, tokenizer, without=without), vectors


def train_starter(
    recipe: StarterRecipe,
    features: Path,
    words: Path,
    out: Path,
    *,
    start: Path | None = None,
    without: Sequence[str] = (),
    provenance: Mapping[str, Any] = MappingProxyType({}),
    processes: Processes | None = None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> Path:
    """Train, calibrate, write checkpoint and curves into `out`; returns the checkpoint. A stopped run goes on.

    start: the checkpoint to go on from; None: from random weights. provenance: goes into the bundle's lineage as it is.

    Equal recipe, features, words, packages, machine and threads give an equal checkpoint. Only the first process
    writes. Raises `ValueError` when features or words are not whole, or `start` is of other sizes or words.
    """
    feature_set, vectors = open_features(features, words, without)
    privacy = feature_set.header.audio_privacy
    sizes = replace(recipe.sizes(vectors), audio_privacy=privacy, hearing=feature_set.header.hearing)
    shop = Workshop(feature_set, vectors, sizes, recipe.tune)
    model, began = shop.model(ARM, recipe.seed), time.monotonic()
    earlier = None if start is None else _begin_with(model, start, shop, words)
    out.mkdir(parents=True, exist_ok=True)
    progress = tune(
        model,
        feature_set,
        recipe.tune,
        seed=recipe.seed,
        state=out / STATE,
        processes=processes,
        on_epoch=on_epoch,
    )
    if processes is not None and processes.rank:
        return out / CHECKPOINT
    training = lineage(feature_set, shop.sizes, recipe.tune, progress, recipe.seed, time.monotonic() - began)
    card = _card(recipe, shop, model, words, {"recipe": recipe.name, **training, **provenance}, earlier)
    network = _with_towers(recipe, words, feature_set)
    remember(model, feature_set)
    model.give(network)
    save_checkpoint(out / CHECKPOINT, network, card)
    write_epochs(out / CURVES, progress.history)
    (out / STATE).unlink(missing_ok=True)
    return out / CHECKPOINT


def _with_towers(recipe: StarterRecipe, words: Path, features: FeatureSet) -> StarterNetwork:
    return starter_network(
        words / WORDS,
        seed=recipe.seed,
        layers=recipe.layers,
        audio_layers=recipe.audio_layers,
        privacy=features.header.audio_privacy,
        hearing=features.hearing,
    )


def _begin_with(model: Tunable, start: Path, shop: Workshop, words: Path) -> StarterCard:
    network, card = load_start(start, shop.words)
    if card.sizes != shop.sizes or card.tokenizer != (words / TOKENIZER).read_text("utf-8"):
        raise ValueError(
            f"{start}: came a network of {card.sizes}, expected {shop.sizes} and the tokenizer of {words}; "
            "start from a checkpoint that was trained with these words and this recipe"
        )
    model.take(network)
    return card


def remember(model: Tunable, features: FeatureSet) -> None:
    """Have the fusion network keep representatives of its training clips, for novelty."""
    known_MD = model.body.get_buffer("fusion.fusion.known_MD")
    embedding_ND = embeddings(model, features, features.indices(TRAIN))
    known_MD.copy_(torch.from_numpy(representatives(embedding_ND, len(known_MD))))


def embeddings(model: Tunable, features: FeatureSet, indices: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 (N, D), unit norm, of the arm `vlmae`."""
    fusion = model.body.get_submodule("fusion")
    parts = []
    with torch.inference_mode():
        for start in range(0, len(indices), BATCH):
            tokens = model.tokens(features.batch(indices[start : start + BATCH]))
            parts.append(fusion(*tokens)[1].numpy())
    return np.concatenate(parts)


def _card(
    recipe: StarterRecipe,
    shop: Workshop,
    model: Tunable,
    words: Path,
    training: dict[str, object],
    earlier: StarterCard | None,
) -> StarterCard:
    """What no validation clip has a label of stays as it was in the checkpoint that training began with."""
    features = shop.features
    val = features.indices(VAL)
    logits_NK, labels_NK = logits(model, features, val), features.labels_NK[val]
    known = [task for k, task in enumerate(TASKS) if not np.isnan(labels_NK[:, k]).all()]
    calibration = calibrate(logits_NK, labels_NK, None if earlier is None else earlier.calibration)
    if recipe.isotonic:
        calibration = bent(calibration, logits_NK, labels_NK, known)
    fitted = thresholds(calibration.scores(logits_NK), labels_NK, known)
    return StarterCard(
        name=recipe.name,
        sizes=shop.sizes,
        preprocessing=features.header.preprocessing,
        tokenizer=(words / TOKENIZER).read_text("utf-8"),
        calibration=calibration,
        thresholds=fitted if earlier is None else {**earlier.thresholds, **fitted},
        training=training,
    )
