"""Pseudo-labels: sure, agreed with, capped, and never where anything is measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engines.learn.pseudo import PseudoOptions, guess

PLAIN = PseudoOptions(neighbours=3, agreeing=1.0, share=10.0)


def two_kinds(clips: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around two directions, and which."""
    rng = np.random.default_rng(3)
    kind_N = np.arange(clips) % 2
    rows_ND = np.eye(8)[kind_N] + 0.1 * rng.standard_normal((clips, 8))
    return np.asarray(rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True), np.float32), kind_N.astype(np.float32)


def known(label_N: np.ndarray, count: int) -> np.ndarray:
    """The first labels; NaN behind them."""
    return np.where(np.arange(len(label_N)) < count, label_N, np.nan).astype(np.float32)


def test_only_sure_scores_that_neighbours_share_become_labels() -> None:
    embedding_ND, kind_N = two_kinds()
    score_N = np.where(kind_N == 1, 0.99, 0.01).astype(np.float32)
    score_N[20], score_N[22] = 0.7, 0.99  # unsure; sure and against its neighbours
    found = guess(embedding_ND, score_N, known(kind_N, 10), PLAIN)
    assert set(found.places_M.tolist()) == set(range(10, 60)) - {20, 22}
    assert (found.labels_M == kind_N[found.places_M]).all()


def test_guesses_of_a_class_are_a_share_of_its_labels() -> None:
    embedding_ND, kind_N = two_kinds()
    score_N = np.where(kind_N == 1, 0.99, 0.01).astype(np.float32)
    score_N[59] = 0.999
    label_N = known(kind_N, 12)
    label_N[1] = np.nan  # 6 negatives, 5 positives
    found = guess(embedding_ND, score_N, label_N, replace(PLAIN, share=0.5))
    assert (found.labels_M == 0).sum() == 3 and (found.labels_M == 1).sum() == 2
    assert found.places_M[0] == 59


def test_no_labels_and_no_numbers_give_no_guesses() -> None:
    embedding_ND, kind_N = two_kinds()
    score_N = kind_N.copy()
    assert not len(guess(embedding_ND, score_N, known(kind_N, 0), PLAIN).places_M)
    assert not len(guess(embedding_ND, np.full(60, np.nan, np.float32), known(kind_N, 10), PLAIN).places_M)
    embedding_ND[30] = np.nan
    assert 30 not in guess(embedding_ND, score_N, known(kind_N, 10), PLAIN).places_M
    only_negatives_N = np.where(kind_N == 0, known(kind_N, 20), np.nan).astype(np.float32)
    assert (guess(embedding_ND, score_N, only_negatives_N, PLAIN).labels_M == 0).all()


def test_fewer_labels_than_neighbours() -> None:
    embedding_ND, kind_N = two_kinds()
    found = guess(embedding_ND, kind_N, known(kind_N, 2), replace(PLAIN, neighbours=7, agreeing=0.5))
    assert 0 < len(found.places_M) <= 58


def test_options_that_contradict_themselves() -> None:
    for wrong in ({"positive": 0.4}, {"negative": 0.6}, {"neighbours": 0}, {"share": -1.0}, {"agreeing": 2.0}):
        with pytest.raises(ValueError, match="pseudo: came"):
            PseudoOptions(**wrong)
