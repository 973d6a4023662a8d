"""Remixed examples bear the labels that composing would have given them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engines.data.public.judging import grade, met_by, restricted_spans
from engines.data.public.manifest import Span
from engines.training.features import FeatureSet
from engines.training.tuning.network import Tunable
from engines.training.tuning.remix import Remixer, RemixOptions
from engines.training.tuning.things import Things, during
from tests.engines.training.composed import TOPICS, composed_row
from tests.engines.training.synthetic import feature_set, sizes, word_vectors, write_features


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    features = feature_set(write_features(tmp_path_factory.mktemp("composed"), clips=150))
    features.rows[:] = [composed_row(n) for n in range(150)]
    values = [[row.labels.clickbait, row.labels.adult, (row.labels.relevance or 0) / 3] for row in features.rows]
    features.targets_NK = np.array(values, np.float32)
    return features


def draws(features: FeatureSet, options: RemixOptions) -> list[tuple[int, object]]:
    remixer = Remixer(features, np.arange(150), options)
    return [(n, remixer.draw(n, np.random.default_rng([n, turn]))) for n in range(150) for turn in range(4)]


def test_a_clip_that_is_left_alone_keeps_its_labels(composed: FeatureSet) -> None:
    for n, item in draws(composed, RemixOptions()):
        assert item.sound == n and item.fields == {"title": composed.rows[n].title, "query": composed.rows[n].query}
        assert item.targets_K == pytest.approx(composed.targets_NK[n])


def test_labels_follow_from_what_is_put_together(composed: FeatureSet) -> None:
    for n, item in draws(composed, RemixOptions(sound=0.6, title=0.6, query=0.6)):
        seen, heard = composed.rows[n].seen, composed.rows[item.sound].heard
        title = TOPICS[item.fields["title"].removeprefix("red ")]
        query = TOPICS[item.fields["query"].removeprefix("blue ")]
        assert item.targets_K[0] == (met_by(title, seen, heard) == "none")
        assert item.targets_K[1] == bool(restricted_spans(seen, heard, 0))
        assert item.targets_K[2] == pytest.approx(grade(query, seen, heard, title)[0] / 3)


def test_much_is_put_together_anew_and_shares_of_labels_stay(composed: FeatureSet) -> None:
    drawn = draws(composed, RemixOptions(sound=0.5, title=0.5, query=0.5))
    assert 0.4 < np.mean([item.sound != n for n, item in drawn]) < 0.6
    assert np.mean([item.fields["title"] != composed.rows[n].title for n, item in drawn]) > 0.2
    targets_NK = np.stack([item.targets_K for _, item in drawn])
    assert np.abs(targets_NK.mean(0) - composed.targets_NK.mean(0)).max() < 0.15


def test_clips_of_which_nothing_is_known_stay_as_they_are(features: FeatureSet) -> None:
    remixer = Remixer(features, features.indices("train"), RemixOptions(sound=1.0, title=1.0, query=1.0))
    item = remixer.draw(5, np.random.default_rng(0))
    assert item.sound == 5 and item.fields == features.rows[5].fields
    assert np.array_equal(item.targets_K, features.targets_NK[5], equal_nan=True)


def test_naming_pulls_tokens_to_the_names_of_what_is_there(composed: FeatureSet) -> None:
    torch.manual_seed(0)
    model = Tunable("full", sizes(), word_vectors(), composed)
    model.things = Things(composed, np.arange(150), 32)
    sights, sounds = model.things.names
    assert {"revolver", "handgun", "giant panda", "pizza"} <= sights and {"gunshot", "guitar playing"} <= sounds
    clips = list(range(16))
    batch = composed.batch(clips)
    optimiser = torch.optim.Adam(model.trained_parameters(), 1e-2)
    losses = []
    for turn in range(60):
        tokens = model.tokens(batch)
        loss = model.things.loss(model.text, tokens, batch, clips, clips, reads=model.reads, turn=turn)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    with torch.no_grad():
        tokens = model.tokens(batch)
        both, sights = (
            float(model.things.loss(model.text, tokens, batch, clips, clips, reads=reads, turn=0))
            for reads in (("vision", "audio"), ("vision",))
        )
    assert 0 < sights < both


def test_a_frame_at_a_cut_belongs_to_the_picture_that_begins() -> None:
    """At 12 frames a second a picture that begins at 3.2 s is first shown by the frame at 3.167 s."""
    seconds_X = np.array([3.083, 3.167, 3.25, 3.917], np.float32)
    before, after = Span("vision", "ant", 0.0, 3.2), Span("vision", "crocodile", 3.2, 4.0)
    assert during(before, seconds_X, "vision").tolist() == [True, False, False, False]
    assert during(after, seconds_X, "vision").tolist() == [False, True, True, True]


def test_a_window_holds_what_is_heard_near_its_middle() -> None:
    middles_X = np.array([0.5, 1.5, 2.5], np.float32)
    assert during(Span("audio", "gunshot", 1.0, 1.3), middles_X, "audio").tolist() == [False, True, False]
