"""Frames against an independent reference: decoded in order, converted at full size, averaged by Pillow."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from streamer.decode.pixels import Orientation, fit, orientation_from_matrix
from streamer.records import Clip
from streamer.sample import ClipShape
from tests.media.rendering import MATRICES, render_video, with_matrix

SHAPE = ClipShape(frame_pixels=64)


EXACT = 0x4 | 0x40000 | 0x4000 | 0x2000  # SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP | SWS_FULL_CHR_H_INT
USUAL = 0x4  # what the ffmpeg command and `to_image` do


def reference(
    path: Path, seconds: float, size: tuple[int, int], quarter_turns: int = 0, flags: int = EXACT
) -> NDArray[np.uint8]:
    """(H, W, 3): the frame shown at a moment, upright; `size` = width and height before turning clockwise."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and abs(frame.time - seconds) < 1e-3:
                full = frame.reformat(format="rgb24", interpolation=flags, threads=1).to_ndarray()
                small = np.asarray(Image.fromarray(full).resize(size, Image.Resampling.BOX))
                return np.rot90(small, -quarter_turns)
    raise AssertionError(f"no frame at {seconds}")


def differences(
    clip: Clip, path: Path, size: tuple[int, int], quarter_turns: int = 0, flags: int = EXACT
) -> list[float]:
    """Mean absolute difference of each frame inside its letterbox; the bars must be black."""
    assert clip.frames_TCHW is not None
    found = []
    for frame_CHW, seconds in zip(clip.frames_TCHW, clip.frame_seconds_T.tolist(), strict=True):
        want_HWC = reference(path, seconds, size, quarter_turns, flags)
        height, width, _ = want_HWC.shape
        top, left = (64 - height) // 2, (64 - width) // 2
        inside = np.zeros((64, 64), bool)
        inside[top : top + height, left : left + width] = True
        assert not frame_CHW[:, ~inside].any()
        got_HWC = frame_CHW.transpose(1, 2, 0)[top : top + height, left : left + width]
        found.append(float(np.abs(got_HWC.astype(int) - want_HWC.astype(int)).mean()))
    return found


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(320, 240, (64, 48)), (270, 480, (36, 64)), (640, 640, (64, 64)), (1280, 720, (64, 36))],
)
def test_frames_are_within_one_level(
    tmp_path: Path, decoded: Callable[..., Clip], width: int, height: int, size: tuple[int, int]
) -> None:
    path = render_video(tmp_path / "clip.mp4", width=width, height=height, count=25)
    clip = decoded(path, SHAPE)
    assert len(clip.frame_seconds_T) == 8
    assert np.mean(differences(clip, path, size)) < 1.0
    assert np.mean(differences(clip, path, size, flags=USUAL)) < 1.0


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_is_applied(tmp_path: Path, decoded: Callable[..., Clip], degrees: int) -> None:
    path = with_matrix(render_video(tmp_path / "clip.mp4"), *MATRICES[degrees])
    clip = decoded(path, SHAPE)
    assert np.mean(differences(clip, path, (64, 48), degrees // 90)) < 1.0
    assert clip.media.rotation_degrees == {0: 0, 90: -90, 180: 180, 270: 90}[degrees]


def test_sample_aspect_ratio_is_applied(tmp_path: Path, decoded: Callable[..., Clip]) -> None:
    path = render_video(tmp_path / "clip.mp4", width=240, height=240, aspect=Fraction(16, 9))
    assert np.mean(differences(decoded(path, SHAPE), path, (64, 36))) < 1.0


def test_full_range_is_told_from_limited_range(tmp_path: Path, decoded: Callable[..., Clip]) -> None:
    path = render_video(tmp_path / "clip.mp4", pix_fmt="yuvj420p")
    assert np.mean(differences(decoded(path, SHAPE), path, (64, 48))) < 1.0


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p10le", "yuv422p"])
def test_other_pixel_formats(tmp_path: Path, decoded: Callable[..., Clip], pix_fmt: str) -> None:
    path = render_video(tmp_path / "clip.mp4", pix_fmt=pix_fmt)
    assert np.mean(differences(decoded(path, SHAPE), path, (64, 48))) < 1.0


@pytest.mark.parametrize(("transfer", "name"), [("smpte2084", "pq"), ("arib-std-b67", "hlg")])
def test_high_dynamic_range_keeps_order_and_spread(
    tmp_path: Path, decoded: Callable[..., Clip], transfer: str, name: str
) -> None:
    steps = np.repeat(np.linspace(20, 235, 8).astype(np.uint8), 32)
    ramp_HWC = np.broadcast_to(steps[None, :, None], (64, 256, 3)).copy()
    path = render_video(
        tmp_path / f"{name}.mp4", width=256, height=64, count=5, codec="libx265", pix_fmt="yuv420p10le",
        options={"x265-params": f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"},
        frames=[ramp_HWC] * 5,
    )  # fmt: skip
    clip = decoded(path, SHAPE)
    assert clip.frames_TCHW is not None
    columns = clip.frames_TCHW[0, 1, 30, 4::8].astype(int)
    assert (np.diff(columns) > 0).all()
    assert columns[-1] - columns[0] > 100


def test_garbage_matrix_is_ignored(tmp_path: Path, decoded: Callable[..., Clip]) -> None:
    path = with_matrix(render_video(tmp_path / "clip.mp4"), 0, 0, 0, 0)
    clip = decoded(path, SHAPE)
    assert np.mean(differences(clip, path, (64, 48))) < 1.0


def test_orientation_of_mirrored_and_oblique_matrices() -> None:
    def matrix(*values: float) -> bytes:
        a, b, c, d = (round(value * 65536) for value in values)
        return b"".join(v.to_bytes(4, "little", signed=True) for v in (a, b, 0, c, d, 0, 0, 0, 1 << 30))

    assert orientation_from_matrix(matrix(-1, 0, 0, 1)) == Orientation(flip_columns=True)
    assert orientation_from_matrix(matrix(0, 1, 1, 0)) == Orientation(transpose=True)
    assert orientation_from_matrix(matrix(0.7, 0.7, -0.7, 0.7)) is None
    assert orientation_from_matrix(b"short") is None


def test_absurd_aspect_ratios_are_ignored() -> None:
    assert fit(320, 240, Fraction(1, 10_000), 64) == (64, 48)
    assert fit(1, 4000, None, 64) == (1, 64)
