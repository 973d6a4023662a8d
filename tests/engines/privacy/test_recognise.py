"""Attacks find what is there, and find nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engines.models.pretrained import SOUND_CLASSES, WINDOW_FEATURES
from engines.privacy import AudioPrivacy
from engines.privacy.measure import Finding, as_markdown, stored
from engines.privacy.recognise import Measured, identify, linear, name_events, network, pooled, share, tell_apart
from engines.privacy.sound import SPEECH

pytestmark = pytest.mark.train

SPEAKERS, TAKES, TRAINED_TAKES = 4, 40, 20


def voices(rng: np.random.Generator) -> tuple[list[torch.Tensor], NDArray[np.str_], NDArray[np.bool_]]:
    """Spoken windows whose embeddings lie around one place for each speaker."""
    places = rng.standard_normal((SPEAKERS, WINDOW_FEATURES))
    features, names = [], []
    for speaker in range(SPEAKERS):
        for _ in range(TAKES):
            embedding = places[speaker] + 3 * rng.standard_normal((1, 3, WINDOW_FEATURES))
            scores = np.tanh(rng.normal(-6, 1, (1, 3, SOUND_CLASSES)))
            scores[..., SPEECH] = 0.9
            features.append(torch.from_numpy(np.concatenate([embedding, scores], -1)).half())
            names.append(f"speaker {speaker}")
    return features, np.array(names), np.tile(np.arange(TAKES) < TRAINED_TAKES, SPEAKERS)


@pytest.mark.parametrize("model", [linear, network])
def test_speakers_are_found_in_features_and_not_in_anonymised_ones(model: object) -> None:
    features, names_N, trained_N = voices(np.random.default_rng(0))
    assert callable(model)
    plain, together = identify(model(), pooled(features), names_N, trained_N)
    assert plain.value > 0.8
    assert together.value > 0.8
    hidden, _ = identify(model(), pooled(stored(features, AudioPrivacy.ANONYMISE)), names_N, trained_N)
    assert hidden.value == hidden.chance == 1 / SPEAKERS


def test_recognisers_know_nothing_of_noise() -> None:
    rng = np.random.default_rng(1)
    names_N = np.array(["a", "b"] * 200)
    one, _ = identify(linear(), rng.standard_normal((400, 6)).astype(np.float32), names_N, np.arange(400) < 200)
    assert abs(one.value - 0.5) < one.margin + 0.05


def test_interval_of_a_share_is_agresti_s() -> None:
    found = share(np.arange(100) < 20, 0.1)
    assert found.value == 0.2
    assert found.margin == pytest.approx(1.96 * np.sqrt(0.2111 * 0.7889 / 103.84), abs=1e-3)
    assert share(np.ones(50, bool), 0.1).margin > 0


def test_events_are_told_apart_across_sources_only() -> None:
    """A value that tells the source but not the class is worth nothing when sources are held out."""
    rng = np.random.default_rng(2)
    sources = np.repeat(np.arange(60), 4)
    positive_N = sources % 2 == 0
    of_source_NX = np.eye(60, dtype=np.float32)[sources]
    groups = [f"source {number}" for number in sources]
    blind = tell_apart(of_source_NX, positive_N, groups)
    assert abs(blind.value - 0.5) < 0.15
    seeing = tell_apart((positive_N[:, None] + rng.standard_normal((240, 3))).astype(np.float32), positive_N, groups)
    assert seeing.value > 0.8
    assert 0 < seeing.margin < 0.1
    clear_NX = (4 * positive_N[:, None] + rng.standard_normal((240, 3))).astype(np.float32)
    named = name_events(clear_NX, positive_N.astype(str), groups)
    assert named.value > 0.9
    assert named.chance == 0.5


def test_table_has_a_row_for_each_finding() -> None:
    cells = {AudioPrivacy.NONE: Measured(0.93, 0.021, 1 / 6), AudioPrivacy.ANONYMISE: Measured(0.17, 0.03, 1 / 6)}
    table = as_markdown([Finding("speaker", True, cells)])
    assert table.splitlines()[0] == "| measure | chance | none | anonymise |"
    assert table.splitlines()[2] == "| attack: speaker | 0.167 | 0.930 ± 0.021 | 0.170 ± 0.030 |"
