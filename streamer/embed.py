"""Cache look-up, encoders on the misses, store. Owns the keys and therefore what a cached value may depend on.

A key names everything that decides the value: schema, encoder fingerprint (graph and preprocessing), sampling plan
and content. So a changed title re-encodes text only, and a new fusion head re-scores without decoding. Tokens are
kept in half precision on every path, so that a cached verdict and a fresh one rest on the same bits.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from engines.bundle import Bundle
from engines.engine_set import EngineSet
from engines.runner import RunnerError
from engines.spec import Array
from streamer.cache.protocol import Cache
from streamer.cache.sealed import seal, unseal
from streamer.errors import EngineFailedError
from streamer.records import (
    Batch,
    Case,
    Clip,
    Coverage,
    Embeddings,
    Event,
    Float16,
    Float64,
    Modality,
    Recall,
    Text,
    Tokens,
)

#: Change when the meaning of cached values changes.
CACHE_SCHEMA = 1

_MEDIA = (Modality.VISION, Modality.AUDIO)


class Embedder:
    """The cache protocol and the three encoders. `recall` is thread-safe; `embed` belongs to one thread."""

    def __init__(self, bundle: Bundle, engines: EngineSet, cache: Cache, *, plan_id: str, secret: bytes) -> None:
        self._bundle = bundle
        self._engines = engines
        self._cache = cache
        self._plan_id = plan_id
        self._secret = secret

    def recall(self, event: Event, content_sha256: str) -> Recall:
        """What is known of this video and this text, in one round trip; never raises for the cache's sake."""
        text = self._text(event)
        keys = self._keys(text, content_sha256)
        blobs, tier = self._cache.lookup(list(keys.values()))
        tokens: dict[Modality, Tokens] = {}
        coverages: list[Coverage] = []
        for (modality, key), blob in zip(keys.items(), blobs, strict=True):
            found = unseal(blob, cache_key=key, secret=self._secret) if blob is not None else None
            if found is None:
                continue
            tokens[modality], coverage = found
            if coverage is not None:
                coverages.append(coverage)
        complete = all(modality in tokens for modality in _MEDIA) and len(coverages) == len(_MEDIA)
        return Recall(
            text=text,
            keys=keys,
            tokens=tokens,
            coverage=coverages[0] if complete else None,
            tier=tier if complete else "none",
        )

    def embed(self, batch: Batch) -> Embeddings:
        """Tokens of every case, encoding only what was not recalled. Raises `EngineFailedError` (retryable)."""
        started = time.perf_counter()
        tokens = [dict(case.recall.tokens) for case in batch.cases]
        try:
            for modality in Modality:
                missing = [n for n, known in enumerate(tokens) if modality not in known]
                for n, encoded in zip(missing, self._encode(modality, [batch.cases[n] for n in missing]), strict=True):
                    tokens[n][modality] = encoded
        except RunnerError as error:
            raise EngineFailedError(f"an encoder failed on {len(batch.cases)} cases: {error}") from error
        engine_ms = (time.perf_counter() - started) * 1000
        self._store(batch, tokens)
        return Embeddings(tokens=tuple(tokens), engine_ms=engine_ms)

    def _text(self, event: Event) -> Text:
        fields = {
            "title": event.title,
            "description": event.description,
            "hashtags": " ".join(event.hashtags),
            "query": event.query or "",
        }
        ids_L, segments_L = self._bundle.tokenizer.encode(fields)
        return Text(ids_L, segments_L)

    def _keys(self, text: Text, content_sha256: str) -> dict[Modality, str]:
        words = hashlib.sha256(text.ids_L.tobytes() + text.segments_L.tobytes()).hexdigest()
        subjects = {
            Modality.VISION: f"{self._plan_id}:{content_sha256}",
            Modality.AUDIO: f"{self._plan_id}:{content_sha256}",
            Modality.TEXT: words,
        }
        return {
            modality: f"emb:{CACHE_SCHEMA}:{modality}:{self._bundle.fingerprint(modality)}:{subject}"
            for modality, subject in subjects.items()
        }

    def _encode(self, modality: Modality, cases: Sequence[Case]) -> list[Tokens]:
        if not cases:
            return []
        if modality is Modality.TEXT:
            return self._encode_text(cases)
        D = self._bundle.embedding_size
        clips = [_clip_of(case) for case in cases]
        if modality is Modality.VISION:
            series: list[Array | None] = [clip.frames_TCHW for clip in clips]
            spans = [_instants(clip.frame_seconds_T) for clip in clips]
            runner, name = self._engines.vision, "frames_FCHW"
        else:
            series = [clip.windows_TS for clip in clips]
            spans = [_windows(clip.window_seconds_T, clip.window_span_seconds) for clip in clips]
            runner, name = self._engines.audio, "windows_FS"
        return _encode_series(lambda array_F: runner({name: array_F})["tokens_FPD"], series, spans, D)

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
            Tokens(tokens_NLD[n : n + 1, :L], np.zeros((1, 2)), np.ones((1, L), np.bool_))
            for n, L in enumerate(lengths.tolist())
        ]

    def _store(self, batch: Batch, tokens: Sequence[Mapping[Modality, Tokens]]) -> None:
        values: dict[str, bytes] = {}
        for case, known in zip(batch.cases, tokens, strict=True):
            for modality, key in case.recall.keys.items():
                if modality in case.recall.tokens:
                    continue
                coverage = case.coverage if modality in _MEDIA else None
                values[key] = seal(known[modality], coverage, cache_key=key, secret=self._secret)
        if values:
            self._cache.put(values)


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
    run: Callable[[Array], Array], series: Sequence[Array | None], spans: Sequence[Float64], D: int
) -> list[Tokens]:
    """Encode frames or windows of many videos back to back, and hand each video its own again."""
    present = [array for array in series if array is not None]
    tokens_FPD = _half(run(np.concatenate(present))) if present else np.zeros((0, 1, D), np.float16)
    P = tokens_FPD.shape[1]
    result, start = [], 0
    for array, spans_T2 in zip(series, spans, strict=True):
        T = 0 if array is None else len(array)
        values_TPD = tokens_FPD[start : start + T]
        result.append(Tokens(values_TPD, spans_T2, np.ones((T, P), np.bool_)))
        start += T
    return result
