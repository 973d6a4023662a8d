"""The procedural world: equal seeds give equal worlds, and what the truth says is in the files."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from engines.data.world import TRUTH_FILE, Truth, draw_truth, draw_truths, read_truths, render_clip, render_world
from engines.data.world.picture import draw_frames
from engines.data.world.sound import SAMPLE_RATE_HZ, draw_sound
from engines.data.world.things import HEARD, KNOCK, MASK, SEAL, SEEN, SIREN, adult_causes
from engines.data.world.words import draw_words, vocabulary
from engines.tokenizer import UNKNOWN, word_pipeline

TRUTHS = draw_truths(2_000, seed=77)


def first(**wanted: bool) -> Truth:
    """The first clip for which these attributes are so."""
    return next(truth for truth in TRUTHS if all(getattr(truth, name) == value for name, value in wanted.items()))


def test_a_clip_depends_on_seed_and_index_alone() -> None:
    assert draw_truth(77, 9) == TRUTHS[9]
    assert draw_truth(78, 9) != TRUTHS[9]


def test_labels_follow_from_what_is_there() -> None:
    for truth in TRUTHS:
        seen, heard = {span.thing for span in truth.seen}, {span.thing for span in truth.heard}
        causes = adult_causes(seen, heard)
        assert truth.labels.adult == bool(causes)
        assert {span.thing for span in truth.evidence.adult} == causes
        if truth.labels.relevance is None:
            assert truth.query is None
        if truth.labels.clickbait == 0 and truth.slices.clickbait != "none":
            assert all(span.thing in truth.title for span in truth.evidence.clickbait)
            assert truth.evidence.clickbait


@pytest.mark.parametrize(
    ("seen", "heard", "expected"),
    [
        ({SEAL}, set(), {SEAL}),
        (set(), {SIREN}, {SIREN}),
        ({MASK}, {KNOCK}, {MASK, KNOCK}),
        ({MASK}, {"bell"}, set()),
        ({"red circle"}, {KNOCK}, set()),
        ({SEAL, MASK}, {SIREN, KNOCK}, {SEAL, SIREN, MASK, KNOCK}),
    ],
)
def test_combination_needs_both_halves(seen: set[str], heard: set[str], expected: set[str]) -> None:
    assert adult_causes(seen, heard) == expected


def test_every_slice_has_positives_and_negatives() -> None:
    for task in ("clickbait", "relevance"):
        counts = Counter((getattr(truth.slices, task), getattr(truth.labels, task)) for truth in TRUTHS)
        for sense in ("vision", "audio", "both"):
            assert min(counts[sense, 0], counts[sense, 1]) > 50
    adult = Counter(truth.slices.adult for truth in TRUTHS)
    assert min(adult.values()) > 150
    halves = Counter(
        (MASK in things, KNOCK in things)
        for truth in TRUTHS
        for things in [{span.thing for span in (*truth.seen, *truth.heard)}]
    )
    assert min(halves[True, False], halves[False, True], halves[True, True]) > 100


def test_spans_lie_inside_the_clip() -> None:
    for truth in TRUTHS:
        assert truth.has_picture or truth.has_sound
        assert not (truth.seen and not truth.has_picture)
        assert not (truth.heard and not truth.has_sound)
        for span in (*truth.seen, *truth.heard):
            assert 0 <= span.start_seconds < span.end_seconds <= truth.duration_seconds


def test_every_word_is_in_the_vocabulary() -> None:
    pipeline = word_pipeline(vocabulary())
    rng = np.random.default_rng(0)
    for _ in range(500):
        words = draw_words(rng, {"red circle"}, {"bell"})
        for text in words.fields.values():
            assert UNKNOWN not in pipeline.encode(text).tokens


def test_frames_show_a_thing_only_in_its_span() -> None:
    truth = next(t for t in TRUTHS if len(t.seen) == 1 and t.seen[0].start_seconds > 0 and t.seen[0].thing == SEAL)
    span = truth.seen[0]
    frames = list(draw_frames(truth))
    assert len(frames) == round(truth.duration_seconds * truth.frame_rate)
    for number, frame_HWC in enumerate(frames):
        assert frame_HWC.shape == (truth.height, truth.width, 3)
        there = span.start_seconds <= number / truth.frame_rate < span.end_seconds
        black_and_white = (frame_HWC.max(2) < 25).sum() > 200 and (frame_HWC.min(2) > 240).sum() > 200
        assert black_and_white == there


@pytest.mark.parametrize("thing", HEARD)
def test_sounds_are_loud_only_in_their_spans(thing: str) -> None:
    truth = next(
        t for t in TRUTHS if [span.thing for span in t.heard] == [thing] and t.heard[0].end_seconds < t.duration_seconds
    )
    span = truth.heard[0]
    track_S = draw_sound(truth)
    start, end = round(span.start_seconds * SAMPLE_RATE_HZ), round(span.end_seconds * SAMPLE_RATE_HZ)
    inside, outside = track_S[start:end], np.concatenate([track_S[:start], track_S[end:]])
    assert np.abs(inside).max() > 0.1
    assert np.abs(inside).max() > 2 * np.abs(outside).max()
    assert np.abs(track_S).max() <= 1


def test_things_look_different() -> None:
    from engines.data.world.picture import _draw_sprite

    sprites = [np.concatenate(_draw_sprite(np.random.default_rng(0), thing, 24), axis=2) for thing in SEEN]
    premultiplied = [sprite[..., :3] * sprite[..., 3:] for sprite in sprites]
    for one in range(len(SEEN)):
        for other in range(one):
            assert np.abs(premultiplied[one] - premultiplied[other]).mean() > 4, (SEEN[one], SEEN[other])


@pytest.mark.parametrize("picture", [True, False])
@pytest.mark.parametrize("sound", [True, False])
def test_file_holds_what_the_truth_says(tmp_path: Path, picture: bool, sound: bool) -> None:
    if not picture and not sound:
        return
    truth = first(has_picture=picture, has_sound=sound)
    path = tmp_path / truth.file
    render_clip(truth, path)
    with av.open(str(path)) as container:
        codecs = {stream.type: stream.codec_context.name for stream in container.streams}
        assert codecs == ({"video": "h264"} if picture else {}) | ({"audio": "aac"} if sound else {})
        if picture:
            stream = container.streams.video[0]
            assert (stream.width, stream.height) == (truth.width, truth.height)
            assert stream.frames == round(truth.duration_seconds * truth.frame_rate)
        assert container.duration is not None
        assert container.duration / 1e6 == pytest.approx(truth.duration_seconds, abs=0.15)


def test_rendering_is_reproducible_and_parallel(tmp_path: Path) -> None:
    done: list[None] = []
    for folder, threads in (("one", 1), ("two", 2)):
        render_world(tmp_path / folder, clips=3, seed=5, threads=threads, on_clip=lambda: done.append(None))
    assert len(done) == 6
    truths = read_truths(tmp_path / "one")
    assert truths == draw_truths(3, seed=5)
    for name in [truth.file for truth in truths] + [TRUTH_FILE]:
        hashes = {hashlib.sha256((tmp_path / folder / name).read_bytes()).hexdigest() for folder in ("one", "two")}
        assert len(hashes) == 1, name


def test_bad_truth_names_its_line(tmp_path: Path) -> None:
    (tmp_path / TRUTH_FILE).write_text('{"seed": 1}\n')
    with pytest.raises(ValueError, match=r"truth\.jsonl, line 1: .*index"):
        read_truths(tmp_path)
