"""What was perceived of one video, and where it came from.

Shape letters: T frames or windows, C,H,W channel, height, width, S samples of an audio window.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from streamer.records.arrays import Float32, Float64, UInt8, check_series, shapes_shown


@dataclass(frozen=True, slots=True)
class Content:
    """A fetched video in a regular file of ours. `sha256` is of the bytes that will be decoded."""

    path: str
    sha256: str
    size_bytes: int


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a video was looked at and listened to."""

    plan_id: str
    duration_seconds: float
    frames: int
    largest_gap_seconds: float
    audio_seconds: float
    audio_duration_seconds: float
    damaged_packets: int = 0
    notes: tuple[str, ...] = ()


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """What the container said of itself; for people and logs, never for sizing buffers."""

    container: str
    video_codec: str | None = None
    width: int = 0
    height: int = 0
    rotation_degrees: int = 0
    audio_codec: str | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """What was perceived of one video.

    frames_TCHW: uint8 RGB in [0, 255], letterboxed to the bundle's square; None when there is no picture.
    frame_seconds_T: float64, presentation time of each frame from the start of the video, ascending.
    windows_TS: float32 mono in [-1, 1] at the bundle's sample rate; None when there is no sound track.
    window_seconds_T: float64, start of each window, ascending.
    """

    frames_TCHW: UInt8 | None
    frame_seconds_T: Float64
    windows_TS: Float32 | None
    window_seconds_T: Float64
    window_span_seconds: float
    coverage: Coverage
    media: Media
    decode_cpu_ms: float

    def __post_init__(self) -> None:
        check_series("frames_TCHW", self.frames_TCHW, np.uint8, 4, self.frame_seconds_T)
        check_series("windows_TS", self.windows_TS, np.float32, 2, self.window_seconds_T)
        if self.frames_TCHW is None and self.windows_TS is None:
            raise ValueError("a Clip needs frames or sound; a video with neither is undecodable")

    @property
    def size_bytes(self) -> int:
        """Memory held by pixels and samples."""
        return sum(array.nbytes for array in (self.frames_TCHW, self.windows_TS) if array is not None)

    def __repr__(self) -> str:
        return shapes_shown(self)
