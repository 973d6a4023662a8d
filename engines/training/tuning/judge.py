"""Logits of an arm on clips, as they were uploaded and under other conditions of their sound; and how good they are.

Shape letters: N clips, K tasks.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from engines.evaluation.metrics import average_precision, spearman
from engines.spec import TASKS
from engines.training.features import CLIPS, FeatureBatch, FeatureSet
from engines.training.tuning.network import Tunable

Float32 = NDArray[np.float32]
Indices = NDArray[np.int64]

#: Clips that are judged together.
BATCH = 64
#: Whose sound a clip gets in `audio_shuffled` must not depend on the arm or its seed.
SHUFFLE_SEED = 0

AS_UPLOADED, SHUFFLED, MISSING = "as_uploaded", "audio_shuffled", "audio_missing"


def conditions(features: FeatureSet) -> tuple[str, ...]:
    """What can be done to the sound of test clips with these features."""
    return (SHUFFLED, MISSING, *(name for name in features.versions if name.startswith("noise_")))


def logits(model: Tunable, features: FeatureSet, indices: Indices, condition: str = AS_UPLOADED) -> Float32:
    """float32 (N, K); the model is left in evaluation mode."""
    model.eval()
    others = exchanged(indices)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(indices), BATCH):
            part = slice(start, start + BATCH)
            parts.append(model(heard(features, indices[part], others[part], condition)).to(torch.float32).numpy())
    return np.concatenate(parts) if parts else np.zeros((0, len(TASKS)), np.float32)


def exchanged(indices: Indices) -> Indices:
    """For each clip another one of them: a random circle through all."""
    order = np.random.default_rng(SHUFFLE_SEED).permutation(len(indices))
    others = np.empty_like(indices)
    others[order] = indices[np.roll(order, 1)]
    return others


def quality(logits_NK: Float32, features: FeatureSet, indices: Indices) -> float:
    """Mean of the average precision of clickbait and adult and of Spearman's correlation of relevance.

    A task of which nothing is known does not count. Raises `ValueError` when that is true of all.
    """
    values = [task_quality(task, logits_NK, features, indices) for task in TASKS]
    if np.isnan(values).all():
        raise ValueError("validation: came no task with clips of both kinds; give the split `val` more labels")
    return float(np.nanmean(values))


def task_quality(task: str, logits_NK: Float32, features: FeatureSet, indices: Indices) -> float:
    """Spearman for relevance, average precision else; NaN where it is not defined."""
    k = TASKS.index(task)
    truth_N = (features.grades_N if task == "relevance" else features.labels_NK[:, k])[indices]
    known_N = ~np.isnan(truth_N)
    if len(np.unique(truth_N[known_N])) < 2:
        return float("nan")
    measure = spearman if task == "relevance" else average_precision
    return measure(truth_N[known_N].astype(np.float64), logits_NK[known_N, k].astype(np.float64))


def heard(features: FeatureSet, indices: Indices, others: Indices, condition: str) -> FeatureBatch:
    """A batch with its sound as that condition makes it; `others`: whose sound it gets when sounds are exchanged."""
    if condition.startswith("noise_"):
        has = [features.has(condition, int(index)) for index in indices]
        versions = [condition if there else CLIPS for there in has]
        return features.batch(indices, list(zip(versions, indices.tolist(), strict=True)))
    if condition == SHUFFLED:
        return features.batch(indices, [(CLIPS, other) for other in others.tolist()])
    batch = features.batch(indices)
    return replace(batch, audio_mask_NW=torch.zeros_like(batch.audio_mask_NW)) if condition == MISSING else batch
