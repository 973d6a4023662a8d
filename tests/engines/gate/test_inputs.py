"""What both sides are given: the clips of a folder, or the samples, varied by chance but the same for each seed."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.data.public.manifest import Row
from engines.data.samples import sample_clips
from engines.gate.recorded import Recorded, in_batches, of_folder
from engines.gate.slices import parts_of
from engines.gate.varied import CHANGES, of_samples
from engines.scoring import BATCH

COUNT = 300


@pytest.fixture(scope="module")
def varied(world_bundle: Bundle) -> list[Recorded]:
    return list(of_samples(world_bundle.preprocessing, inputs=COUNT, seed=3).inputs)


def alike(one: Recorded, other: Recorded) -> bool:
    return (
        np.array_equal(one.clip.frames_TCHW, other.clip.frames_TCHW)
        and np.array_equal(one.clip.windows_TS, other.clip.windows_TS)
        and one.row == other.row
    )


def test_a_seed_gives_the_same_inputs_again_and_another_seed_others(
    world_bundle: Bundle, varied: list[Recorded]
) -> None:
    again = islice(of_samples(world_bundle.preprocessing, inputs=COUNT, seed=3).inputs, 40)
    assert all(alike(one, other) for one, other in zip(varied, again, strict=False))
    others = list(islice(of_samples(world_bundle.preprocessing, inputs=COUNT, seed=4).inputs, 40))
    assert sum(alike(one, other) for one, other in zip(varied, others, strict=False)) < 12


def test_the_samples_come_first_as_they_are(varied: list[Recorded]) -> None:
    with sample_clips() as (_, rows):
        assert [one.row for one in varied[: len(rows)]] == rows
    assert not any(one.varied for one in varied[: len(rows)])
    assert all(one.row.labels.adult is None and not one.row.evidence for one in varied[len(rows) :])


def test_every_change_is_made_to_some_and_clips_stay_clips(world_bundle: Bundle, varied: list[Recorded]) -> None:
    made = [change for one in varied for change in one.varied]
    assert {*CHANGES, "no words", "words of another", "sound of another"} == set(made)
    sizes = world_bundle.preprocessing
    for one in varied:
        clip = one.clip
        assert clip.frames_TCHW.dtype == np.uint8 and clip.windows_TS.dtype == np.float32
        assert clip.frames_TCHW.shape[1:] == (3, sizes.frame_pixels, sizes.frame_pixels)
        assert clip.windows_TS.shape[1:] == (sizes.window_samples,) and np.abs(clip.windows_TS).max(initial=0) <= 1
        assert len(clip.frames_TCHW) == len(clip.frame_seconds_T)
        assert len(clip.windows_TS) == len(clip.window_seconds_T)


@pytest.mark.parametrize("change", ["crop", "light", "grain", "mirror", "gain", "hiss"])
def test_a_change_changes_what_it_says(varied: list[Recorded], change: str) -> None:
    rng = np.random.default_rng(0)
    clip = varied[0].clip
    changed = CHANGES[change](clip, rng)
    seen = not np.array_equal(changed.frames_TCHW, clip.frames_TCHW)
    heard = not np.array_equal(changed.windows_TS, clip.windows_TS)
    assert (seen, heard) == ((False, True) if change in ("gain", "hiss") else (True, False))


def test_batches_hold_all_inputs_in_order_and_are_of_many_sizes(varied: list[Recorded]) -> None:
    batches = list(in_batches(varied, 0))
    assert [id(one) for batch in batches for one in batch] == [id(one) for one in varied]
    sizes = {len(batch) for batch in batches}
    assert max(sizes) <= BATCH and len(sizes) > BATCH // 2


def test_clips_of_a_folder_are_decoded_and_one_that_is_none_has_words_alone(
    world_bundle: Bundle, tmp_path: Path
) -> None:
    with sample_clips() as (folder, rows):
        (tmp_path / "seen.mp4").write_bytes(rows[0].path(folder).read_bytes())
    (tmp_path / "text.mp4").write_text("no video")
    listed = [Row(clip_id=name, file=f"{name}.mp4", split="test", title=name) for name in ("seen", "text")]
    recording = of_folder(tmp_path, listed, world_bundle.preprocessing, inputs=None)
    seen, text = recording.inputs
    assert recording.count == 2 and str(tmp_path) in recording.source
    assert len(seen.clip.frames_TCHW) > 0 and len(text.clip.frames_TCHW) == len(text.clip.windows_TS) == 0
    assert seen.row.title == "seen" and parts_of(text, "adult") == {"with neither picture nor sound"}


def test_so_many_of_a_folder_as_were_asked_for(world_bundle: Bundle, tmp_path: Path) -> None:
    rows = [Row(clip_id=str(n), file=f"{n}.mp4", split="test") for n in range(10)]
    assert of_folder(tmp_path, rows, world_bundle.preprocessing, inputs=4).count == 4
    assert of_folder(tmp_path, rows, world_bundle.preprocessing, inputs=40).count == 10
    with pytest.raises(ValueError, match="came no clips to compare on, expected some; --split"):
        of_folder(tmp_path, [], world_bundle.preprocessing, inputs=None)


def test_what_a_clip_has_in_common_with_others(varied: list[Recorded]) -> None:
    with sample_clips() as (_, rows):
        place = next(place for place, row in enumerate(rows) if row.file == "short-number-heard.mp4")
    parts = parts_of(varied[place], "clickbait")
    assert parts >= {
        "with picture and sound",
        "kind of source photo",
        "source speaker:theo",
        "title of headlines",
        "decided by vision",
        "harmless, but like few_digits",
        "labelled 0",
    }
    assert "decided by none" in parts_of(varied[place], "adult") and "rotated" not in parts
    assert any("varied: hiss" in parts_of(one, "adult") for one in varied)
