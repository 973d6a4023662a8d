"""Teaching from some dozen labels: the sense that decides is found, and held-out videos say how well."""

from __future__ import annotations

import numpy as np
import pytest

from engines.taught import Float32
from engines.teaching.fit import FEWEST, Examples, Float64, folds, held_out, taught

D, L = 24, 60


def material(kind: str | None, seed: int = 0, yes: int = 20) -> tuple[dict[str, Float32], np.ndarray]:
    """Views of three senses, in one of which what is labelled yes lies near each other; None: in none."""
    rng = np.random.default_rng(seed)
    label_L = np.arange(L) < yes
    views = {sense: rng.standard_normal((L, D)).astype(np.float32) for sense in ("vision", "audio", "text")}
    if kind is not None:
        views[kind][label_L, :3] += 4
    order_L = rng.permutation(L)
    return {sense: view[order_L] / np.linalg.norm(view[order_L], axis=1)[:, None] for sense, view in views.items()}, (
        label_L[order_L]
    )


def examples(kind: str | None, seed: int = 0) -> Examples:
    views, label_L = material(kind, seed)
    return Examples.of(views, {sense: view.mean(axis=0) for sense, view in views.items()}, label_L)


def above(said_RL: Float64, label_L: np.ndarray) -> float:
    """The chance that a held-out yes is above a held-out no."""
    said_L = said_RL.mean(axis=0)
    return float((said_L[label_L][:, None] > said_L[~label_L][None]).mean())


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("kind", ["vision", "audio", "text"])
def test_the_sense_that_decides_is_read_and_tells_unseen_videos_apart(kind: str) -> None:
    some = examples(kind)
    head = taught(some, rng())
    assert kind in head.senses
    assert above(held_out(some, rng()), some.label_L) > 0.9
    fresh, labels = material(kind, seed=9)
    videos = [{sense: view[n] for sense, view in fresh.items()} for n in range(L)]
    said = head.logits(videos)
    assert (said[labels][:, None] > said[~labels][None]).mean() > 0.9


def test_what_cannot_be_told_is_not_told_better_than_by_chance() -> None:
    by_seed = [above(held_out(some, rng()), some.label_L) for some in (examples(None, seed) for seed in range(3))]
    assert 0.3 < float(np.mean(by_seed)) < 0.62, by_seed


def test_equal_seeds_teach_the_same() -> None:
    one, two = (taught(examples("audio"), rng()) for _ in range(2))
    np.testing.assert_array_equal(one.weight_L, two.weight_L)
    assert one.senses == two.senses


def test_videos_that_lack_a_sense_take_part_with_the_others() -> None:
    views, label_L = material("vision")
    views["audio"][::3] = 0
    steps: list[None] = []
    some = Examples.of(views, {sense: view[view.any(axis=1)].mean(axis=0) for sense, view in views.items()}, label_L)
    said_RL = held_out(some, rng(), lambda: steps.append(None))
    assert np.isfinite(said_RL).all() and above(said_RL, label_L) > 0.9
    assert len(steps) == folds(L)


@pytest.mark.parametrize("yes", [0, FEWEST - 1, L - FEWEST + 1, L])
def test_too_few_of_either_label_are_refused(yes: int) -> None:
    views, label_L = material("vision", yes=yes)
    with pytest.raises(ValueError, match=f"came {yes} of yes and {L - yes} of no"):
        Examples.of(views, {sense: view.mean(axis=0) for sense, view in views.items()}, label_L)
