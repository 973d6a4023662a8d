"""Token embeddings <-> bytes that nobody without the secret can forge, alter or move to another key. Pure.

    header | low bytes of values | deflated(high bytes of values, spans, mask, marks, coverage) | HMAC-SHA256

The HMAC covers the cache key and everything before it and is checked before anything else is read, so whoever
can write to the store can make us forget, but not make us believe. Never pickle.

A half-precision number is a noisy low byte and a predictable high one. Deflating the high bytes alone, with
Huffman codes and no search for repeats, saves 15 % at about 280 MB/s; zlib level 1 on whole values saves 7 %
at 42 MB/s (measured on normalised tokens, one core).

T frames or windows, P tokens of each, D embedding size, I classes and R priors of each.
"""

from __future__ import annotations

import struct
import zlib

import msgspec
import numpy as np

from streamer.cache.marked import marks_bytes, marks_from, marks_size
from streamer.cache.signed import signed, verified
from streamer.records import Coverage, Tokens

_MAGIC = b"ESHT"
_VERSION = 2
_HEADER = struct.Struct("<4sB3xIIIIII")  # magic, version, T, P, D, I, R, bytes of coverage
_PURPOSE = b"earshot sealed tokens\0"
#: No video comes near; keeps a length from the header from asking for all memory.
_MAX_PLAIN_BYTES = 1 << 28


def seal(tokens: Tokens, coverage: Coverage | None, *, cache_key: str, secret: bytes) -> bytes:
    """The bytes to keep under `cache_key`. Zero frames (T = 0) stand for a modality that the video lacks.

    Raises:
        ValueError: values or spans are not finite, or marks no probabilities; an engine that gives such must not be
            remembered.
    """
    marks = tokens.marks
    if not (np.isfinite(tokens.values_TPD).all() and np.isfinite(tokens.spans_T2).all() and marks.whole):
        raise ValueError(f"{tokens}: came values that are not finite, expected an engine's tokens; nothing was sealed")
    coverage_json = b"" if coverage is None else msgspec.json.encode(coverage)
    planes_2V = tokens.values_TPD.astype("<f2").reshape(-1).view(np.uint8).reshape(-1, 2).T
    spans = tokens.spans_T2.astype("<f8").tobytes()
    plain = b"".join((planes_2V[1].tobytes(), spans, tokens.mask_TP.tobytes(), marks_bytes(marks), coverage_json))
    I, R = marks.classes_TI.shape[1], marks.priors_TR.shape[1]  # noqa: E741
    header = _HEADER.pack(_MAGIC, _VERSION, *tokens.values_TPD.shape, I, R, len(coverage_json))
    body = b"".join((header, planes_2V[0].tobytes(), _deflated(plain)))
    return signed(body, purpose=_PURPOSE, cache_key=cache_key, secret=secret)


def unseal(blob: bytes, *, cache_key: str, secret: bytes) -> tuple[Tokens, Coverage | None] | None:
    """What was sealed under this key with this secret; None for anything else whatever. Never raises."""
    body = verified(blob, purpose=_PURPOSE, cache_key=cache_key, secret=secret)
    if body is None or len(body) < _HEADER.size:
        return None
    try:
        return _parse(body)
    except (ValueError, zlib.error, msgspec.MsgspecError):
        return None


def _parse(body: bytes) -> tuple[Tokens, Coverage | None] | None:
    magic, version, T, P, D, I, R, coverage_bytes = _HEADER.unpack_from(body)  # noqa: E741
    if (magic, version) != (_MAGIC, _VERSION):
        return None
    values, spans, mask = T * P * D, T * 16, T * P
    marks_start = values + spans + mask
    coverage_start = marks_start + marks_size(T, I, R)
    plain_bytes = coverage_start + coverage_bytes
    if plain_bytes > _MAX_PLAIN_BYTES or len(body) < _HEADER.size + values:
        return None
    plain = _inflated(body[_HEADER.size + values :], plain_bytes)
    planes_V2 = np.empty((values, 2), np.uint8)
    planes_V2[:, 0] = np.frombuffer(body, np.uint8, values, _HEADER.size)
    planes_V2[:, 1] = np.frombuffer(plain, np.uint8, values)
    values_TPD = planes_V2.reshape(-1).view("<f2").astype(np.float16, copy=False).reshape(T, P, D)
    spans_T2 = np.frombuffer(plain, "<f8", T * 2, values).astype(np.float64).reshape(T, 2)
    mask_TP = np.frombuffer(plain, np.uint8, mask, values + spans).reshape(T, P)
    if not (np.isfinite(values_TPD).all() and np.isfinite(spans_T2).all() and (mask_TP <= 1).all()):
        return None
    marks = marks_from(plain, marks_start, T, I, R)
    coverage = msgspec.json.decode(plain[coverage_start:], type=Coverage) if coverage_bytes else None
    return Tokens(values_TPD, spans_T2, mask_TP.astype(np.bool_), marks), coverage


def _deflated(plain: bytes) -> bytes:
    deflate = zlib.compressobj(level=1, strategy=zlib.Z_HUFFMAN_ONLY)
    return deflate.compress(plain) + deflate.flush()


def _inflated(packed: bytes, plain_bytes: int) -> bytes:
    inflate = zlib.decompressobj()
    plain = inflate.decompress(packed, plain_bytes + 1)
    if len(plain) != plain_bytes or not inflate.eof or inflate.unused_data:
        raise ValueError(f"came {len(plain)} bytes, expected {plain_bytes}")
    return plain
