"""A starter network with published weights in its backbones, ready to train what is on top."""

from __future__ import annotations

from pathlib import Path

import torch

from engines.models.pretrained import load
from engines.models.pretrained.hearing import load_hearing
from engines.models.pretrained.words import load_words
from engines.models.starter import StarterNetwork, StarterSizes
from engines.privacy import AudioPrivacy


def starter_network(
    words: Path,
    *,
    seed: int,
    layers: int = 2,
    audio_layers: int = 0,
    privacy: AudioPrivacy = AudioPrivacy.NONE,
    hearing: Path | None = None,
) -> StarterNetwork:
    """Backbones from packages and `words` (see `training.distil`); the rest random, from `seed`.

    hearing: the file of tuned last layers of YAMNet; None: tokens are of the published ones.
    Raises `MissingWeightsError` where a package is absent, `ValueError` for a file of words that is none.
    """
    vectors = load_words(words)
    vocabulary_size, word_features = vectors.table.weight.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = StarterNetwork(
            StarterSizes(
                vocabulary_size=vocabulary_size,
                word_features=word_features,
                layers=layers,
                audio_layers=audio_layers,
                audio_privacy=privacy,
                hearing=hearing is not None,
            )
        )
    network.vision.backbone = load.efficientnet_lite0()
    network.vision.nsfw = load.open_nsfw()
    network.audio.backbone = load.yamnet()
    if hearing is not None:
        network.audio.hearing = load_hearing(hearing)
    network.text.words = vectors
    return network
