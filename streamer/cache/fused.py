"""What the fusion network said of one case <-> sealed bytes. Pure.

    header | logits, without, embedding, novelty, weights (float32) | spans (float64) | views (float16) | marks |
    coverage | HMAC-SHA256

Full precision and no compression: a recalled value is the same bits as the fresh one, and few enough not to matter.
Checked like tokens (`sealed.py`): first the HMAC, then every size.

K tasks, M modalities, D embedding size, V frames, A audio windows, I classes and R priors of each.
"""

from __future__ import annotations

import math
import struct

import msgspec
import numpy as np

from streamer.cache.marked import marks_bytes, marks_from, marks_size
from streamer.cache.signed import signed, verified
from streamer.records import TASKS, Attention, Coverage, Float16, Float32, Float64, Fused, Modality

_MAGIC = b"ESHF"
_VERSION = 4
#: Magic, version, D, V, A, I and R of the frames, I and R of the windows, bytes of coverage.
_HEADER = struct.Struct("<4sB3xIIIIIIII")
_PURPOSE = b"earshot sealed fusion\0"
_K, _M = len(TASKS), len(Modality)
#: Stands for the novelty of a modality of which nothing is known.
_UNKNOWN = -1.0


def seal_fused(fused: Fused, coverage: Coverage, *, cache_key: str, secret: bytes) -> bytes:
    """The bytes to keep under `cache_key`.

    Raises:
        ValueError: something is not finite, or no probability; an engine that gives such must not be remembered.
    """
    seen, heard = fused.attention.vision_spans_T2, fused.attention.audio_spans_T2
    numbers = np.concatenate([array.ravel() for array in _numbers(fused)]).astype("<f4")
    seconds = np.concatenate([seen.ravel(), heard.ravel()]).astype("<f8")
    views, marks = _views(fused), (fused.vision_marks, fused.audio_marks)
    finite = all(np.isfinite(array).all() for array in (numbers, seconds, views))
    if not (finite and all(each.whole for each in marks)):
        raise ValueError(f"{fused}: came numbers that are not finite, expected an engine's; nothing was sealed")
    coverage_json = msgspec.json.encode(coverage)
    sizes = [size for each in marks for size in (each.classes_TI.shape[1], each.priors_TR.shape[1])]
    header = _HEADER.pack(_MAGIC, _VERSION, len(fused.embedding_D), len(seen), len(heard), *sizes, len(coverage_json))
    arrays = [array.tobytes() for array in (numbers, seconds, views)]
    body = b"".join((header, *arrays, *map(marks_bytes, marks), coverage_json))
    return signed(body, purpose=_PURPOSE, cache_key=cache_key, secret=secret)


def unseal_fused(blob: bytes, *, cache_key: str, secret: bytes) -> tuple[Fused, Coverage] | None:
    """What was sealed under this key with this secret; None for anything else whatever. Never raises."""
    body = verified(blob, purpose=_PURPOSE, cache_key=cache_key, secret=secret)
    if body is None or len(body) < _HEADER.size:
        return None
    try:
        return _parsed(body)
    except (ValueError, msgspec.MsgspecError):
        return None


def _numbers(fused: Fused) -> tuple[Float32, ...]:
    """Everything in single precision, in the order of the layout."""
    attention = fused.attention
    return (
        fused.logits_K,
        fused.without_KM,
        fused.embedding_D,
        np.array([fused.novelty.get(modality, _UNKNOWN) for modality in Modality], np.float32),
        attention.vision_KT,
        attention.audio_KT,
        attention.text_K,
    )


def _views(fused: Fused) -> Float16:
    """(M, D); zeros stand for a modality without one, as a direction is never zero."""
    nothing_D = np.zeros(len(fused.embedding_D), np.float16)
    return np.stack([fused.views.get(modality, nothing_D) for modality in Modality]).astype("<f2")


def _parsed(body: bytes) -> tuple[Fused, Coverage] | None:
    magic, version, D, V, A, vision_I, vision_R, audio_I, audio_R, coverage_bytes = _HEADER.unpack_from(body)
    if (magic, version) != (_MAGIC, _VERSION):
        return None
    shapes: tuple[tuple[int, ...], ...] = ((_K,), (_K, _M), (D,), (_M,), (_K, V), (_K, A), (_K,))
    sizes = [math.prod(shape) for shape in shapes]
    seconds_start = _HEADER.size + 4 * sum(sizes)
    views_start = seconds_start + 16 * (V + A)
    vision_start = views_start + 2 * _M * D
    audio_start = vision_start + marks_size(V, vision_I, vision_R)
    coverage_start = audio_start + marks_size(A, audio_I, audio_R)
    if len(body) != coverage_start + coverage_bytes:
        return None
    numbers = np.frombuffer(body, "<f4", sum(sizes), _HEADER.size).astype(np.float32)
    seconds: Float64 = np.frombuffer(body, "<f8", 2 * (V + A), seconds_start).astype(np.float64)
    view_MD = np.frombuffer(body, "<f2", _M * D, views_start).astype(np.float16).reshape(_M, D)
    if not all(np.isfinite(array).all() for array in (numbers, seconds, view_MD)):
        return None
    parts = np.split(numbers, np.cumsum(sizes)[:-1])
    logits_K, without_KM, embedding_D, novelty_M, vision_KV, audio_KA, text_K = (
        part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)
    )
    spans_X2 = seconds.reshape(V + A, 2)
    attention = Attention(vision_KV, audio_KA, text_K, spans_X2[:V], spans_X2[V:])
    seen = marks_from(body, vision_start, V, vision_I, vision_R)
    heard = marks_from(body, audio_start, A, audio_I, audio_R)
    coverage = msgspec.json.decode(body[coverage_start:], type=Coverage)
    pairs = zip(Modality, novelty_M.tolist(), strict=True)
    novelty = {modality: value for modality, value in pairs if value != _UNKNOWN}
    if not all(0 <= value <= 1 for value in novelty.values()):
        return None
    views = {modality: view_D for modality, view_D in zip(Modality, view_MD, strict=True) if view_D.any()}
    return Fused(logits_K, without_KM, embedding_D, novelty, views, attention, seen, heard), coverage
