"""What is planned keeps its promises: labels follow from what is there, splits share nothing, quotas are met."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from engines.data.public.judging import grade, hard_negative, restricted_slice, restricted_spans
from engines.data.public.layout import BRIEF_SECONDS, CLIP_SECONDS
from engines.data.public.manifest import SPLITS, Span
from engines.data.public.named import named, topics
from engines.data.public.plan import Planned, draw_plan
from engines.data.public.sources import find_sets, read_assets
from engines.data.public.splits import leaks, split_assets
from engines.data.public.topics import DIGITS, FEW_DIGITS, RESTRICTED_DIGITS, Topic

TOPICS = {topic.name: topic for topic in topics()}


def seen(thing: str, start: float = 0.0, end: float = CLIP_SECONDS) -> Span:
    return Span("vision", thing, start, end)


def heard(thing: str) -> Span:
    return Span("audio", thing, 0.5, 2.0)


def test_equal_seeds_give_equal_plans(raw_data: Path, planned: list[Planned]) -> None:
    assets = read_assets(raw_data, find_sets(raw_data))
    assert draw_plan(split_assets(assets, 3), 600, 3) == planned
    assert draw_plan(split_assets(assets, 4), 600, 4) != planned


def test_no_source_is_in_two_splits(planned: list[Planned]) -> None:
    names = [(one.row.split, name) for one in planned for name in (*one.row.assets, *one.row.groups)]
    assert leaks(names) == []
    assert {split for split, _ in names} == set(SPLITS)


def test_labels_follow_from_what_is_there(planned: list[Planned]) -> None:
    for row in (one.row for one in planned):
        promised = next(topic for topic in named() if topic.name == row.title_topic)
        in_sight = {span.thing for span in row.seen} & {*promised.seen}
        in_ear = {span.thing for span in row.heard} & {*promised.heard}
        assert row.labels.clickbait == int(not in_sight and not in_ear)
        assert promised.named_in(row.title)
        assert row.labels.adult == int(bool(row.spans)) == int(row.evidence["adult"] != "none")
        restricted = {"revolver", "crocodile", "gunshot", "explosion"}
        there = {span.thing for span in (*row.seen, *row.heard)}
        digits = sum(asset.startswith("fsdd/") for asset in row.assets) >= RESTRICTED_DIGITS
        assert row.labels.adult == int(bool(there & restricted) or digits)


def test_every_slice_has_its_share(planned: list[Planned]) -> None:
    test = Counter(one.row.evidence["adult"] for one in planned if one.row.split == "test")
    train = Counter(one.row.evidence["adult"] for one in planned if one.row.split == "train")
    assert sum(test.values()) == round(600 * 2000 / 8400)
    assert {"vision", "vision_brief", "audio", "speech", "both"} < {*test, *train}
    assert train["vision_brief"] == round(64 * 400 / 2000)
    assert train["speech"] == round(64 * 400 / 2000)
    grades = Counter(one.row.labels.relevance for one in planned)
    assert min(grades[value] for value in range(4)) > 20


def test_photos_fill_the_clip_and_brief_ones_are_brief(planned: list[Planned]) -> None:
    for one in planned:
        shots = one.recipe.shots
        assert [shot.end_seconds for shot in shots[:-1]] == [shot.start_seconds for shot in shots[1:]]
        assert (shots[0].start_seconds, shots[-1].end_seconds) == (0.0, CLIP_SECONDS)
        assert 1 <= len(shots) <= 4
        if one.row.evidence["adult"] == "vision_brief":
            assert [span.end_seconds - span.start_seconds for span in one.row.spans] == [pytest.approx(BRIEF_SECONDS)]


def test_numbers_are_read_by_one_speaker_and_end_in_time(planned: list[Planned]) -> None:
    counts = set()
    for one in planned:
        digits = [sound for sound in one.recipe.sounds if sound.thing == DIGITS]
        counts.add(len(digits))
        assert len({sound.member.split("_")[1] for sound in digits}) <= 1
        assert all(b.start_seconds >= a.start_seconds + a.seconds for a, b in pairwise(digits))
        assert all(sound.start_seconds + sound.seconds <= CLIP_SECONDS + 0.01 for sound in one.recipe.sounds)
    assert counts & set(range(*FEW_DIGITS)), "there are numbers that are too short to matter"
    assert not counts & set(range(FEW_DIGITS[1] + 1, RESTRICTED_DIGITS)), "none is in between"


def test_clips_without_sound_claim_none(planned: list[Planned]) -> None:
    silent = [one for one in planned if not one.recipe.has_audio]
    assert 0.02 * len(planned) < len(silent) < 0.1 * len(planned)
    for one in silent:
        assert not one.row.heard and not one.recipe.sounds and one.row.has_audio is False
        assert one.row.evidence["clickbait"] not in ("audio", "both", "speech")
    rotated = [one.row.rotated for one in planned]
    assert 0.02 * len(planned) < sum(map(bool, rotated)) < 0.1 * len(planned)


def test_without_shots_no_sound_but_speech_is_restricted(raw_data: Path) -> None:
    sets = find_sets(raw_data, frozenset({"sesa"}))
    planned = draw_plan(split_assets(read_assets(raw_data, sets), 1), 300, 1)
    slices = Counter(one.row.evidence["adult"] for one in planned)
    assert slices["audio"] == 0
    assert slices["speech"] > 0 and slices["both"] > 0


@pytest.mark.parametrize(
    ("topic", "sights", "sounds", "title", "expected"),
    [
        ("guitar", [seen("electric_guitar")], [heard("guitar")], "dog", (3, "both")),
        ("guitar", [seen("electric_guitar")], [], "dog", (2, "vision")),
        ("guitar", [], [heard("guitar")], "dog", (2, "audio")),
        ("pizza", [seen("pizza")], [], "dog", (3, "vision")),
        ("pizza", [seen("pizza", 1.0, 1.8)], [], "dog", (2, "vision_brief")),
        ("coffee", [], [heard("order")], "dog", (3, "speech")),
        ("panda", [seen("llama")], [], "dog", (1, "vision")),
        ("panda", [seen("pizza")], [], "panda", (1, "text")),
        ("panda", [seen("pizza")], [heard("rain")], "dog", (0, "none")),
    ],
)
def test_grades(topic: str, sights: list[Span], sounds: list[Span], title: str, expected: tuple[int, str]) -> None:
    assert grade(TOPICS[topic], sights, sounds, TOPICS[title]) == expected


@pytest.mark.parametrize(
    ("sights", "sounds", "digits", "expected"),
    [
        ([seen("panda")], [heard("dog_bark")], 0, "none"),
        ([seen("revolver")], [], 0, "vision"),
        ([seen("revolver", 1.0, 1.8)], [], 0, "vision_brief"),
        ([seen("panda")], [heard("gunshot")], 0, "audio"),
        ([seen("scorpion")], [heard("explosion")], 0, "both"),
        ([seen("panda")], [heard(DIGITS)], RESTRICTED_DIGITS, "speech"),
        ([seen("panda")], [heard(DIGITS)], RESTRICTED_DIGITS - 1, "none"),
    ],
)
def test_what_is_restricted(sights: list[Span], sounds: list[Span], digits: int, expected: str) -> None:
    assert restricted_slice(restricted_spans(sights, sounds, digits)) == expected


def test_hard_negatives_are_named() -> None:
    pandas = TOPICS["panda"]
    assert hard_negative([seen("stapler")], [], pandas) == "lookalike"
    assert hard_negative([seen("stapler")], [heard("casual")], pandas) == "casual_sound"
    assert hard_negative([seen("panda")], [], Topic("gun", ("revolver",))) == "title"
    assert hard_negative([seen("panda")], [heard("dog_bark")], pandas) is None
