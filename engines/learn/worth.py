"""What pseudo-labels are worth: a logistic head on stored features, with them and without, many times over.

Each seed draws which training clips people labelled. The head's scores on the others are calibrated out of fold, what
is guessed is trained on beside the labels, and both heads are measured on the same test clips. Guesses are never
measured on; that they are right is counted from labels that the head was not shown.

Shape letters: N training clips, T test clips, V size of a view, F features of the head, S seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from engines.evaluation import slices
from engines.evaluation.metrics import average_precision
from engines.evaluation.slices import Slice
from engines.evaluation.truth import Truth
from engines.learn.guessing import GUESSED
from engines.learn.overlap import MEDIA, centred, pooled
from engines.learn.pseudo import PseudoOptions, guess
from engines.spec import TASKS
from engines.training.calibrate import calibrate_task
from engines.training.features import TEST, TRAIN, FeatureSet
from engines.training.starter import open_features

Float32 = NDArray[np.float32]

#: Values that are kept of each view.
VIEW_SIZE = 64
FOLDS = 5
#: What a view weighs against the head's penalty: features have unit variance together.
PENALTY = 1.0


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """Mean average precision over seeds without and with guesses, and the paired difference with its 95 % interval.

    The interval (Student's t over seeds) is of which clips were labelled; the test clips are the same throughout.
    guesses, positive: how many, and how many of them yes, means over seeds. right: the share that the labels bear out.
    """

    task: str
    labels: int
    slice: str
    without: float
    with_guesses: float
    difference: float
    low: float
    high: float
    guesses: float
    positive: float
    right: float
    seeds: int


@dataclass(frozen=True)
class Table:
    """Features of training and test clips, float32, and the truth of both."""

    train_NF: Float32
    test_TF: Float32
    train: Truth
    test: Truth


@dataclass(frozen=True)
class _Try:
    """Of one seed: AP by slice without and with guesses, and how many of these there were, were yes, and were right."""

    without: dict[str, float]
    with_guesses: dict[str, float]
    guesses: int
    positive: int
    right: int


def open_table(folder: Path, words: Path) -> Table:
    """Pooled pictures, sound and titles, each compressed on training clips. Raises `ValueError` for broken folders."""
    features, vectors = open_features(folder, words)
    train, test = features.indices(TRAIN), features.indices(TEST)
    weight_WV = vectors.table.weight.detach().numpy()
    views = [tuple(pooled(features, part.tolist(), name) for part in (train, test)) for name in MEDIA]
    views.append(tuple(_titles(features, part.tolist(), weight_WV) for part in (train, test)))
    pairs = [_compressed(*view) for view in views]
    train_NF, test_TF = (np.concatenate([pair[side] for pair in pairs], axis=1) for side in (0, 1))
    return Table(train_NF, test_TF, Truth.of(features.rows, TRAIN), Truth.of(features.rows, TEST))


def worth(
    table: Table,
    budgets: Sequence[int],
    seeds: int,
    options: PseudoOptions,
    on_try: Callable[[], None] = lambda: None,
) -> Iterator[Worth]:
    """For each task, number of labels and slice. Raises `ValueError` for more labels than there are clips."""
    for task in GUESSED:
        parts = [slices.everything(table.test, task), *slices.by_sense(table.test, task)]
        known = np.flatnonzero(~np.isnan(table.train.labels(task)))
        for budget in budgets:
            if budget > len(known):
                raise ValueError(f"{task}: came {budget} labels to draw, there are {len(known)}; ask for fewer")
            tries = []
            for seed in range(seeds):
                rng = np.random.default_rng([seed, budget, TASKS.index(task)])
                tries.append(_try(table, task, parts, rng.permutation(known)[:budget], options))
                on_try()
            yield from _summed(task, budget, parts, tries)


def _try(table: Table, task: str, parts: Sequence[Slice], labelled: NDArray[np.int64], options: PseudoOptions) -> _Try:
    truth_N, rows_NF = table.train.labels(task), table.train_NF
    label_N = np.full(len(truth_N), np.nan, np.float32)
    label_N[labelled] = truth_N[labelled]
    head = _head().fit(rows_NF[labelled], label_N[labelled])
    found = guess(_unit(rows_NF), _calibrated(head, rows_NF, label_N), label_N, options)
    both = np.concatenate([labelled, found.places_M])
    other = _head().fit(rows_NF[both], np.concatenate([label_N[labelled], found.labels_M]))
    right = int((truth_N[found.places_M] == found.labels_M).sum())
    before, after = (_precision(table, task, parts, one) for one in (head, other))
    return _Try(before, after, len(found.places_M), int(found.labels_M.sum()), right)


def _calibrated(head: LogisticRegression, rows_NF: Float32, label_N: Float32) -> Float32:
    """P(positive) of every clip, by temperature and bias fitted to what heads said of labels that they were not shown.

    NaN where those contradict the labels: then the head knows nothing, and nothing is guessed.
    """
    labelled = np.flatnonzero(~np.isnan(label_N))
    folds = StratifiedKFold(FOLDS)
    held_out_L = cross_val_predict(_head(), rows_NF[labelled], label_N[labelled], cv=folds, method="decision_function")
    try:
        fitted = calibrate_task(held_out_L.astype(np.float64), label_N[labelled].astype(np.float64))
    except ValueError:
        return np.full(len(rows_NF), np.nan, np.float32)
    z_N = head.decision_function(rows_NF) / fitted.temperature + fitted.bias
    return np.asarray(1 / (1 + np.exp(-np.clip(z_N, -40, 40))), np.float32)


def _precision(table: Table, task: str, parts: Sequence[Slice], head: LogisticRegression) -> dict[str, float]:
    logit_T, label_T = head.decision_function(table.test_TF), table.test.labels(task)
    return {part.key: average_precision(label_T[part.chosen_N], logit_T[part.chosen_N]) for part in parts}


def _summed(task: str, budget: int, parts: Sequence[Slice], tries: Sequence[_Try]) -> Iterator[Worth]:
    total = sum(one.guesses for one in tries)
    for part in parts:
        gap_S = np.array([one.with_guesses[part.key] - one.without[part.key] for one in tries])
        reach = float(stats.t.ppf(0.975, len(gap_S) - 1) * gap_S.std(ddof=1) / np.sqrt(len(gap_S)))
        mean = float(gap_S.mean())
        yield Worth(
            task=task,
            labels=budget,
            slice=part.name,
            without=float(np.mean([one.without[part.key] for one in tries])),
            with_guesses=float(np.mean([one.with_guesses[part.key] for one in tries])),
            difference=mean,
            low=mean - reach,
            high=mean + reach,
            guesses=total / len(tries),
            positive=sum(one.positive for one in tries) / len(tries),
            right=sum(one.right for one in tries) / max(1, total),
            seeds=len(tries),
        )


def _head() -> LogisticRegression:
    return LogisticRegression(C=1 / PENALTY, max_iter=500)


def _unit(rows_NF: Float32) -> Float32:
    return np.asarray(rows_NF / np.maximum(np.linalg.norm(rows_NF, axis=1, keepdims=True), 1e-9), np.float32)


def _titles(features: FeatureSet, places: Sequence[int], weight_WV: Float32) -> Float32:
    """Mean word vector of each title, float32 (N, V); NaN where there is none."""
    mean_NV = np.full((len(places), weight_WV.shape[1]), np.nan, np.float32)
    for n, place in enumerate(places):
        ids_L, _ = features.tokenizer.encode({"title": features.rows[place].title})
        if len(ids_L):
            mean_NV[n] = weight_WV[ids_L].mean(0)
    return mean_NV


def _compressed(train_NV: Float32, test_TV: Float32) -> tuple[Float32, Float32]:
    """Principal components of the training clips; a clip that lacks the view is in the middle."""
    train_NV, test_TV = (np.nan_to_num(rows) for rows in centred(train_NV, test_TV))
    size = min(VIEW_SIZE, *train_NV.shape)
    fitted = PCA(size, random_state=0).fit(train_NV)
    first_NF, second_TF = fitted.transform(train_NV), fitted.transform(test_TV)
    scale = np.sqrt((first_NF**2).sum(1).mean() / size) + 1e-9
    return np.asarray(first_NF / scale, np.float32), np.asarray(second_TF / scale, np.float32)
