"""The three encoders: clips and words -> token embeddings, where they were not recalled.

Tokens are kept in half precision on every path, so that a cached verdict and a fresh one rest on the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from engines.engine_set import EngineSet
from engines.runner import RunnerError
from engines.spec import Array
from streamer.errors import EngineFailedError
from streamer.records import (
    Case,
    Clip,
    Embeddings,
    Float16,
    Float32,
    Float64,
    Marks,
    Modality,
    Tokens,
)

#: How far a sum of single-precision probabilities may stand above 1.
_ROUNDING = 1e-4


class Embedder:
    """Runs the encoders. Not thread-safe, as its runners."""

    def __init__(self, engines: EngineSet, embedding_size: int) -> None:
        self._engines = engines
        self._embedding_size = embedding_size

    def embed(self, cases: Sequence[Case]) -> Embeddings:
        """Tokens of every case, encoding only what was not recalled. Raises `EngineFailedError` (retryable)."""
        started = time.perf_counter()
        tokens = [dict(case.recall.tokens) for case in cases]
        try:
            for modality in Modality:
                missing = [n for n, known in enumerate(tokens) if modality not in known]
                for n, encoded in zip(missing, self._encode(modality, [cases[n] for n in missing]), strict=True):
                    tokens[n][modality] = encoded
        except RunnerError as error:
            raise EngineFailedError(f"an encoder failed on {len(cases)} cases: {error}") from error
        return Embeddings(tokens=tuple(tokens), engine_ms=(time.perf_counter() - started) * 1000)

    def _encode(self, modality: Modality, cases: Sequence[Case]) -> list[Tokens]:
        if not cases:
            return []
        if modality is Modality.TEXT:
            return self._encode_text(cases)
        clips = [_clip_of(case) for case in cases]
        if modality is Modality.VISION:
            series: list[Array | None] = [clip.frames_TCHW for clip in clips]
            spans = [_instants(clip.frame_seconds_T) for clip in clips]
            runner, name = self._engines.vision, "frames_FCHW"
        else:
            series = [clip.windows_TS for clip in clips]
            spans = [_windows(clip.window_seconds_T, clip.window_span_seconds) for clip in clips]
            runner, name = self._engines.audio, "windows_FS"
        return _encode_series(lambda array_F: runner({name: array_F}), series, spans, self._embedding_size)

    def _encode_text(self, cases: Sequence[Case]) -> list[Tokens]:
        longest = max(len(case.recall.text.ids_L) for case in cases)
        ids_NL = np.zeros((len(cases), longest), np.int64)
        segments_NL = np.zeros((len(cases), longest), np.int64)
        mask_NL = np.zeros((len(cases), longest), np.bool_)
        for n, case in enumerate(cases):
            L = len(case.recall.text.ids_L)
            ids_NL[n, :L], segments_NL[n, :L], mask_NL[n, :L] = (
                case.recall.text.ids_L,
                case.recall.text.segments_L,
                True,
            )
        outputs = self._engines.text({"ids_NL": ids_NL, "segments_NL": segments_NL, "mask_NL": mask_NL})
        tokens_NLD = _half(outputs["tokens_NLD"])
        lengths = mask_NL.sum(axis=1)
        return [
            Tokens(tokens_NLD[n : n + 1, :L], np.zeros((1, 2)), np.ones((1, L), np.bool_), Marks.none(1))
            for n, L in enumerate(lengths.tolist())
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


def _encode_series(
    run: Callable[[Array], Mapping[str, Array]], series: Sequence[Array | None], spans: Sequence[Float64], D: int
) -> list[Tokens]:
    """Encode frames or windows of many videos back to back, and hand each video its own again."""
    present = [array for array in series if array is not None]
    tokens_FPD, marks = np.zeros((0, 1, D), np.float16), Marks.none(0)
    if present:
        outputs = run(np.concatenate(present))
        tokens_FPD, marks = _half(outputs["tokens_FPD"]), _marks(outputs)
    P = tokens_FPD.shape[1]
    result, start = [], 0
    for array, spans_T2 in zip(series, spans, strict=True):
        end = start + (0 if array is None else len(array))
        mask_TP = np.ones((end - start, P), np.bool_)
        result.append(Tokens(tokens_FPD[start:end], spans_T2, mask_TP, marks.rows(start, end)))
        start = end
    return result


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
