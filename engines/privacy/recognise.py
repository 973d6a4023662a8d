"""Recognisers that are trained on what is stored: of people, of what they say, and of events.

Shape letters: N recordings, X values of one, K classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from engines.evaluation.resampling import QUANTILE_95, Resampling

#: Recordings of one speaker that an attacker has together.
TOGETHER = 10
REPLICATES = 100
FOLDS = 5

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """A share or area in [0, 1], half the width of its interval of 95 %, and what guessing gives."""

    value: float
    margin: float
    chance: float


def linear() -> Any:
    """Multinomial logistic regression; strong regularisation was best against raw features on held-out takes."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))


def network() -> Any:
    """One hidden layer of 128, stopped early on a tenth of the training takes."""
    layers = MLPClassifier((128,), alpha=1e-2, max_iter=60, early_stopping=True, random_state=0)
    return make_pipeline(StandardScaler(), layers)


def pooled(features: Sequence[Tensor]) -> Float32:
    """Mean and maximum over all tokens of each recording: (N, 2 C)."""
    items = [item.float().flatten(0, 1) for item in features]
    return np.stack([np.concatenate([item.mean(0).numpy(), item.amax(0).numpy()]) for item in items])


def identify(
    model: Any, values_NX: Float32, labels_N: NDArray[np.str_], trained_N: NDArray[np.bool_]
) -> tuple[Measured, Measured]:
    """Accuracy on what was not trained on: of single recordings, and of ten of a class heard together."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(values_NX[trained_N], labels_N[trained_N])
    names_K = model.classes_
    with np.errstate(divide="ignore"):
        logs_NK = np.log(np.maximum(model.predict_proba(values_NX[~trained_N]), 1e-12))
    truth_N = labels_N[~trained_N]
    chance = 1 / len(names_K)
    alone_N = names_K[logs_NK.argmax(1)] == truth_N
    together = []
    for name in names_K:
        mine_NK = logs_NK[truth_N == name]
        whole = len(mine_NK) // TOGETHER * TOGETHER
        summed_MK = mine_NK[:whole].reshape(-1, TOGETHER, len(names_K)).sum(1)
        together += list(names_K[summed_MK.argmax(1)] == name)
    return share(alone_N, chance), share(np.array(together), chance)


def share(right_N: NDArray[np.bool_], chance: float) -> Measured:
    """Of independent trials, with Agresti and Coull's interval (The American Statistician 52, 1998)."""
    trials = len(right_N) + QUANTILE_95**2
    centre = (right_N.sum() + QUANTILE_95**2 / 2) / trials
    return Measured(float(right_N.mean()), float(QUANTILE_95 * np.sqrt(centre * (1 - centre) / trials)), chance)


def name_events(values_NX: Float32, labels_N: NDArray[np.str_], groups: Sequence[str]) -> Measured:
    """Accuracy of logistic regression over the classes, five folds by source, interval over sources."""
    right_N = np.zeros(len(labels_N))
    for train, test in GroupKFold(FOLDS).split(values_NX, labels_N, groups):
        right_N[test] = linear().fit(values_NX[train], labels_N[train]).predict(values_NX[test]) == labels_N[test]
    weights_BN = (resampling := _by_source(groups)).weights_BN
    values_B = weights_BN @ right_N / weights_BN.sum(1)
    margin = QUANTILE_95 * resampling.standard_error(values_B)
    return Measured(float(right_N.mean()), margin, 1 / len(np.unique(labels_N)))


def tell_apart(values_NX: Float32, positive_N: NDArray[np.bool_], groups: Sequence[str]) -> Measured:
    """Area under the ROC curve of logistic regression, five folds by source, interval over sources."""
    scores_N = np.zeros(len(positive_N))
    for train, test in GroupKFold(FOLDS).split(values_NX, positive_N, groups):
        scores_N[test] = linear().fit(values_NX[train], positive_N[train]).predict_proba(values_NX[test])[:, 1]
    resampling = _by_source(groups)
    values_B = np.array([roc_auc_score(positive_N, scores_N, sample_weight=row_N) for row_N in resampling.weights_BN])
    return Measured(float(roc_auc_score(positive_N, scores_N)), QUANTILE_95 * resampling.standard_error(values_B), 0.5)


def _by_source(groups: Sequence[str]) -> Resampling:
    return Resampling([[group] for group in groups], replicates=REPLICATES)
