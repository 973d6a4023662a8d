"""Training with differential privacy: the budget is kept, one clip's pull is bounded, and the price is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engines.privacy.head import HeadOptions, clip_values, price, train_head
from tests.engines.training.synthetic import feature_set, word_vectors, write_features

pytestmark = pytest.mark.train

OPTIONS = HeadOptions(epochs=8, batch=64, learning_rate=0.05)


def task(clips: int = 512) -> tuple[torch.Tensor, torch.Tensor]:
    """Two labels that a line tells, some of them unknown."""
    values_NX = torch.nn.functional.normalize(torch.randn(clips, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    targets_NK = (values_NX[:, :2] > 0).float()
    targets_NK[::7, 0] = torch.nan
    return values_NX, targets_NK


def right(head: torch.nn.Module, values_NX: torch.Tensor) -> float:
    with torch.no_grad():
        return float(((head(values_NX) > 0) == (values_NX[:, :2] > 0)).float().mean())


@pytest.mark.parametrize("epsilon", [8.0, 1.0])
def test_budget_is_kept_and_nearly_spent(epsilon: float) -> None:
    _, spent = train_head(*task(), epsilon, OPTIONS, seed=0)
    assert spent is not None
    assert 0.9 * epsilon < spent <= epsilon + 0.01


def test_privacy_costs_and_less_of_it_costs_more() -> None:
    values_NX, targets_NK = task()
    found = [
        np.mean([right(train_head(values_NX, targets_NK, epsilon, OPTIONS, seed)[0], values_NX) for seed in range(3)])
        for epsilon in (None, 8.0, 0.5)
    ]
    assert found[0] > 0.9
    assert found[0] + 0.02 > found[1] > found[2]
    assert found[1] > 0.75


def test_one_clip_cannot_pull_the_head_far() -> None:
    """A clip a thousand times as large as others changes a private head no more than any clip may."""
    values_NX, targets_NK = task()
    loud_NX = values_NX.clone()
    loud_NX[3] *= 1000
    heads = {
        (epsilon, loud): train_head(loud_NX if loud else values_NX, targets_NK, epsilon, OPTIONS, seed=1)[0]
        for epsilon in (None, 8.0)
        for loud in (False, True)
    }

    def moved(epsilon: float | None) -> float:
        weights = [next(heads[epsilon, loud].parameters()).detach() for loud in (False, True)]
        return float((weights[0] - weights[1]).norm())

    assert moved(8.0) < 0.3 * moved(None)


def test_unknown_labels_count_for_nothing() -> None:
    values_NX, targets_NK = task(64)
    targets_NK[:, 1] = torch.nan
    head, spent = train_head(values_NX, targets_NK, None, OPTIONS, seed=0)
    assert spent is None
    weight_KX = next(head.parameters())
    assert (weight_KX[1] == 0).all()
    assert (weight_KX[0] != 0).any()


def test_price_of_a_set_of_features(tmp_path: Path) -> None:
    features, words = feature_set(write_features(tmp_path / "features")), word_vectors()
    values_NX = clip_values(features, words, features.indices("test"))
    parts = values_NX.split([16, 12, 12, 8, 8, 8, 8], dim=1)
    norms_NP = torch.stack([part.norm(dim=1) for part in parts], dim=1)
    assert ((norms_NP - 1).abs().lt(1e-4) | (norms_NP == 0)).all()
    plain, private = price(features, words, [2.0], 2, OPTIONS)
    assert (plain.epsilon, plain.delta) == (None, None)
    assert private.epsilon is not None and private.epsilon <= 2.01
    assert set(plain.precision) == {"clickbait", "adult", "relevance"}
    with pytest.raises(ValueError, match="more than 0"):
        price(features, words, [0.0], 1, OPTIONS)
