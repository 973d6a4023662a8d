"""The three encoders: clips and words -> token embeddings, where they were not recalled.

Tokens are kept in half precision on every path, so that a cached verdict and a fresh one rest on the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from engines.engine_set import EngineSet
from engines.runner import RunnerError, RunnerLostError, run_together
from engines.spec import Array
from streamer.errors import EngineFailedError, EnginesLostError
from streamer.records import (
    Case,
    Clip,
    Embeddings,
    Float16,
    Float32,
    Float64,
    Marks,
    Modality,
    Text,
    Tokens,
)

#: How far a sum of single-precision probabilities may stand above 1.
_ROUNDING = 1e-4


class Embedder:
    """Runs the encoders. Not thread-safe, as its runners."""

    def __init__(self, engines: EngineSet, embedding_size: int) -> None:
        self._runners = {Modality.VISION: engines.vision, Modality.AUDIO: engines.audio, Modality.TEXT: engines.text}
        self._embedding_size = embedding_size
        self._rooms = {Modality.VISION: _Room(), Modality.AUDIO: _Room()}

    def embed(self, cases: Sequence[Case]) -> Embeddings:
        """Tokens of every case, encoding only what was not recalled.

        Raises `EngineFailedError` (retryable) and `EnginesLostError` (fatal).
        """
        started = time.perf_counter()
        tokens = [dict(case.recall.tokens) for case in cases]
        missing = {modality: [n for n, known in enumerate(tokens) if modality not in known] for modality in Modality}
        rolls = {modality: self._roll(modality, [cases[n] for n in ns]) for modality, ns in missing.items() if ns}
        outputs = self._run(rolls, len(cases))
        for modality, roll in rolls.items():
            for n, encoded in zip(missing[modality], roll.tokens(outputs.get(modality)), strict=True):
                tokens[n][modality] = encoded
        return Embeddings(tokens=tuple(tokens), engine_ms=(time.perf_counter() - started) * 1000)

    def _roll(self, modality: Modality, cases: Sequence[Case]) -> _Roll:
        if modality is Modality.TEXT:
            return _Texts([case.recall.text for case in cases])
        clips = [_clip_of(case) for case in cases]
        if modality is Modality.VISION:
            frames: list[Array | None] = [clip.frames_TCHW for clip in clips]
            instants = [_instants(clip.frame_seconds_T) for clip in clips]
            return _Series("frames_FCHW", frames, instants, self._embedding_size, self._rooms[modality])
        windows: list[Array | None] = [clip.windows_TS for clip in clips]
        spans = [_windows(clip.window_seconds_T, clip.window_span_seconds) for clip in clips]
        return _Series("windows_FS", windows, spans, self._embedding_size, self._rooms[modality])

    def _run(self, rolls: Mapping[Modality, _Roll], cases: int) -> dict[Modality, dict[str, Array]]:
        """Outputs of the encoders that have something to encode; on a GPU they work side by side."""
        running = [modality for modality, roll in rolls.items() if roll.rows]
        try:
            found = run_together((self._runners[modality], rolls[modality].inputs()) for modality in running)
        except RunnerLostError as error:
            raise EnginesLostError(str(error)) from error
        except RunnerError as error:
            raise EngineFailedError(f"an encoder failed on {cases} cases: {error}") from error
        return dict(zip(running, found, strict=True))


class _Roll(Protocol):
    """What one encoder takes in for many videos at once, and whose is what."""

    @property
    def rows(self) -> int:
        """How much there is to encode; 0 where no video has any."""
        ...

    def inputs(self) -> dict[str, Array]:
        """All of it, back to back."""
        ...

    def tokens(self, outputs: Mapping[str, Array] | None) -> list[Tokens]:
        """Each video's own again; `outputs` is None where there was nothing. Raises `EngineFailedError`."""
        ...


class _Room:
    """Memory in which one batch after the other is put together.

    Of 32 clips for the starter that takes 0.46 ms a clip, and in fresh memory 0.77 ms; of 8 clips both take as long
    (median of 25, 2026-11-27, 2 vCPU Intel Xeon).
    """

    def __init__(self) -> None:
        self._room: Array | None = None

    def together(self, arrays: Sequence[Array]) -> Array:
        """All of them back to back, until the next call."""
        rows, like = sum(map(len, arrays)), arrays[0]
        room = self._room
        if room is None or len(room) < rows or (room.dtype, room.shape[1:]) != (like.dtype, like.shape[1:]):
            self._room = room = np.empty((rows, *like.shape[1:]), like.dtype)
        return np.concatenate(arrays, out=room[:rows])


class _Series:
    """Frames or windows of many videos."""

    def __init__(
        self, name: str, arrays: Sequence[Array | None], spans: Sequence[Float64], D: int, room: _Room
    ) -> None:
        self._name, self._arrays, self._spans, self._D, self._room = name, arrays, spans, D, room

    @property
    def rows(self) -> int:
        return sum(len(array) for array in self._arrays if array is not None)

    def inputs(self) -> dict[str, Array]:
        return {self._name: self._room.together([array for array in self._arrays if array is not None])}

    def tokens(self, outputs: Mapping[str, Array] | None) -> list[Tokens]:
        tokens_FPD, marks = np.zeros((0, 1, self._D), np.float16), Marks.none(0)
        if outputs is not None:
            tokens_FPD, marks = _half(outputs["tokens_FPD"]), _marks(outputs)
        P = tokens_FPD.shape[1]
        result, start = [], 0
        for array, spans_T2 in zip(self._arrays, self._spans, strict=True):
            end = start + (0 if array is None else len(array))
            mask_TP = np.ones((end - start, P), np.bool_)
            result.append(Tokens(tokens_FPD[start:end], spans_T2, mask_TP, marks.rows(start, end)))
            start = end
        return result


class _Texts:
    """Words of many videos, padded to the longest."""

    def __init__(self, texts: Sequence[Text]) -> None:
        self._texts = texts

    @property
    def rows(self) -> int:
        return len(self._texts)

    def inputs(self) -> dict[str, Array]:
        shape = (len(self._texts), max(len(text.ids_L) for text in self._texts))
        ids_NL, segments_NL, mask_NL = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
        for n, text in enumerate(self._texts):
            L = len(text.ids_L)
            ids_NL[n, :L], segments_NL[n, :L], mask_NL[n, :L] = text.ids_L, text.segments_L, True
        return {"ids_NL": ids_NL, "segments_NL": segments_NL, "mask_NL": mask_NL}

    def tokens(self, outputs: Mapping[str, Array] | None) -> list[Tokens]:
        assert outputs is not None
        tokens_NLD = _half(outputs["tokens_NLD"])
        lengths = [len(text.ids_L) for text in self._texts]
        return [
            Tokens(tokens_NLD[n : n + 1, :L], np.zeros((1, 2)), np.ones((1, L), np.bool_), Marks.none(1))
            for n, L in enumerate(lengths)
        ]


def _clip_of(case: Case) -> Clip:
    if case.clip is None:
        raise ValueError(f"video {case.event.video_id}: media tokens are missing and there is no clip to encode")
    return case.clip


def _half(tokens: Array) -> Float16:
    """Half precision. Raises `EngineFailedError` for what is not a number, or too large to be one."""
    with np.errstate(over="ignore"):
        half = np.asarray(tokens, np.float32).astype(np.float16)
    if not np.isfinite(half).all():
        raise EngineFailedError(f"an encoder gave tokens of shape {tokens.shape} that are not finite")
    return half


def _instants(seconds_T: Float64) -> Float64:
    return np.stack([seconds_T, seconds_T], axis=1)


def _windows(seconds_T: Float64, span_seconds: float) -> Float64:
    return np.stack([seconds_T, seconds_T + span_seconds], axis=1)


def _marks(outputs: Mapping[str, Array]) -> Marks:
    """Marks of all frames or windows. Raises `EngineFailedError` for what is no index and no probability."""
    nothing = Marks.none(len(outputs["tokens_FPD"]))
    marks = Marks(
        np.asarray(outputs.get("classes_FI", nothing.classes_TI), np.int32),
        _shares(outputs.get("class_scores_FI", nothing.class_scores_TI)),
        _shares(outputs.get("priors_FR", nothing.priors_TR)),
    )
    if not marks.whole:
        raise EngineFailedError(f"an encoder gave {marks}, of which some are no index or no probability")
    return marks


def _shares(array: Array) -> Float32:
    """Probabilities; a sum of them may be above 1 by its rounding."""
    shares = np.asarray(array, np.float32)
    return np.where((shares > 1) & (shares < 1 + _ROUNDING), np.float32(1), shares)
