"""Photos as moving pictures: pan and zoom over each, hard cuts between them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from engines.data.public.recipe import Recipe, Shot

#: Photos are enlarged by this much over the picture before windows are cut out: steps of a pan stay below a pixel.
FINER = 2
#: How far a shot zooms in at most.
MOST_ZOOM = 1.35
#: A photo of which more than this part would be cut off is shown whole, before plain borders.
MOST_CUT_OFF = 0.3


def read_photo(content: bytes, name: str) -> NDArray[np.uint8]:
    """A JPEG as (H,W,3) uint8 RGB. Raises `ValueError` when it is none."""
    try:
        with av.open(io.BytesIO(content), "r", format="jpeg_pipe") as container:
            return _pixels(next(container.decode(video=0)).reformat(format="rgb24"))
    except (av.FFmpegError, StopIteration) as error:
        raise ValueError(f"{name}: not a picture: {error}") from error


def _frame(picture_HWC: NDArray[np.uint8]) -> av.VideoFrame:
    """As a frame of which every byte is set: the scaler reads beyond the ends of lines."""
    height, width = picture_HWC.shape[:2]
    frame = av.VideoFrame(width, height, "rgb24")
    plane = frame.planes[0]
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    lines[:height, : width * 3] = picture_HWC.reshape(height, width * 3)
    lines[:height, width * 3 :] = 0
    lines[height:] = 0
    return frame


def _pixels(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return frame.to_ndarray().astype(np.uint8, copy=False)


def draw_frames(
    recipe: Recipe, photo: Callable[[Shot], NDArray[np.uint8]], rng: np.random.Generator
) -> Iterator[av.VideoFrame]:
    """The frames of a clip as they are coded: yuv420p, and turned back by the angle that a player turns them."""
    frames = round(recipe.seconds * recipe.frame_rate)
    turns = recipe.rotation_degrees // 90
    for shot in recipe.shots:
        first = round(shot.start_seconds * recipe.frame_rate)
        last = min(frames, round(shot.end_seconds * recipe.frame_rate))
        canvas_HWC = _canvas(photo(shot), recipe.width, recipe.height)
        if rng.random() < 0.5:
            canvas_HWC = canvas_HWC[:, ::-1]
        gain = np.float32(rng.uniform(0.85, 1.15))
        canvas_HWC = np.rot90(np.clip(canvas_HWC * gain, 0, 255).astype(np.uint8), turns)
        for left, top, size in _windows(rng, last - first):
            yield _cut(canvas_HWC, left, top, size)


def _canvas(photo_HWC: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The photo over the whole picture, `FINER` times as large; with borders where too much would be cut off."""
    photo_height, photo_width = photo_HWC.shape[:2]
    cover = max(width / photo_width, height / photo_height)
    kept = (width / (photo_width * cover)) * (height / (photo_height * cover))
    scale = cover if kept >= 1 - MOST_CUT_OFF else min(width / photo_width, height / photo_height)
    large_width, large_height = (max(2, round(side * scale * FINER / 2) * 2) for side in (photo_width, photo_height))
    large_HWC = _pixels(
        _frame(photo_HWC).reformat(large_width, large_height, "rgb24", interpolation=Interpolation.BICUBIC)
    )
    if scale == cover:
        top, left = ((large_HWC.shape[axis] - side * FINER) // 2 for axis, side in ((0, height), (1, width)))
        return large_HWC[max(0, top) :, max(0, left) :][: height * FINER, : width * FINER]
    canvas_HWC = np.empty((height * FINER, width * FINER, 3), np.uint8)
    canvas_HWC[:] = np.median(photo_HWC, axis=(0, 1)).astype(np.uint8)
    top, left = ((canvas_HWC.shape[axis] - large_HWC.shape[axis]) // 2 for axis in (0, 1))
    canvas_HWC[top : top + large_HWC.shape[0], left : left + large_HWC.shape[1]] = large_HWC
    return canvas_HWC


def _windows(rng: np.random.Generator, count: int) -> list[tuple[float, float, float]]:
    """Left, top and size of what is shown, as parts of the canvas, moving evenly from one place to another."""
    sizes = 1 / rng.uniform(1.0, MOST_ZOOM, 2)
    places = rng.uniform(0, 1, (2, 2)) * (1 - sizes[:, None])
    along = np.linspace(0, 1, max(count, 1))[:, None]
    track = (1 - along) * [*places[0], sizes[0]] + along * [*places[1], sizes[1]]
    return [(float(left), float(top), float(size)) for left, top, size in track[:count]]


def _cut(canvas_HWC: NDArray[np.uint8], left: float, top: float, size: float) -> av.VideoFrame:
    full_height, full_width = canvas_HWC.shape[:2]
    rows, columns = (max(2, int(size * side) // 2 * 2) for side in (full_height, full_width))
    y, x = min(int(top * full_height), full_height - rows), min(int(left * full_width), full_width - columns)
    frame = _frame(canvas_HWC[y : y + rows, x : x + columns])
    return frame.reformat(full_width // FINER, full_height // FINER, "yuv420p", interpolation=Interpolation.BILINEAR)
