"""Pixels of a clip: shapes that move over a textured ground.

Shape letters: H,W,C height, width, channel of a picture; S side of a sprite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.data.world.things import COLOURS, MASK, SEAL
from engines.data.world.truth import Span, Truth

Pixels = NDArray[np.uint8]
Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Mover:
    """A sprite with its opacity, and the box inside which it bounces, in pixels."""

    span: Span
    colour_SSC: Float
    opacity_SS1: Float
    box: tuple[float, float, float, float]
    phase: tuple[float, float]
    speed: tuple[float, float]

    def paint(self, picture_HWC: Pixels, seconds: float) -> None:
        left, top, width, height = self.box
        side = self.opacity_SS1.shape[0]
        x = int(left + _bounce(self.phase[0] + self.speed[0] * seconds) * (width - side))
        y = int(top + _bounce(self.phase[1] + self.speed[1] * seconds) * (height - side))
        patch_SSC = picture_HWC[y : y + side, x : x + side]
        mixed_SSC = patch_SSC + self.opacity_SS1 * (self.colour_SSC - patch_SSC)
        patch_SSC[:] = mixed_SSC.astype(np.uint8)


def draw_frames(truth: Truth) -> Iterator[Pixels]:
    """The RGB frames of a clip in order, uint8 (H, W, 3)."""
    rng = np.random.default_rng([truth.seed, truth.index, 1])
    ground_HWC = _draw_ground(rng, truth.width, truth.height)
    movers = [_draw_mover(rng, span, slot, truth) for slot, span in enumerate(truth.seen)]
    drift = rng.uniform(-12, 12) if rng.random() < 0.2 else 0.0  # pixels a second; costly to encode
    for number in range(round(truth.duration_seconds * truth.frame_rate)):
        seconds = number / truth.frame_rate
        picture_HWC = np.roll(ground_HWC, int(drift * seconds), axis=1) if drift else ground_HWC.copy()
        for mover in movers:
            if mover.span.start_seconds <= seconds < mover.span.end_seconds:
                mover.paint(picture_HWC, seconds)
        yield picture_HWC


def _draw_mover(rng: np.random.Generator, span: Span, slot: int, truth: Truth) -> _Mover:
    """Each of at most two things keeps to its half of the longer side, so that none hides another."""
    width, height = truth.width, truth.height
    side = int(rng.uniform(0.42, 0.5) * min(width, height))
    halves = ((0, 0), (width / 2, 0)) if width >= height else ((0, 0), (0, height / 2))
    box = (*halves[slot], *((width / 2, height) if width >= height else (width, height / 2)))
    colour_SSC, opacity_SS1 = _draw_sprite(rng, span.thing, side)
    phase, speed = rng.uniform(0, 2, 2), rng.uniform(0.1, 0.5, 2)
    return _Mover(
        span, colour_SSC, opacity_SS1, box, (float(phase[0]), float(phase[1])), (float(speed[0]), float(speed[1]))
    )


def _draw_sprite(rng: np.random.Generator, thing: str, side: int) -> tuple[Float, Float]:
    """Colour (S, S, 3) in [0, 255] and opacity (S, S, 1) in [0, 1]."""
    fine = 3 * side  # drawn three times as fine and averaged: smooth edges
    axis = (np.arange(fine) + 0.5) / fine * 2 - 1
    tilt = np.deg2rad(rng.uniform(-12, 12))
    x = axis[None] * np.cos(tilt) + axis[:, None] * np.sin(tilt)
    y = axis[:, None] * np.cos(tilt) - axis[None] * np.sin(tilt)
    if thing == SEAL:
        inside, light = np.abs(x) + np.abs(y) < 0.95, (np.floor(x * 2.5) + np.floor(y * 2.5)) % 2
        colour = np.where(light[..., None] == 1, 250.0, 12.0) * np.ones(3)
    elif thing == MASK:
        eyes = ((np.abs(x) - 0.42) / 0.24) ** 2 + (y / 0.2) ** 2 < 1
        inside, colour = (x / 0.95) ** 2 + (y / 0.55) ** 2 < 1, np.where(eyes[..., None], 250.0, 12.0) * np.ones(3)
    else:
        name, shape = thing.split()
        inside = _inside(shape, x, y)
        colour = np.broadcast_to(np.array(COLOURS[name]) + rng.uniform(-14, 14, 3), (fine, fine, 3)).clip(0, 255)
    return _shrink(colour), _shrink(inside[..., None].astype(np.float64))


def _inside(shape: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points of the square [-1, 1] x [-1, 1] belong to the shape; y points down."""
    if shape == "circle":
        return x**2 + y**2 < 0.8
    if shape == "square":
        return np.maximum(np.abs(x), np.abs(y)) < 0.78
    if shape == "triangle":
        return (y < 0.75) & (np.abs(x) < (y + 0.9) * 0.56)
    if shape == "cross":
        return (np.minimum(np.abs(x), np.abs(y)) < 0.26) & (np.maximum(np.abs(x), np.abs(y)) < 0.92)
    angle = (np.arctan2(x, -y) / (2 * np.pi) * 5) % 1  # a star: the radius falls from each of five points
    return np.hypot(x, y) < 0.97 - 1.15 * np.minimum(angle, 1 - angle)


def _shrink(fine: NDArray[np.float64]) -> Float:
    side = fine.shape[0] // 3
    return np.asarray(fine.reshape(side, 3, side, 3, -1).mean((1, 3)), np.float32)


def _draw_ground(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """Two layers of smooth noise and a stripe pattern, of little colour, so that things stand out."""
    coarse, fine = _noise(rng, width, height, 5), _noise(rng, width, height, 17)
    direction = rng.uniform(0, np.pi)
    ramp = np.cos(direction) * np.arange(width)[None] + np.sin(direction) * np.arange(height)[:, None]
    stripes = np.sin(ramp * rng.uniform(0.05, 0.25)) * rng.uniform(0, 1)
    level = rng.uniform(70, 175) + 28 * coarse + 14 * fine + 9 * stripes
    return np.asarray((level[..., None] + rng.uniform(-16, 16, 3)).clip(0, 255), np.uint8)


def _noise(rng: np.random.Generator, width: int, height: int, cells: int) -> NDArray[np.float64]:
    """Bilinear between random values on a grid, (H, W), about unit variance."""
    grid = rng.standard_normal((cells + 1, cells + 1))
    y, x = np.linspace(0, cells - 1e-6, height), np.linspace(0, cells - 1e-6, width)
    row, column = y.astype(int), x.astype(int)
    down, right = (y - row)[:, None], (x - column)[None]
    top = grid[row][:, column] * (1 - right) + grid[row][:, column + 1] * right
    bottom = grid[row + 1][:, column] * (1 - right) + grid[row + 1][:, column + 1] * right
    return np.asarray(top * (1 - down) + bottom * down)


def _bounce(position: float) -> float:
    """A triangle wave of period 2 in [0, 1]."""
    return 1 - abs(position % 2 - 1)
