"""Late fusion: what can be had from arms that never saw each other's tokens.

Average: mean of the calibrated logits of a vision-language arm and an arm that hears. Stacked: a logistic regression
on the logits of three arms, fitted on validation clips. Boosted: gradient boosting on pooled features of all towers,
fitted on training clips.

Shape letters: N clips, X values of a clip, K tasks, J arms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from torch import Tensor

from engines.evaluation.runs import Card, Run, read_run, write_run
from engines.models.pretrained.words import WordVectors
from engines.spec import SEGMENTS, TASKS
from engines.training.calibrate import calibrate_task
from engines.training.features import TEST, TRAIN, VAL, FeatureBatch, FeatureSet
from engines.training.tuning.judge import AS_UPLOADED, BATCH, conditions, exchanged, heard

Float32 = NDArray[np.float32]
Indices = NDArray[np.int64]

#: By name of the fused arm: the arms it is made of.
AVERAGED: Mapping[str, tuple[str, ...]] = {
    "late_average": ("vl", "audio"),
    "late_average_text": ("vl", "audio_text"),
}
STACKED: Mapping[str, tuple[str, ...]] = {"late_stacked": ("vl", "audio", "audio_text")}
BOOSTED = "late_boosted"
LATE = (*AVERAGED, *STACKED, BOOSTED)

#: Main directions that are kept of each pooled view: boosting on thousands of features takes hours.
DIRECTIONS = 64
FOLDS = 5


def parts_of(arm: str) -> tuple[str, ...]:
    """The arms that must be trained before."""
    return {**AVERAGED, **STACKED}.get(arm, ())


def fuse(arm: str, features: FeatureSet, words: WordVectors, out: Path, seed: int) -> Run:
    """The run of a late fusion arm; made where it is not there yet. Raises `ValueError` when a part is missing."""
    path = out / arm / f"{seed}.safetensors"
    if path.exists():
        return read_run(path)
    if arm == BOOSTED:
        run = _boosted(features, words, seed)
    else:
        parts = [read_run(out / part / f"{seed}.safetensors") for part in parts_of(arm)]
        run = (_averaged if arm in AVERAGED else _stacked)(arm, features, parts, seed)
    write_run(out, run)
    return run


def _averaged(arm: str, features: FeatureSet, parts: Sequence[Run], seed: int) -> Run:
    labels_NK = features.labels_NK[features.indices(VAL)]
    scales = [_scale(part.val_MK, labels_NK) for part in parts]

    def mean(logits: Sequence[Float32]) -> Float32:
        scaled = [slope_K * logits_NK + bias_K for (slope_K, bias_K), logits_NK in zip(scales, logits, strict=True)]
        return np.asarray(np.mean(scaled, axis=0), np.float32)

    return _combined(arm, seed, parts, mean([part.val_MK for part in parts]), mean)


def _scale(logits_NK: Float32, labels_NK: Float32) -> tuple[Float32, Float32]:
    """Slope and bias (K,) that calibrate logits; both 0 for a task of which an arm knows less than nothing."""
    scales = np.zeros((2, len(TASKS)), np.float32)
    for k in range(len(TASKS)):
        known_N = ~np.isnan(labels_NK[:, k])
        try:
            fitted = calibrate_task(logits_NK[known_N, k].astype(np.float64), labels_NK[known_N, k].astype(np.float64))
        except ValueError:
            continue
        scales[:, k] = 1 / fitted.temperature, fitted.bias
    return scales[0], scales[1]


def _stacked(arm: str, features: FeatureSet, parts: Sequence[Run], seed: int) -> Run:
    """On validation clips themselves each fifth is judged by what the other four were fitted on."""
    val = features.indices(VAL)
    val_NX = _side_by_side([part.val_MK for part in parts])
    val_NK = np.zeros((len(val), len(TASKS)), np.float32)
    for fitted, held in KFold(FOLDS, shuffle=True, random_state=seed).split(val_NX):
        val_NK[held] = _stack(val_NX[fitted], features, val[fitted])(val_NX[held])
    judge = _stack(val_NX, features, val)
    return _combined(arm, seed, parts, val_NK, lambda logits: judge(_side_by_side(logits)))


def _combined(
    arm: str, seed: int, parts: Sequence[Run], val_NK: Float32, combine: Callable[[Sequence[Float32]], Float32]
) -> Run:
    """A part that is deaf says the same under every condition."""
    names = dict.fromkeys(name for part in parts for name in part.conditions)
    heard = {name: combine([part.conditions.get(name, part.test_MK) for part in parts]) for name in names}
    lineage = {"parts": [part.card.arm for part in parts], "seed": seed}
    card = Card(
        arm=arm,
        seed=seed,
        dataset=parts[0].card.dataset,
        parameters=sum(part.card.parameters or 0 for part in parts),
        lineage=lineage,
    )
    return Run(card, val_NK, combine([part.test_MK for part in parts]), heard)


def _stack(values_NX: Float32, features: FeatureSet, indices: Indices) -> Callable[[Float32], Float32]:
    models = []
    for k, task in enumerate(TASKS):
        aims_N = features.targets_NK[indices, k]
        known_N = ~np.isnan(aims_N)
        model = Ridge() if task == "relevance" else LogisticRegression()
        models.append(model.fit(values_NX[known_N], aims_N[known_N]))
    return lambda values_NX: np.stack([_logits(model, values_NX) for model in models], axis=1)


def _boosted(features: FeatureSet, words: WordVectors, seed: int) -> Run:
    train, val, test = (features.indices(split) for split in (TRAIN, VAL, TEST))
    views = pooled(features, words, train)
    views = {name: values_NX for name, values_NX in views.items() if values_NX.any()}
    directions = {name: PCA(min(DIRECTIONS, *values_NX.shape), random_state=seed) for name, values_NX in views.items()}
    train_NX = np.concatenate([directions[name].fit_transform(values_NX) for name, values_NX in views.items()], axis=1)

    def small(indices: Indices, condition: str) -> Float32:
        seen = pooled(features, words, indices, condition)
        return np.concatenate([direction.transform(seen[name]) for name, direction in directions.items()], axis=1)

    models = []
    for k, task in enumerate(TASKS):
        aims_N = features.targets_NK[train, k]
        known_N = ~np.isnan(aims_N)
        kind = HistGradientBoostingRegressor if task == "relevance" else HistGradientBoostingClassifier
        models.append(kind(max_features=0.3, random_state=seed).fit(train_NX[known_N], aims_N[known_N]))

    def judge(indices: Indices, condition: str = AS_UPLOADED) -> Float32:
        values_NX = small(indices, condition)
        return np.stack([_logits(model, values_NX) for model in models], axis=1)

    card = Card(arm=BOOSTED, seed=seed, dataset=features.header.dataset, lineage={"seed": seed})
    return Run(card, judge(val), judge(test), {name: judge(test, name) for name in conditions(features)})


def pooled(
    features: FeatureSet, words: WordVectors, indices: Indices, condition: str = AS_UPLOADED
) -> dict[str, Float32]:
    """Views of clips, float32 (N, X) each; zeros where there is nothing.

    Mean and maximum over all tokens of vision and of audio, mean over the words of each text field.
    """
    others, parts = exchanged(indices), []
    for start in range(0, len(indices), BATCH):
        part = slice(start, start + BATCH)
        batch = heard(features, indices[part], others[part], condition)
        vision = _mean_and_most("vision", batch.vision_NFPC, batch.vision_mask_NF)
        audio = _mean_and_most("audio", batch.audio_NWPC, batch.audio_mask_NW)
        parts.append(vision | audio | _words(words, batch))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _mean_and_most(name: str, tokens_NXPC: Tensor, mask_NX: Tensor) -> dict[str, Float32]:
    mask_NX11 = mask_NX[..., None, None]
    count_N1 = (mask_NX.sum(1, keepdim=True) * tokens_NXPC.shape[2]).clamp(min=1)
    mean_NC = (tokens_NXPC * mask_NX11).sum((1, 2)) / count_N1
    most_NC = tokens_NXPC.masked_fill(~mask_NX11, -1e4).amax((1, 2)) * mask_NX.any(1, keepdim=True)
    return {f"{name} mean": mean_NC.numpy(), f"{name} most": most_NC.numpy()}


def _words(words: WordVectors, batch: FeatureBatch) -> dict[str, Float32]:
    means = {}
    for segment, field in enumerate(SEGMENTS):
        mask_NL = batch.text_mask_NL & (batch.segments_NL == segment)
        with torch.no_grad():
            means[field] = (words(batch.ids_NL, mask_NL).sum(1) / mask_NL.sum(1, keepdim=True).clamp(min=1)).numpy()
    return means


def _side_by_side(logits: Sequence[Float32]) -> Float32:
    return np.concatenate(logits, axis=1)


def _logits(model: LogisticRegression | Ridge, values_NX: Float32) -> Float32:
    """Log odds of a classifier; of a regression what it says, which orders clips just as well."""
    return np.asarray(getattr(model, "decision_function", model.predict)(values_NX), np.float32)
