"""How right engines are on clips of known truth: average precision per task and sense, with and without sound."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.bundle import Bundle
from engines.data.clips import Clip
from engines.data.world.truth import Truth
from engines.engine_set import EngineSet
from engines.evaluation.metrics import average_precision
from engines.scoring import ClipTokens, encode, judge_all
from engines.spec import TASKS

#: "all", then the sense that decides: a positive of the adult task is set against every negative.
SLICES = ("all", "vision", "audio", "both")


class Quality(msgspec.Struct, frozen=True):
    """Average precision in [0, 1] on the clips of one slice of one task; chance is positives / clips."""

    task: str
    slice: str
    clips: int
    positives: int
    average_precision: float
    average_precision_without_audio: float


def evaluate(
    engines: EngineSet,
    bundle: Bundle,
    clips: Sequence[Clip],
    truths: Sequence[Truth],
    *,
    on_clip: Callable[[], None] = lambda: None,
) -> list[Quality]:
    """Quality for every task and slice that has positives and negatives."""
    tokens: list[ClipTokens] = []
    window_seconds = bundle.preprocessing.window_samples / bundle.preprocessing.sample_rate_hz
    for clip, truth in zip(clips, truths, strict=True):
        tokens.append(encode(engines, bundle.tokenizer, clip, truth.fields, window_seconds))
        on_clip()
    heard_MK = np.stack([item.logits_K for item in judge_all(engines, tokens)])
    deaf_MK = np.stack([item.logits_K for item in judge_all(engines, tokens, audio=False)])
    labels_MK = label_matrix(truths)
    qualities = []
    for k, task in enumerate(TASKS):
        for name in SLICES:
            chosen_M = in_slice(truths, task, name) & ~np.isnan(labels_MK[:, k])
            labels_X = labels_MK[chosen_M, k]
            if 0 < labels_X.sum() < len(labels_X):
                with_audio = average_precision(labels_X, heard_MK[chosen_M, k])
                without = average_precision(labels_X, deaf_MK[chosen_M, k])
                qualities.append(Quality(task, name, len(labels_X), int(labels_X.sum()), with_audio, without))
    return qualities


def label_matrix(truths: Sequence[Truth]) -> NDArray[np.float32]:
    """float32 (M, K) of 0, 1 and NaN where a task was not asked."""
    rows = [[getattr(truth.labels, task) for task in TASKS] for truth in truths]
    return np.array([[np.nan if label is None else label for label in row] for row in rows], np.float32)


def in_slice(truths: Sequence[Truth], task: str, name: str) -> NDArray[np.bool_]:
    """bool (M,): whose label is decided by that sense; an adult negative belongs to every slice."""
    senses = [getattr(truth.slices, task) for truth in truths]
    return np.array([name in ("all", sense) or (task == "adult" and sense == "none") for sense in senses])
