"""Novelty by known clips: shares that hold on clips of the same kind, a planted outlier, senses that are missing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from engines.known import (
    DIRECTIONS,
    FEWEST_CLIPS,
    MOST_CLIPS,
    SCHEMA,
    Float32,
    Known,
    Sense,
    TooFewClipsError,
    fitted,
    joined,
    known_of,
    pooled_tokens,
)

D, KINDS = 8, 7
FILE = "known.safetensors"


def clips(count: int, seed: int, kinds: range = range(KINDS)) -> Float32:
    """Of some kinds, each about a place of its own."""
    centre_KD = 6 * np.random.default_rng(9).standard_normal((KINDS + 1, D))
    rng = np.random.default_rng(seed)
    return np.asarray(centre_KD[rng.choice(kinds, count)] + rng.standard_normal((count, D)), np.float32)


@pytest.fixture(scope="module")
def sense() -> Sense:
    return fitted(clips(600, 0), clips(400, 1))


@pytest.fixture(scope="module")
def known(sense: Sense) -> Known:
    return Known({"vision": sense, "audio": fitted(clips(600, 2), clips(400, 3))})


def test_ordinary_clips_reach_a_share_as_often_as_it_says() -> None:
    novelty_X = fitted(clips(600, 0), clips(3_000, 1)).novelty(clips(4_000, 4))
    assert novelty_X.dtype == np.float32
    assert 0 <= novelty_X.min() <= novelty_X.max() < 1
    for share in (0.5, 0.9, 0.95, 0.99):
        assert (novelty_X >= share).mean() == pytest.approx(1 - share, abs=0.03)


def test_a_planted_kind_is_new_and_the_known_are_not(sense: Sense) -> None:
    planted_X = sense.novelty(clips(200, 5, range(KINDS, KINDS + 1)))
    assert (planted_X >= 0.95).mean() > 0.9
    assert np.median(sense.novelty(clips(200, 6))) < 0.7


def test_a_kind_that_is_held_out_becomes_new(sense: Sense) -> None:
    of_kind = clips(200, 7, range(1))
    without = fitted(clips(600, 0, range(1, KINDS)), clips(400, 1, range(1, KINDS)))
    assert (without.novelty(of_kind) >= 0.95).mean() > 0.9 > 0.3 > (sense.novelty(of_kind) >= 0.95).mean()


def test_senses_that_are_missing_take_no_part(known: Known) -> None:
    seen_D, heard_D = clips(1, 8)[0], clips(1, 10, range(KINDS, KINDS + 1))[0]
    both = known.novelty({"vision": seen_D, "audio": heard_D, "text": seen_D})
    assert set(both) == {"vision", "audio"}
    assert known.novelty({"audio": heard_D}) == {"audio": both["audio"]}
    assert known.novelty({}) == {}
    assert both["audio"] > 0.95 > both["vision"]


def test_joined_raises_no_more_alarms_than_one_sense() -> None:
    rng = np.random.default_rng(0)
    pairs = [joined(pair.tolist()) for pair in rng.random((20_000, 2))]
    assert np.mean(np.array(pairs) >= 0.95) == pytest.approx(0.05, abs=0.005)
    assert joined([0.2, 0.999]) == pytest.approx(0.998, abs=1e-4)
    assert joined([0.7]) == 0.7
    assert joined([]) is None


def test_the_middle_of_all_clips_is_like_nothing(sense: Sense) -> None:
    assert sense.distance(sense.mean_D[None]).tolist() == [1.0]


def test_the_company_of_others_changes_nothing(known: Known) -> None:
    several = clips(5, 11)
    alone = [known.novelty({"vision": one})["vision"] for one in several]
    assert alone == known.senses["vision"].novelty(several).tolist()


def test_what_is_kept_is_small(sense: Sense) -> None:
    many = fitted(clips(MOST_CLIPS + 500, 12), clips(FEWEST_CLIPS, 13))
    assert (len(many.row_NV), many.row_NV.dtype) == (MOST_CLIPS, np.dtype(np.int8))
    assert sense.change_DV.shape == (D, D)
    wide = np.random.default_rng(0).standard_normal((300, 2 * DIRECTIONS)).astype(np.float32)
    assert fitted(wide, wide).row_NV.shape == (300, DIRECTIONS)


def test_directions_without_clips_are_left_out() -> None:
    flat_ND, held_MD = clips(100, 14), clips(40, 15)
    flat_ND[:, 5:] = 1
    assert fitted(flat_ND, held_MD).change_DV.shape == (D, 5)
    with pytest.raises(ValueError, match="came 100 training clips that are all alike"):
        fitted(np.ones((100, D), np.float32), held_MD)


def test_a_sense_of_too_few_clips_is_not_known_and_none_at_all_is_an_error() -> None:
    some, few = clips(60, 16), clips(FEWEST_CLIPS - 1, 17)
    assert set(known_of({"vision": some, "audio": some}, {"vision": some, "audio": few}).senses) == {"vision"}
    with pytest.raises(TooFewClipsError, match=r"'audio': \(60, 19\)\} .*, expected 20 of both"):
        known_of({"vision": few, "audio": some}, {"vision": some, "audio": few})


def test_tokens_count_in_half_precision_as_they_are_kept() -> None:
    token_XD = np.array([[1.0001, 2], [3, 4]], np.float32)
    assert pooled_tokens(token_XD).tolist() == pooled_tokens(token_XD.astype(np.float16)).tolist() == [2.0, 3.0]


def test_a_file_says_the_same_again(known: Known, tmp_path: Path) -> None:
    known.save(tmp_path / FILE)
    known.save(tmp_path / "again")
    assert (tmp_path / FILE).read_bytes() == (tmp_path / "again").read_bytes()
    loaded = Known.load(tmp_path / FILE, ("vision", "audio"), D)
    one = {"vision": clips(1, 18)[0], "audio": clips(1, 19)[0]}
    assert loaded.novelty(one) == known.novelty(one)


def test_a_file_for_others_is_refused(known: Known, tmp_path: Path) -> None:
    path = tmp_path / FILE
    known.save(path)
    with pytest.raises(ValueError, match=f"{FILE}: vision came {D} wide, expected 192 as the bundle's tokens"):
        Known.load(path, ("vision", "audio"), 192)
    with pytest.raises(ValueError, match=rf"{FILE}: has .*'audio.mean'.*, expected \['vision.directions'"):
        Known.load(path, ("vision",), D)
    arrays = load_file(path)
    save_file(arrays, path, {"schema": "earshot-known/99"})
    with pytest.raises(ValueError, match=f"came schema 'earshot-known/99', expected {SCHEMA}"):
        Known.load(path, ("vision", "audio"), D)
    save_file(arrays | {"audio.directions": arrays["audio.directions"][:, :3]}, path, {"schema": SCHEMA})
    with pytest.raises(ValueError, match=re.escape(f"came directions ({D}, 3), 400 distances and rows (600, {D})")):
        Known.load(path, ("vision", "audio"), D)
    path.write_bytes(b"not one")
    with pytest.raises(ValueError, match=f"{FILE}: no known clips"):
        Known.load(path, ("vision",), D)
