"""The training clips that a network keeps for novelty leave none of the others far away."""

import numpy as np
import pytest

from engines.training.known import representatives


def unit_rows(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_representatives_cover_better_than_the_first_rows() -> None:
    rows = unit_rows(400, 0)
    rows[:300] = rows[0]  # a crowd of equal clips must not fill the places
    kept, first = representatives(rows, 40), rows[:40]
    assert (rows @ kept.T).max(1).min() > (rows @ first.T).max(1).min()
    assert kept.shape == (40, 8)


def test_fewer_rows_than_places_are_all_kept() -> None:
    rows = unit_rows(5, 1)
    kept = representatives(rows, 9)
    assert (rows @ kept.T).max(1) == pytest.approx(1, abs=1e-5)


def test_nothing_to_keep_is_an_error() -> None:
    with pytest.raises(ValueError, match="no embeddings"):
        representatives(np.zeros((0, 8), np.float32), 4)
