"""PNG and spectrogram: what an independent decoder sees, and where a tone lights up."""

from __future__ import annotations

import base64
import io

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.report.png import data_uri, png_from_indices, png_from_rgb, shrink
from streamer.report.spectrogram import BANDS, palette, spectrogram

RATE_HZ = 16_000


def decoded(png: bytes) -> NDArray[np.uint8]:
    with av.open(io.BytesIO(png), "r", format="png_pipe") as container:
        return np.asarray(next(container.decode(video=0)).to_ndarray(format="rgb24"), np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (96, 64)])
def test_rgb_comes_back_to_the_bit(size: tuple[int, int]) -> None:
    pixels_HWC = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert (decoded(png_from_rgb(pixels_HWC)) == pixels_HWC).all()


def test_indices_come_back_as_their_colours() -> None:
    indices_HW = np.arange(256, dtype=np.uint8).reshape(8, 32)
    colours = palette()
    assert (decoded(png_from_indices(indices_HW, colours)) == colours[indices_HW]).all()


def test_other_shapes_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"float32\(2, 2, 3\), expected uint8"):
        png_from_rgb(np.zeros((2, 2, 3), np.float32))


def test_the_address_holds_the_picture() -> None:
    png = png_from_rgb(np.zeros((2, 2, 3), np.uint8))
    assert base64.b64decode(data_uri(png).removeprefix("data:image/png;base64,")) == png


def test_shrinking_averages_blocks() -> None:
    pixels_CHW = np.zeros((3, 4, 8), np.uint8)
    pixels_CHW[0, :2, :2] = [[100, 200], [100, 200]]
    small_HWC = shrink(pixels_CHW, 4)
    assert small_HWC.shape == (2, 4, 3)
    assert small_HWC[0, 0].tolist() == [150, 0, 0]
    assert shrink(pixels_CHW, 8).shape == (4, 8, 3)


def test_loudness_colours_grow_lighter() -> None:
    lightness = palette().astype(float) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) >= 0).all()


@pytest.mark.parametrize(("low_hz", "high_hz"), [(120, 500), (500, 2000), (2000, 7000)])
def test_higher_tones_light_higher_bands(low_hz: int, high_hz: int) -> None:
    time_S = np.arange(RATE_HZ) / RATE_HZ
    rows = [
        spectrogram(np.sin(2 * np.pi * tone * time_S).astype(np.float32), RATE_HZ).mean(axis=1).argmax()
        for tone in (low_hz, high_hz)
    ]
    assert rows[0] > rows[1], "row 0 is the top"


def test_levels_are_absolute() -> None:
    time_S = np.arange(RATE_HZ) / RATE_HZ
    tone_S = np.sin(2 * np.pi * 1000 * time_S).astype(np.float32)
    loud, quiet = spectrogram(tone_S, RATE_HZ).max(), spectrogram(tone_S / np.float32(100), RATE_HZ).max()
    assert loud > 230
    assert int(loud) - int(quiet) == pytest.approx(40 / 80 * 255, abs=2)  # a hundredth is 40 dB of the 80 shown
    silence = spectrogram(np.zeros(RATE_HZ, np.float32), RATE_HZ)
    assert silence.shape[0] == BANDS and not silence.any()


def test_windows_shorter_than_a_transform_are_drawn() -> None:
    assert spectrogram(np.ones(100, np.float32), RATE_HZ).shape[0] == BANDS
