"""Do the intervals hold the truth as often as they say? Simulated: arms on many test sets drawn from known laws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.evaluation.curve import Curve
from engines.evaluation.resampling import QUANTILE_95, Resampling, seed_error

Float64 = NDArray[np.float64]
CLIPS, PHOTOS, SOUNDS, BEDS, TITLES = 300, 220, 60, 12, 200
REPLICATES, REPEATS = 120, 120


@dataclass(frozen=True)
class Drawn:
    """One test set: labels, the scores of two arms, and the sources of each clip."""

    labels: Float64
    first: Float64
    second: Float64
    groups: list[list[str]]


def draw(rng: np.random.Generator, shared: float) -> Drawn:
    """Composed as the benchmark is; some photos and sounds are restricted, and arms find some sources harder."""
    photos = [rng.choice(PHOTOS, rng.integers(1, 5), replace=False) for _ in range(CLIPS)]
    first_photos = np.array([photo[0] for photo in photos])
    sounds, beds, titles = (rng.integers(0, size, CLIPS) for size in (SOUNDS, BEDS, TITLES))
    labels = (rng.random(PHOTOS)[first_photos] < 0.1) | (rng.random(SOUNDS)[sounds] < 0.12)
    hardness = [
        0.7 * rng.normal(size=PHOTOS)[first_photos]
        + rng.normal(size=SOUNDS)[sounds]
        + 0.2 * rng.normal(size=BEDS)[beds]
        for _ in range(2)
    ]
    common = 2.0 * labels + rng.normal(0, 0.7, CLIPS)
    first = common + 0.5 * labels + shared * hardness[0] + rng.normal(0, 0.5, CLIPS)
    second = common + shared * hardness[1] + rng.normal(0, 0.5, CLIPS)
    groups = [
        [*(f"photo:{one}" for one in photos[n]), f"sound:{sounds[n]}", f"bed:{beds[n]}", f"title:{titles[n]}"]
        for n in range(CLIPS)
    ]
    return Drawn(labels.astype(float), first, second, groups)


def gain(drawn: Drawn, weights_BN: Float64 | None = None) -> Float64:
    first, second = (Curve.of(drawn.labels, scores, weights_BN) for scores in (drawn.first, drawn.second))
    return first.average_precision() - second.average_precision()


def coverage(shared: float) -> tuple[float, float]:
    """Share of 95 % intervals of the difference that hold its truth: by groups, and by clips alone."""
    rng = np.random.default_rng(7)
    truth = float(np.mean([gain(draw(rng, shared))[0] for _ in range(800)]))
    by_groups, by_clips = 0, 0
    for repeat in range(REPEATS):
        drawn = draw(rng, shared)
        error = abs(gain(drawn)[0] - truth) / QUANTILE_95
        for as_groups in (drawn.groups, [[f"clip:{n}"] for n in range(CLIPS)]):
            resampling = Resampling(as_groups, replicates=REPLICATES, seed=repeat)
            holds = error < resampling.standard_error(gain(drawn, resampling.weights_BN))
            by_groups += holds and as_groups is drawn.groups
            by_clips += holds and as_groups is not drawn.groups
    return by_groups / REPEATS, by_clips / REPEATS


@pytest.mark.slow
def test_intervals_hold_the_truth_when_sources_matter_and_those_by_clips_do_not() -> None:
    by_groups, by_clips = coverage(shared=1.5)
    assert 0.88 <= by_groups <= 1
    assert by_clips < by_groups - 0.04


def test_intervals_are_not_too_wide_when_sources_do_not_matter() -> None:
    """The product of the groups' weights would be three times as wide here, and hold the truth always."""
    rng = np.random.default_rng(3)
    truth = np.std([gain(draw(rng, 0.0))[0] for _ in range(300)])
    errors = []
    for repeat in range(20):
        drawn = draw(rng, 0.0)
        resampling = Resampling(drawn.groups, replicates=400, seed=repeat)
        errors.append(resampling.standard_error(gain(drawn, resampling.weights_BN)))
    assert np.mean(errors) == pytest.approx(truth, rel=0.3)


def test_a_mean_has_the_error_that_theory_says() -> None:
    """600 clips of 30 sources, all that varies is the source: as if there were 30 clips."""
    rng = np.random.default_rng(1)
    effects = rng.normal(size=30)
    values = effects.repeat(20)
    resampling = Resampling([[f"source:{n // 20}"] for n in range(600)], replicates=4000)
    means = (resampling.weights_BN @ values) / resampling.weights_BN.sum(1)
    assert resampling.standard_error(means) == pytest.approx(effects.std() / np.sqrt(30), rel=0.1)


def test_the_same_clips_and_seed_give_the_same_weights() -> None:
    groups = [["a", "b"], ["b"], ["c"]]
    first, second, other = (Resampling(groups, replicates=5, seed=seed).weights_BN for seed in (1, 1, 2))
    assert (first == second).all()
    assert (first != other).any()


def test_a_group_that_is_named_twice_counts_once() -> None:
    twice, once = (Resampling([[*names], ["a"]], replicates=5).weights_BN for names in ("aab", "ab"))
    assert (twice == once).all()


def test_seeds_add_their_part() -> None:
    assert seed_error(np.array([0.1, 0.3])) == pytest.approx(0.1)
    assert seed_error(np.array([0.1])) == 0
