"""What training goes on from: the trained parts of a starter network, in a file without its towers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.bundle import Bundle
from engines.models.pretrained.words import WordVectors, load_words
from engines.models.starter import StarterNetwork, StarterSizes
from engines.opening import open_engines
from engines.training import bundle_words
from engines.training.bundle_words import words_folder
from engines.training.checkpoint import StarterCard, card_text, save_checkpoint
from engines.training.recipes import STARTER_PREPROCESSING
from engines.training.starter import WORDS
from engines.training.trained import load_start, save_trained, start_of

SIZES = StarterSizes(vocabulary_size=50, word_features=16, embedding_size=32, heads=4)
TOWERS = ("vision.backbone.", "vision.nsfw.", "audio.backbone.", "text.words.")


@pytest.fixture(scope="module")
def network() -> StarterNetwork:
    torch.manual_seed(5)
    return StarterNetwork(SIZES).eval()


@pytest.fixture(scope="module")
def card() -> StarterCard:
    shipped = Bundle.load("starter")
    return StarterCard(
        name="tiny",
        sizes=SIZES,
        preprocessing=STARTER_PREPROCESSING,
        tokenizer="{}",
        calibration=shipped.calibration,
        thresholds={"clickbait": 0.5, "adult": 0.5, "relevance": 0.5},
        training={},
    )


@pytest.fixture(scope="module")
def saved(network: StarterNetwork, card: StarterCard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "below" / "tiny.safetensors"
    save_trained(path, network, card)
    return path


def test_what_was_trained_comes_back_and_nothing_else_is_kept(
    network: StarterNetwork, card: StarterCard, saved: Path
) -> None:
    assert not [name for name in load_file(saved) if name.startswith(TOWERS)]
    words = WordVectors(50, 16)
    found, told = load_start(saved, words)
    assert told == card and found.text.words is words
    for name, tensor in network.state_dict().items():
        if not name.startswith(TOWERS):
            assert torch.allclose(found.state_dict()[name], tensor, rtol=0, atol=1e-6), name


def test_a_whole_checkpoint_is_as_good(network: StarterNetwork, card: StarterCard, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "whole.safetensors", network, card)
    found, _ = load_start(tmp_path / "whole.safetensors", network.text.words)
    for name, tensor in network.fusion.state_dict().items():
        assert torch.equal(found.fusion.state_dict()[name], tensor), name


@pytest.mark.parametrize("fault", ["less", "more", "another shape", "no card"])
def test_what_does_not_fit_is_refused(saved: Path, card: StarterCard, tmp_path: Path, fault: str) -> None:
    tensors = load_file(saved)
    name = "fusion.gate"
    if fault == "less":
        del tensors[name]
    elif fault == "more":
        tensors["fusion.unknown"] = torch.zeros(1)
    elif fault == "another shape":
        tensors[name] = torch.zeros(7)
    path = tmp_path / "broken.safetensors"
    document = "{}" if fault == "no card" else card_text(card)
    save_file(tensors, path, metadata={"card": document})
    with pytest.raises(ValueError, match="not a checkpoint that this version can read"):
        load_start(path, WordVectors(50, 16))


def test_the_shipped_one_is_the_network_of_the_shipped_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_words, "KEPT", tmp_path)
    bundle = Bundle.load("starter")
    network, card = load_start(start_of("starter"), load_words(words_folder("starter") / WORDS))
    assert dataclasses.asdict(card.sizes)["embedding_size"] == bundle.embedding_size
    for of in ("options", "seed", "history"):
        assert card.training[of] == bundle.training[of], "both are of one training"
    rng, D = np.random.default_rng(3), bundle.embedding_size
    ids_NL, segments_NL = rng.integers(0, card.sizes.vocabulary_size, (3, 7)), rng.integers(0, 3, (3, 7))
    mask_NL = np.arange(7)[None] < np.array([[7], [4], [5]])
    media = {
        f"{sense}{part}": value
        for sense, X, letter in (("vision", 8, "V"), ("audio", 6, "A"))
        for part, value in (
            (f"_N{letter}D", rng.standard_normal((3, X, D)).astype(np.float32)),
            (f"_mask_N{letter}", np.ones((3, X), np.bool_)),
            (f"_seconds_N{letter}", np.sort(rng.uniform(0, 9, (3, X)), 1).astype(np.float32)),
        )
    }
    with open_engines(bundle) as engines, torch.inference_mode():
        read = {"ids_NL": ids_NL, "segments_NL": segments_NL, "mask_NL": mask_NL}
        (text_NLD,) = engines.text(read).values()
        own_NLD = network.text(*(torch.from_numpy(value) for value in read.values()))
        said = engines.fusion({**media, "text_NLD": text_NLD, "text_mask_NL": mask_NL})["logits_NK"]
        tokens = [torch.from_numpy(value) for value in media.values()]
        own_NK = network.fusion(*tokens, own_NLD, torch.from_numpy(mask_NL))[0]
    assert np.allclose(own_NLD.numpy(), text_NLD, atol=1e-4)
    assert np.allclose(own_NK.numpy(), said, atol=1e-3)


def test_a_start_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    assert start_of(__file__) == Path(__file__)
    with pytest.raises(ValueError, match="expected a file or the name of a shipped one: starter"):
        start_of(tmp_path / "nothing.safetensors")
