"""The recipe `starter`: features and words in, a calibrated checkpoint with its towers out, the same each time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engines.manifest import TOKENIZER
from engines.models.pretrained.words import save_words
from engines.models.starter import SOUND_FEATURES
from engines.tokenizer import word_pipeline
from engines.training.checkpoint import load_starter
from engines.training.recipes import STARTER
from engines.training.starter import WORDS, open_features, train_starter
from engines.training.tuning.loop import TuneOptions
from tests.engines.training.synthetic import VOCABULARY, judged, word_vectors, write_features

RECIPE = replace(
    STARTER,
    layers=3,
    audio_layers=1,
    tune=TuneOptions(epochs=15, batch_size=16, patience=15, learning_rate=2e-3),
)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    save_words(word_vectors().table.weight.data, folder / WORDS)
    word_pipeline(VOCABULARY).save(str(folder / TOKENIZER))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_features(tmp_path_factory.mktemp("data"), clips=160, seen=1280, heard=SOUND_FEATURES)


@pytest.mark.slow
def test_a_checkpoint_judges_as_what_was_trained(data: Path, words: Path, tmp_path: Path) -> None:
    """Through the whole network the stored features give the logits that calibration has seen."""
    path = train_starter(RECIPE, data, words, tmp_path / "run")
    network, card = load_starter(path)
    features, _ = open_features(data, words)
    batch = features.batch(features.indices("val")[:5])
    outputs = judged(network, batch)
    assert card.training["data"]["sha256"] == features.header.dataset
    assert set(card.thresholds) == set(card.calibration.tasks)
    assert torch.allclose(
        network.fusion.fusion.known_MD.norm(dim=1), torch.ones(len(network.fusion.fusion.known_MD)), atol=1e-4
    )
    assert np.isfinite(outputs[0].numpy()).all()
    assert float(outputs[2].min()) >= -1e-5
    again, _ = load_starter(train_starter(RECIPE, data, words, tmp_path / "again"))
    for (name, one), (_, two) in zip(network.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(one, two), name


def test_words_and_tokenizer_must_fit(data: Path, words: Path, tmp_path: Path) -> None:
    save_words(torch.ones(3, 8), tmp_path / WORDS)
    (tmp_path / TOKENIZER).write_bytes((words / TOKENIZER).read_bytes())
    with pytest.raises(ValueError, match="made together"):
        open_features(data, tmp_path)
