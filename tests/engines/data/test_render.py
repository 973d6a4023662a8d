"""Files hold what their recipes say: pictures upright and in time, sounds at their place; and the same again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.data.public.recipe import Recipe, Shot, Sound
from engines.data.public.render import Renderer
from engines.data.public.sound import MIX_RATE_HZ, draw_sound, loudest, loudness, lowpass
from engines.data.public.sources import Media

RECIPE = Recipe(
    seed=(1, 2, 3),
    file="clips/one.mp4",
    width=160,
    height=120,
    frame_rate=10,
    seconds=4.0,
    shots=(
        Shot("photos", "panda/image_0001.jpg", "panda", 0.0, 2.5),
        Shot("photos", "pizza/image_0002.jpg", "pizza", 2.5, 4.0),
    ),
    sounds=(Sound("esc10", "dog_bark/1.ogg", "dog_bark", 1.0, 1.0),),
)


def rendered(raw_data: Path, folder: Path, recipe: Recipe) -> Path:
    Renderer(raw_data).render(recipe, folder)
    return folder / recipe.file


def pictures(path: Path) -> list[NDArray[np.uint8]]:
    """Frames as coded, without the turn that the file asks for."""
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def rotation(path: Path) -> int:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).rotation


def test_a_clip_has_the_stated_tracks(raw_data: Path, tmp_path: Path) -> None:
    path = rendered(raw_data, tmp_path, RECIPE)
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height, video.frames) == (160, 120, 40)
        assert container.duration == pytest.approx(4_000_000, abs=150_000)
    silent = rendered(raw_data, tmp_path, msgspec.structs.replace(RECIPE, file="silent.mp4", has_audio=False))
    with av.open(str(silent)) as container:
        assert not container.streams.audio


def test_equal_recipes_give_equal_bytes(raw_data: Path, tmp_path: Path) -> None:
    first, second = (rendered(raw_data, tmp_path / name, RECIPE) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    other = rendered(raw_data, tmp_path / "c", msgspec.structs.replace(RECIPE, seed=(1, 2, 4)))
    assert other.read_bytes() != first.read_bytes()


def test_photos_change_where_they_should(raw_data: Path, tmp_path: Path) -> None:
    frames = pictures(rendered(raw_data, tmp_path, RECIPE))
    steps = [np.abs(a.astype(int) - b).mean() for a, b in pairwise(frames)]
    assert int(np.argmax(steps)) == 24


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned_clips_are_upright_in_players(raw_data: Path, tmp_path: Path, degrees: int) -> None:
    upright = pictures(rendered(raw_data, tmp_path, msgspec.structs.replace(RECIPE, file="0.mp4")))[0]
    path = rendered(raw_data, tmp_path, msgspec.structs.replace(RECIPE, rotation_degrees=degrees))
    assert rotation(path) in (-degrees, 360 - degrees)  # FFmpeg counts against the clock
    turns = [np.rot90(pictures(path)[0], -quarter) for quarter in range(4)]
    far = [np.abs(turn.astype(int) - upright).mean() if turn.shape == upright.shape else 255.0 for turn in turns]
    assert int(np.argmin(far)) == degrees // 90


def test_a_finished_file_is_kept_and_a_half_one_is_not_taken(raw_data: Path, tmp_path: Path) -> None:
    path = tmp_path / RECIPE.file
    path.parent.mkdir(parents=True)
    path.with_suffix(".part").write_bytes(b"half")
    assert rendered(raw_data, tmp_path, RECIPE).stat().st_size > 5_000
    assert not path.with_suffix(".part").exists()
    path.write_bytes(b"finished")
    assert rendered(raw_data, tmp_path, RECIPE).read_bytes() == b"finished"


def test_a_broken_photo_is_named(raw_data: Path, tmp_path: Path) -> None:
    class Broken(Media):
        def content(self, source: str, member: str) -> bytes:
            return b"no picture"

    renderer = Renderer(raw_data)
    renderer._media = Broken(raw_data)
    with pytest.raises(ValueError, match=r"photos/panda/image_0001\.jpg: not a picture"):
        renderer.render(RECIPE, tmp_path)
    assert not (tmp_path / RECIPE.file).exists()


def tone(hertz: float, seconds: float) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * MIX_RATE_HZ)) / MIX_RATE_HZ).astype(np.float32)


@pytest.mark.parametrize("event_db", [0.0, 10.0, 15.0])
def test_events_stand_over_the_bed_as_told(event_db: float) -> None:
    recipe = msgspec.structs.replace(RECIPE, event_db=event_db, lowpass_hz=7500.0)
    mix_S = draw_sound(recipe, lambda _: tone(440, 1.0), np.random.default_rng(1))
    second = MIX_RATE_HZ
    event, bed = mix_S[second + 800 : 2 * second - 800], mix_S[2 * second + 800 :]
    over_db = 10 * np.log10((np.mean(event**2) - np.mean(bed**2)) / np.mean(bed**2))
    assert over_db == pytest.approx(event_db, abs=2.0)
    assert 10 * np.log10(np.mean(mix_S**2)) == pytest.approx(recipe.level_db, abs=0.5)
    assert np.abs(mix_S).max() <= 1


def test_the_loudest_part_is_taken() -> None:
    sound_S = np.concatenate([0.1 * tone(300, 2), tone(300, 1), 0.1 * tone(300, 2)])
    part_S = loudest(sound_S, MIX_RATE_HZ, np.random.default_rng(1))
    assert part_S.size == MIX_RATE_HZ
    assert loudness(part_S[MIX_RATE_HZ // 4 :]) > 0.6


def test_pauses_do_not_count_for_loudness() -> None:
    assert loudness(np.concatenate([tone(300, 1), np.zeros(3 * MIX_RATE_HZ, np.float32)])) == pytest.approx(
        0.707, abs=0.01
    )


def test_nothing_stays_above_the_channel() -> None:
    spectrum = np.abs(np.fft.rfft(lowpass(tone(1000, 1) + tone(6000, 1), 3400.0)))
    assert spectrum[6000] < 1e-3 * spectrum[1000]
