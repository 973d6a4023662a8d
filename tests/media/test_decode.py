"""From a file to a clip: times, tracks and sound of media as cameras, phones and editors really write it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.decode.formats import Code, DecodeOptions
from streamer.errors import UndecodableError
from streamer.records import Clip
from streamer.sample import ClipShape, SampleOptions
from tests.media.rendering import picture, render_sound, render_video, sine, write_sound

Decode = Callable[..., Clip]


def bars(count: int, width: int = 160, height: int = 120) -> list[np.ndarray]:
    """Frames whose grey level tells their number: 2 levels each."""
    return [np.full((height, width, 3), 20 + 2 * index, np.uint8) for index in range(count)]


def indices(clip: Clip) -> list[int]:
    """Numbers of `bars` that a clip shows."""
    assert clip.frames_TCHW is not None
    return [round((float(frame_CHW[:, 28:36, 28:36].mean()) - 20) / 2) for frame_CHW in clip.frames_TCHW]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "mov", "avi", "flv"])
@pytest.mark.parametrize("gop", [1, 12, 250])
def test_times_belong_to_their_frames(tmp_path: Path, decoded: Decode, suffix: str, gop: int) -> None:
    # An AVI has no presentation times: B-frames in it are shown when players guess.
    path = render_video(
        tmp_path / f"a.{suffix}", width=160, height=120, gop=gop, frames=bars(75), count=75,
        options={"bf": "0"} if suffix == "avi" else None,
    )  # fmt: skip
    clip = decoded(path)
    assert len(clip.frame_seconds_T) == 8
    assert clip.frame_seconds_T[0] < 1.0 and clip.frame_seconds_T[-1] >= 1.9
    assert indices(clip) == pytest.approx(clip.frame_seconds_T * 25, abs=2.1)
    assert clip.coverage.damaged_packets == 0


@pytest.mark.parametrize(
    "parameters", ["intra-refresh=1:keyint=50", "open-gop=1:keyint=20:bframes=3", "bframes=8:ref=8"]
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_unusual_references(tmp_path: Path, decoded: Decode, parameters: str, suffix: str) -> None:
    path = render_video(
        tmp_path / f"a.{suffix}", width=160, height=120, frames=bars(75), count=75, options={"x264-params": parameters}
    )
    clip = decoded(path)
    assert clip.coverage.frames >= 3
    assert indices(clip) == pytest.approx(clip.frame_seconds_T * 25, abs=2.1)


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libx265", "mp4"), ("libvpx-vp9", "webm"), ("mpeg4", "avi"), ("mpeg2video", "mpg")]
)
def test_other_codecs(tmp_path: Path, decoded: Decode, codec: str, suffix: str) -> None:
    options = {"libx265": {"x265-params": "log-level=none"}, "libvpx-vp9": {"cpu-used": "8"}}.get(codec, {})
    path = render_video(
        tmp_path / f"a.{suffix}", width=160, height=120, codec=codec, frames=bars(50), count=50, options=options
    )
    clip = decoded(path)
    assert clip.frame_seconds_T[-1] >= 0.9
    assert indices(clip) == pytest.approx(clip.frame_seconds_T * 25, abs=2.1)


def test_a_stream_without_timestamps(tmp_path: Path, decoded: Decode) -> None:
    path = render_video(tmp_path / "a.h264", width=160, height=120, frames=bars(50), count=50, container_format="h264")
    clip = decoded(path)
    assert clip.coverage.frames >= 2
    assert indices(clip) == sorted(indices(clip))


def test_variable_frame_rate(tmp_path: Path, decoded: Decode) -> None:
    ticks = [0, 1, 2, 3, 30, 31, 60, 90, 95, 120]
    path = render_video(tmp_path / "a.mp4", width=160, height=120, gop=2, frames=bars(100)[::10], pts=ticks)
    clip = decoded(path)
    shown = {round(second * 25): index for second, index in zip(clip.frame_seconds_T, indices(clip), strict=True)}
    assert all(ticks[round(index / 10)] == tick for tick, index in shown.items())
    assert clip.coverage.largest_gap_seconds == pytest.approx(
        max(np.diff([0, *clip.frame_seconds_T, clip.coverage.duration_seconds]))
    )


def test_a_late_start_counts_from_the_start_of_the_video(tmp_path: Path, decoded: Decode) -> None:
    path = render_video(tmp_path / "a.mkv", width=160, height=120, frames=bars(50), pts=range(250, 300))
    clip = decoded(path)
    assert clip.frame_seconds_T[0] < 1.0
    assert clip.coverage.duration_seconds < 3.0


def test_two_audio_tracks_one_taken(tmp_path: Path, decoded: Decode) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in range(2)]
        streams[1].disposition = av.stream.Disposition.default
        write_sound(container, streams[0], 0 * sine(440, 1.0, 16_000), 16_000)
        write_sound(container, streams[1], sine(440, 1.0, 16_000), 16_000)
    clip = decoded(path)
    assert clip.windows_TS is not None
    assert any("2 audio tracks" in note for note in clip.coverage.notes)


def test_cover_art_is_no_video(tmp_path: Path, decoded: Decode) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=44_100, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(picture(0, 64, 64), format="rgb24").reformat(format="yuvj420p")
        frame.pts, frame.time_base = 0, Fraction(1, 1)
        container.mux(cover.encode(frame))
        container.mux(cover.encode(None))
        write_sound(container, sound, sine(440, 2.0, 44_100), 44_100)
    clip = decoded(path)
    assert clip.frames_TCHW is None
    assert clip.windows_TS is not None
    assert "cover art is not a picture track" in clip.coverage.notes


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 96_000])
def test_sound_keeps_its_pitch_and_level(tmp_path: Path, decoded: Decode, rate_hz: int) -> None:
    clip = decoded(render_sound(tmp_path / "a.wav", sine(1000, 1.92, rate_hz), rate_hz))
    assert clip.windows_TS is not None and clip.windows_TS.shape == (2, 15_360)
    np.testing.assert_allclose(clip.window_seconds_T, [0.0, 0.96])
    spectrum = np.abs(np.fft.rfft(clip.windows_TS[0] * np.hanning(15_360)))
    assert np.argmax(spectrum) * 16_000 / 15_360 == pytest.approx(1000, abs=2)
    assert np.abs(clip.windows_TS).max() == pytest.approx(0.5, abs=0.03)


def test_a_burst_in_a_long_quiet_track_is_heard(tmp_path: Path, decoded: Decode) -> None:
    samples_S = 0.01 * sine(200, 300.0, 16_000)
    samples_S[3_456_789:3_459_189] = sine(2500, 0.15, 16_000)
    clip = decoded(render_sound(tmp_path / "a.wav", samples_S))
    assert clip.windows_TS is not None and len(clip.windows_TS) == 32
    loudest = int(np.argmax(np.abs(clip.windows_TS).max(axis=1)))
    assert np.abs(clip.windows_TS[loudest]).max() > 0.45
    assert clip.window_seconds_T[loudest] <= 3_456_789 / 16_000 <= clip.window_seconds_T[loudest] + 0.96
    assert clip.coverage.audio_duration_seconds == pytest.approx(300.0, abs=0.01)
    assert clip.coverage.audio_seconds == pytest.approx(32 * 0.96)


def test_sound_past_the_limit_is_told(tmp_path: Path, decoded: Decode) -> None:
    path = render_sound(tmp_path / "a.wav", sine(440, 5.0, 16_000))
    clip = decoded(path, options=DecodeOptions(max_audio_seconds=2.0))
    assert clip.coverage.audio_duration_seconds == pytest.approx(2.0)
    assert any("unheard" in note for note in clip.coverage.notes)


def test_damaged_packets_are_counted_and_read_past(tmp_path: Path, decoded: Decode) -> None:
    path = render_sound(tmp_path / "a.mp3", sine(440, 4.0, 44_100), 44_100, codec="libmp3lame")
    content = bytearray(path.read_bytes())
    for at in range(2000, len(content) - 2000, 1500):
        content[at : at + 40] = bytes(40)
    path.write_bytes(content)
    clip = decoded(path)
    assert clip.coverage.audio_duration_seconds > 2.0
    assert clip.coverage.damaged_packets > 0


def test_a_codec_off_the_list_is_named(tmp_path: Path, decoded: Decode) -> None:
    path = render_video(tmp_path / "a.mkv", width=64, height=64, count=3, codec="jpeg2000", pix_fmt="yuv420p")
    with pytest.raises(UndecodableError) as caught:
        decoded(path)
    assert caught.value.code == Code.UNSUPPORTED_CODEC
    assert "jpeg2000" in str(caught.value)


def test_the_same_seed_gives_the_same_clip_and_another_gives_another(tmp_path: Path, decoded: Decode) -> None:
    path = render_video(tmp_path / "a.mp4", width=160, height=120, gop=5, frames=bars(100), count=100)
    first, again, other = (decoded(path, seed=seed) for seed in (b"a" * 16, b"a" * 16, b"b" * 16))
    np.testing.assert_array_equal(first.frame_seconds_T, again.frame_seconds_T)
    assert first.frame_seconds_T.tolist() != other.frame_seconds_T.tolist()


def test_sizes_come_from_the_shape(tmp_path: Path, decoded: Decode) -> None:
    shape = ClipShape(frame_pixels=96, sample_rate_hz=8_000, window_samples=4_000, max_frames=3, max_windows=2)
    clip = decoded(render_video(tmp_path / "a.mp4", audio_hz=440.0), shape)
    assert clip.frames_TCHW is not None and clip.frames_TCHW.shape == (3, 3, 96, 96)
    assert clip.windows_TS is not None and clip.windows_TS.shape == (2, 4_000)
    assert clip.window_span_seconds == 0.5


def test_a_long_video_is_looked_at_more_often(tmp_path: Path, decoded: Decode) -> None:
    """39 s at ten frames a second, a keyframe each second: a look in 4 s; as often as a short one if so wanted."""
    path = render_video(tmp_path / "a.mp4", width=64, height=64, rate=10, gop=10, count=390)
    clip, few = decoded(path), decoded(path, options=DecodeOptions(sample=SampleOptions(seconds_per_look=1e9)))
    assert (len(clip.frame_seconds_T), len(few.frame_seconds_T)) == (10, 8)
    assert clip.frames_TCHW is not None and len(clip.frames_TCHW) == 10
    assert clip.coverage.largest_gap_seconds < 8.0
