"""One vector a clip and sense, against the same computed clip by clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from engines.data.public.manifest import read_rows
from engines.manifest import TOKENIZER
from engines.models.pretrained.words import save_words
from engines.tokenizer import word_pipeline
from engines.training.clip_views import WORDS, clip_views, sound_view
from engines.training.features import CLIPS, shard_path
from tests.engines.training.synthetic import SHARD_CLIPS, VOCABULARY, word_vectors, write_features

YAMNET = 1545


def test_views_are_means_and_maxima_of_what_is_there_and_words_of_the_title(tmp_path: Path) -> None:
    features, words = write_features(tmp_path / "features", clips=40, heard=YAMNET), tmp_path / "words"
    words.mkdir()
    save_words(word_vectors().table.weight.data, words / WORDS)
    word_pipeline(VOCABULARY).save(str(words / TOKENIZER))
    rows = read_rows(features)
    views = clip_views(features, words, rows)
    assert {name: view.shape[0] for name, view in views.items()} == {"vision": 40, "audio": 40, "text": 40}
    for number in (0, 21, 39):
        store, row = load_file(shard_path(features, CLIPS, number // SHARD_CLIPS)), number % SHARD_CLIPS
        there = store["vision_mask"][row]
        tokens = store["vision_features"][row][there].float().flatten(0, 1).numpy()
        expected = np.concatenate([tokens.mean(0), tokens.max(0)])
        assert np.allclose(views["vision"][number], expected, atol=1e-3)
    assert not views["vision"][17].any()  # it has no frame
    assert not views["audio"][17].any()
    assert views["audio"].shape[1] == 2 * YAMNET
    assert np.allclose([views["audio"][:, :1024].std(), views["audio"][:, 1024:YAMNET].std()], 1, atol=1e-3)
    same = [n for n, row in enumerate(rows) if sorted(row.title.split()) == sorted(rows[0].title.split())]
    assert np.allclose(views["text"][same], views["text"][0], atol=1e-5)
    assert np.allclose(np.linalg.norm(views["text"], axis=1), 1, atol=1e-5)


def test_other_versions_of_the_sound_take_its_place_on_the_same_scale(tmp_path: Path) -> None:
    features = write_features(tmp_path / "features", clips=40, versions=(CLIPS, "augmented_0"), heard=YAMNET)
    plain, rough = sound_view(features), sound_view(features, ["augmented_0"])
    rows = read_rows(features)
    changed = {n for n in range(40) if not np.allclose(plain[n], rough[n])}
    assert changed == {n for n, row in enumerate(rows) if row.split == "train"}
    number = min(changed)
    scale = [load_file(shard_path(features, version, number // SHARD_CLIPS)) for version in (CLIPS, "augmented_0")]
    means = []
    for store in scale:
        place = store["clips"].tolist().index(number)
        there = store["audio_mask"][place]
        means.append(float(store["audio_features"][place][there].float()[..., 0].mean()))
    assert rough[number, 0] / plain[number, 0] == pytest.approx(means[1] / means[0], rel=1e-2)


def test_a_version_that_was_not_extracted_is_told(tmp_path: Path) -> None:
    features = write_features(tmp_path / "features", clips=40, heard=YAMNET)
    with pytest.raises(ValueError, match="has no version augmented_0"):
        sound_view(features, ["augmented_0"])
