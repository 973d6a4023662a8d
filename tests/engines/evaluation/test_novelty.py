"""Novelty on planted clips: a thing that lies apart is told, one that does not is not, and alarms are counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from engines.cli.evaluate import app
from engines.data.public.manifest import Labels, Row, Span
from engines.evaluation.novelty.measure import Novelty, candidates, measured, resampling_of, thresholds, tuned_on
from engines.evaluation.novelty.page import Results, page, write_report
from engines.evaluation.novelty.spaces import BY, NETWORK, VERDICT, Clips, Distances, Senses, Shares
from engines.known import Known, Sense, known_of

CLIPS, APART, MIXED, STRANGE = 1500, "panda", "pizza", "gunshot"


def span(modality: str, thing: str) -> Span:
    return Span(modality, thing, 0.0, 1.0)  # type: ignore[arg-type]


def row(number: int) -> Row:
    """Every sixth clip shows a panda, which lies apart, one more a pizza, which does not; some have shots."""
    split = ("train", "test", "val")[number // 6 % 3]
    seen = (APART, MIXED, "chair")[min(number % 6, 2)]
    shot = split == "test" and number % 6 == 5
    return Row(
        clip_id=str(number),
        file=f"{number}.mp4",
        split=split,  # type: ignore[arg-type]
        labels=Labels(adult=int(seen == APART)),
        seen=(span("vision", seen),),
        heard=(span("audio", STRANGE),) if shot else (),
        spans=(span("vision", APART),) if seen == APART else (),
        groups=(f"photo:{number // 2}", *(("sesa:1",) * shot)),
    )


@pytest.fixture(scope="module")
def clips() -> Clips:
    rng = np.random.default_rng(3)
    rows = tuple(row(number) for number in range(CLIPS))
    apart_N = np.array([one.seen[0].thing == APART for one in rows])
    centre_KD = 6 * rng.standard_normal((7, 8))
    place_N = np.where(apart_N, 6, rng.integers(6, size=CLIPS))  # what is not a panda is at one of six places
    embedding_ND = np.asarray(centre_KD[place_N] + rng.standard_normal((CLIPS, 8)), np.float32)
    unit_ND = embedding_ND / np.linalg.norm(embedding_ND, axis=1, keepdims=True)
    heard_ND = rng.standard_normal((CLIPS, 8)).astype(np.float32)
    heard_ND[::5] = np.nan  # these are silent
    train_N, held_N = (np.array([one.split == split for one in rows]) for split in ("train", "val"))
    pooled = {"vision": embedding_ND, "audio": heard_ND}
    kept = [{n: x[of_N & ~np.isnan(x[:, 0])] for n, x in pooled.items()} for of_N in (train_N, held_N)]
    senses = Senses(pooled, train_N, held_N, known_of(*kept))
    spaces = (Shares(VERDICT, tuple(pooled), senses), *(Shares(BY[name], (name,), senses) for name in pooled))
    return Clips(rows, (*spaces, Distances(NETWORK, unit_ND, train_N)), frozenset({"sesa"}))


@pytest.fixture(scope="module")
def novelty(clips: Clips) -> Novelty:
    return measured(clips, resampling_of(clips, 40), lambda **_: None)


def test_things_of_enough_test_clips_are_held_out(clips: Clips) -> None:
    assert {thing for _, thing in candidates(clips)} == {"chair", APART, MIXED, STRANGE}


def test_what_lies_apart_is_told_and_what_does_not_is_not(novelty: Novelty) -> None:
    by = {(one.space, one.thing): one for one in novelty.things}
    for space in (VERDICT, BY["vision"], NETWORK):
        apart, mixed = by[space, APART], by[space, MIXED]
        assert apart.auc.value > 0.97
        assert apart.detected[0] > 0.9
        assert abs(mixed.auc.value - 0.5) < 0.15
        assert mixed.detected[1] < 0.25
        assert (apart.restricted, mixed.restricted) == (True, False)
    assert abs(by[BY["audio"], APART].auc.value - 0.5) < 0.15, "what is seen is not heard"
    assert (by[VERDICT, STRANGE].learnt, by[VERDICT, APART].learnt) == (False, True)
    assert by[VERDICT, STRANGE].group == "heard, never learnt"
    assert by[VERDICT, APART].group == "seen, decides a label"


def test_settings_are_chosen_on_every_other_thing_that_was_learnt(clips: Clips, novelty: Novelty) -> None:
    assert tuned_on(clips) == {("seen", "chair"), ("seen", MIXED)}
    assert {one.thing for one in novelty.things if one.group.endswith("chosen on")} == {"chair", MIXED}


def test_a_thing_that_is_not_held_out_is_not_new(clips: Clips) -> None:
    test_N, train_N = clips.of_split("test"), clips.of_split("train")
    apart_T = clips.have("seen", APART)[test_N]
    space = clips.spaces[-1]
    known, without = (space.novelty(test_N, part) for part in (train_N, train_N & ~clips.have("seen", APART)))
    assert np.median(known[apart_T]) < 0.1
    assert np.median(without[apart_T]) > 0.3
    assert known[~apart_T] == pytest.approx(without[~apart_T], abs=1e-6)


def test_alarms_are_of_test_clips_whose_sources_are_known(novelty: Novelty, clips: Clips) -> None:
    known = int((clips.of_split("test") & ~clips.strange).sum())
    assert {one.clips for one in novelty.thresholds} == {known}
    assert clips.strange.sum() > 30
    for one in novelty.thresholds:
        assert one.alarms.value == pytest.approx(one.rate, abs=0.04)
        assert one.alarms.low <= one.alarms.value <= one.alarms.high
    strict, wide = [one for one in novelty.thresholds if one.space == NETWORK]
    assert strict.distance > wide.distance
    assert [one.distance for one in novelty.thresholds if one.space == VERDICT] == [0.99, 0.95]


def test_alarms_are_of_what_the_bundle_itself_keeps(clips: Clips) -> None:
    shares = clips.spaces[0]
    assert isinstance(shares, Shares)
    kept = shares.senses.known.senses
    near = {name: Sense(one.mean_D, one.change_DV, one.row_NV, 0 * one.far_M) for name, one in kept.items()}
    told = replace(clips, spaces=(replace(shares, senses=shares.senses.of(Known(near))),))
    assert all(one.alarms.value > 0.9 for one in thresholds(told, resampling_of(told, 5)))


def test_a_silent_clip_is_judged_by_what_is_seen(clips: Clips) -> None:
    silent_N = np.arange(CLIPS) % 5 == 0
    verdict, seen, heard, _ = clips.spaces
    assert verdict.said(silent_N) == pytest.approx(seen.said(silent_N))
    assert not heard.said(silent_N).any()


def test_the_page_has_every_thing_and_group(novelty: Novelty, tmp_path: Path) -> None:
    results = Results({"command": "earshot evaluate novelty starter"}, novelty)
    files = write_report(results, tmp_path)
    text = files[0].read_text()
    assert text == page(results)
    assert all(f"| {thing} |" in text for thing in (APART, MIXED, STRANGE, "chair"))
    assert "heard, never learnt" in text
    assert msgspec.json.decode(files[1].read_bytes(), type=Results) == results


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    places = [word for name in ("features", "words", "out") for word in (f"--{name}", str(tmp_path / name))]
    told = CliRunner().invoke(app, ["novelty", "starter", *places])
    assert told.exit_code == 1
    assert str(tmp_path / "features") in told.stderr
