"""A sound track -> windows of 16 kHz mono, chosen by loudness. Reads on past damaged packets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.container import InputContainer

from streamer.decode.container import Account, keep_only, prepare
from streamer.decode.formats import DecodeOptions
from streamer.records import Float32, Float64
from streamer.sample import BLOCKS_PER_WINDOW, ClipShape, plan_windows


@dataclass(frozen=True, slots=True)
class Sound:
    """windows_TS: float32 in [-1, 1]; seconds_T: float64, start of each; seconds heard, seconds there are."""

    windows_TS: Float32
    seconds_T: Float64
    heard_seconds: float
    duration_seconds: float
    codec: str


def listen(
    container: InputContainer,
    tracks: list[Any],
    shape: ClipShape,
    seed: bytes,
    options: DecodeOptions,
    account: Account,
) -> Sound | None:
    """The first track that gives any sound; None when none does."""
    for track in tracks:
        prepare(track, options)
        samples_S, start_seconds = _Track(container, track, shape, options, account).read()
        if samples_S.size:
            return _sound(samples_S, start_seconds, track, shape, seed)
    if tracks:
        account.note("the audio track gave no sound")
    return None


def _sound(samples_S: Float32, start_seconds: float, track: Any, shape: ClipShape, seed: bytes) -> Sound:
    starts_T = plan_windows(_loudness(samples_S, shape), samples_S.size, shape, seed)
    windows_TS = np.zeros((starts_T.size, shape.window_samples), np.float32)
    heard = 0
    for window_S, start in zip(windows_TS, starts_T.tolist(), strict=True):
        piece_S = samples_S[start : start + shape.window_samples]
        window_S[: piece_S.size] = piece_S
        heard += piece_S.size
    return Sound(
        windows_TS,
        starts_T / shape.sample_rate_hz + start_seconds,
        heard / shape.sample_rate_hz,
        samples_S.size / shape.sample_rate_hz,
        track.codec_context.codec.canonical_name,
    )


def _loudness(samples_S: Float32, shape: ClipShape) -> Float32:
    """Mean square of each block; the last one is padded with silence."""
    block = shape.window_samples // BLOCKS_PER_WINDOW
    padded_S = np.pad(samples_S, (0, -samples_S.size % block))
    blocks_BS = padded_S.reshape(-1, block)
    loudness_B: Float32 = np.einsum("bs,bs->b", blocks_BS, blocks_BS) / np.float32(block)
    return loudness_B


class _Track:
    """Reads one audio track from its beginning to its end or to the duration limit."""

    def __init__(
        self, container: InputContainer, track: Any, shape: ClipShape, options: DecodeOptions, account: Account
    ) -> None:
        self._container = container
        self._track = track
        self._rate_hz = shape.sample_rate_hz
        self._room = int(options.max_audio_seconds * shape.sample_rate_hz)
        self._account = account
        self._resampler = self._new_resampler()
        self._start_seconds: float | None = None

    def _new_resampler(self) -> av.AudioResampler:
        return av.AudioResampler(format="flt", layout="mono", rate=self._rate_hz)

    def read(self) -> tuple[Float32, float]:
        """Samples in [-1, 1] and the moment of the first one, in seconds from the start of the video."""
        pieces: list[Float32] = []
        room = self._room
        for piece_S in self._pieces():
            pieces.append(piece_S[:room])
            room -= piece_S.size
            if room <= 0:
                self._account.note(f"sound after {self._room / self._rate_hz:g} s unheard")
                break
        samples_S = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        np.nan_to_num(samples_S, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
        np.clip(samples_S, -1.0, 1.0, out=samples_S)
        return samples_S, max((self._start_seconds or 0.0) - self._account.origin_seconds, 0.0)

    def _pieces(self) -> Iterator[Float32]:
        for frame in itertools.chain(self._frames(), (None,)):
            try:
                for resampled in self._resampler.resample(frame):
                    yield resampled.to_ndarray().reshape(-1).astype(np.float32, copy=False)
            except ValueError:  # the format changed in mid-track (FFmpeg's own errors are ValueErrors too)
                self._resampler = self._new_resampler()
                self._account.note("audio format changes in mid-track")

    def _frames(self) -> Iterator[Any]:
        keep_only(self._container, self._track)
        packets = self._container.demux(self._track)
        while not self._account.is_spent():
            packet = None
            try:
                packet = next(packets)
                frames = packet.decode()
            except StopIteration:
                return
            except (av.FFmpegError, EOFError):
                self._account.damage(self._track, packet)
                continue
            for frame in frames:
                if self._start_seconds is None:
                    self._start_seconds = frame.time or 0.0
                yield frame
