"""Marks of frames or windows <-> the bytes that they have inside sealed values. Pure.

classes (int32) | class scores (float32) | priors (float32), all little-endian

T frames or windows, I classes and R priors of each.
"""

from __future__ import annotations

import numpy as np

from streamer.records import Marks


def marks_bytes(marks: Marks) -> bytes:
    """`marks_size` bytes."""
    parts = (marks.classes_TI.astype("<i4"), marks.class_scores_TI.astype("<f4"), marks.priors_TR.astype("<f4"))
    return b"".join(part.tobytes() for part in parts)


def marks_size(T: int, I: int, R: int) -> int:  # noqa: E741
    """Bytes of the marks of T frames or windows."""
    return 4 * T * (2 * I + R)


def marks_from(content: bytes, start: int, T: int, I: int, R: int) -> Marks:  # noqa: E741
    """The marks at `start`. Raises `ValueError` when they are no indices and probabilities."""
    classes = np.frombuffer(content, "<i4", T * I, start).astype(np.int32).reshape(T, I)
    shares = np.frombuffer(content, "<f4", T * (I + R), start + 4 * T * I).astype(np.float32)
    marks = Marks(classes, shares[: T * I].reshape(T, I), shares[T * I :].reshape(T, R))
    if not marks.whole:
        raise ValueError("came marks that are no index or no probability")
    return marks
