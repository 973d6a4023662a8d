"""Decoded clips, as `earshot decode --save` leaves them: one safetensors file per video.

Shape letters: T frames or windows of a clip, C,H,W channel, height, width, S samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from engines.data.world.truth import Truth


@dataclass(frozen=True, slots=True)
class Clip:
    """What was perceived of one video; a missing modality has T = 0.

    frames_TCHW: uint8 RGB. windows_TS: float32 mono in [-1, 1]. Seconds: float64, of a frame its presentation time,
    of a window its start.
    """

    frames_TCHW: NDArray[np.uint8]
    frame_seconds_T: NDArray[np.float64]
    windows_TS: NDArray[np.float32]
    window_seconds_T: NDArray[np.float64]


def read_clip(path: Path, *, frame_pixels: int, window_samples: int) -> Clip:
    """One saved clip. Raises `ValueError` when the file is not one of these sizes."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path}: not a decoded clip: {error}") from error
    clip = Clip(
        tensors.get("frames_TCHW", np.zeros((0, 3, frame_pixels, frame_pixels), np.uint8)),
        tensors.get("frame_seconds_T", np.zeros(0)),
        tensors.get("windows_TS", np.zeros((0, window_samples), np.float32)),
        tensors.get("window_seconds_T", np.zeros(0)),
    )
    came = clip.frames_TCHW.shape[1:], clip.windows_TS.shape[1:]
    expected = (3, frame_pixels, frame_pixels), (window_samples,)
    if came != expected:
        raise ValueError(f"{path}: came frames and windows of shape {came}, expected {expected}; decode again")
    return clip


def read_clips(folder: Path, truths: list[Truth], *, frame_pixels: int, window_samples: int) -> list[Clip]:
    """The clips of these truths, in order. Raises `ValueError` when one is missing or of other sizes."""
    paths = [folder / f"{Path(truth.file).stem}.safetensors" for truth in truths]
    return [read_clip(path, frame_pixels=frame_pixels, window_samples=window_samples) for path in paths]
