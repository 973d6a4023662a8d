"""Long videos of clips after each other: what is true of them, what is looked at, and the page about them."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from engines.bundle import Bundle
from engines.cli.evaluate import app
from engines.data.public.judging import grade, met_by
from engines.data.public.manifest import write_dataset
from engines.evaluation.long import measure
from engines.evaluation.long.joined import ADULT, Joined, Joiner
from engines.evaluation.long.measure import cells, looks_of
from engines.evaluation.long.page import Results, page
from engines.models.starter import SOUND_FEATURES
from engines.training.features import HEADER, FeatureSet
from engines.training.joined_clips import joined_batch, one_of_each
from tests.engines.training.composed import TOPICS, composed_row
from tests.engines.training.synthetic import write_features

CLIPS = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features as if of the starter's towers, of test clips that say what is in them."""
    folder = write_features(tmp_path_factory.mktemp("long"), clips=CLIPS, seen=1280, heard=SOUND_FEATURES)
    rows = [composed_row(n, "test") for n in range(CLIPS)]
    dataset = write_dataset(folder, rows, made_with={}, licences={})
    header = json.loads((folder / HEADER).read_text())
    header |= {"towers": Bundle.load("starter").training["data"]["towers"], "dataset": dataset.sha256}
    (folder / HEADER).write_text(json.dumps(header))
    return folder


@pytest.fixture(scope="module")
def features(folder: Path) -> FeatureSet:
    return FeatureSet(folder, Bundle.load("starter").tokenizer)


@pytest.fixture(scope="module")
def videos(features: FeatureSet) -> list[Joined]:
    joiner, rng = Joiner(features, 4), np.random.default_rng(0)
    return [joiner.draw(4, n % 2 == 0, rng) for n in range(60)]


def test_labels_follow_from_all_that_is_there(features: FeatureSet, videos: list[Joined]) -> None:
    for n, video in enumerate(videos):
        own = features.rows[video.said]
        seen = [span for part in video.parts for span in features.rows[part].seen]
        heard = [span for part in video.parts for span in features.rows[part].heard]
        title, query = TOPICS[str(own.title_topic)], TOPICS[str(own.query_topic)]
        restricted = [part for part in video.parts if features.labels_NK[part, ADULT] == 1]
        assert len(set(video.parts)) == 4 and video.said in video.parts and video.seconds == 16.0
        assert video.truth_K == (
            met_by(title, seen, heard) == "none",
            n % 2 == 0,
            grade(query, seen, heard, title)[0],
        )
        assert restricted == ([video.said] if n % 2 == 0 else [])
        assert (video.restricted_by == "none") == (n % 2 == 1)


def test_one_look_is_taken_of_each_part_that_has_any() -> None:
    seconds_X = np.array([0.0, 0.1, 0.2, 5.0, 9.0, 15.9, 16.0], np.float32)
    taken = one_of_each(seconds_X, 16.0, 4, np.random.default_rng(1))
    assert len(taken) == 4 and taken[0] in (0, 1, 2) and taken[1:3].tolist() == [3, 4] and taken[3] in (5, 6)
    chosen = {int(one_of_each(seconds_X, 16.0, 4, np.random.default_rng(n))[0]) for n in range(40)}
    assert chosen == {0, 1, 2}


def test_a_batch_has_the_looks_of_all_parts_at_their_times(features: FeatureSet, videos: list[Joined]) -> None:
    clips, said = [video.parts for video in videos[:8]], [video.said for video in videos[:8]]
    batch, alone = joined_batch(features, clips, said, 8, 32, np.random.default_rng(0)), features.batch(said)
    assert batch.vision_mask_NF.sum(1).max() <= 8
    assert (batch.ids_NL == alone.ids_NL).all()
    for n, video in enumerate(videos[:8]):
        assert int(batch.audio_mask_NW[n].sum()) == sum(
            len(features.stored("clips", part, "audio")[0]) for part in video.parts
        )
        seconds_X = batch.vision_seconds_NF[n][batch.vision_mask_NF[n]]
        assert (seconds_X.diff() > 0).all() and float(seconds_X.max()) > 8.0
        at = int((float(seconds_X[-1])) // 4)
        values_XPC, own_X = features.stored("clips", video.parts[at], "vision")
        same = int(np.flatnonzero(own_X.numpy() == float(seconds_X[-1]) - 4.0 * at)[0])
        last = int(batch.vision_mask_NF[n].sum()) - 1
        assert (batch.vision_NFPC[n, last] == values_XPC[same].float()).all()


def test_a_long_video_is_measured_with_few_looks_and_with_its_own() -> None:
    bundle = Bundle.load("starter")
    assert looks_of(bundle, 1) == looks_of(bundle, 4) == (8,)
    assert looks_of(bundle, 16) == (8, 16, 32)
    assert looks_of(bundle, 32) == (8, 32)
    assert (8, 8) in cells(bundle) and (8, 16) in cells(bundle)


def test_the_command_writes_a_page(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "PARTS", (1, 12))
    monkeypatch.setattr(measure, "VIDEOS", 40)
    out = tmp_path / "page"
    command = ["long", "starter", "--features", str(folder), "--out", str(out), "--draws", "2"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    results = msgspec.json.decode((out / "results.json").read_bytes(), type=Results)
    assert [(one.seconds, one.looks) for one in results.looked] == [(4.0, 8), (48.0, 8), (48.0, 12), (48.0, 24)]
    assert (out / "README.md").read_text() == page(results)
    assert all(0 <= one.found.value <= 1 and one.adult_auc.seeds == 2 for one in results.looked)
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0
    assert msgspec.json.decode((out / "results.json").read_bytes(), type=Results) == results


def test_features_without_composed_test_clips_are_refused(tmp_path: Path) -> None:
    folder = write_features(tmp_path / "plain", clips=10, seen=1280, heard=SOUND_FEATURES)
    done = CliRunner().invoke(app, ["long", "starter", "--features", str(folder), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "0 restricted and 0 harmless test clips" in done.stderr


def test_a_video_longer_than_there_are_harmless_clips_is_refused(features: FeatureSet) -> None:
    harmless = int((features.labels_NK[:, ADULT] == 0).sum())
    assert len(Joiner(features, harmless).draw(harmless, False, np.random.default_rng(0)).parts) == harmless
    with pytest.raises(ValueError, match=f"{harmless} harmless test clips .* expected some and {harmless + 1}"):
        Joiner(features, harmless + 1)
