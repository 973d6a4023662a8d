"""Small samples: intervals that hold, thresholds by cost, a head that is only ever judged on what it has not seen."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from engines.pilot.few_shot import Bool, Costs, Float64, Traits, by_cost, cheapest_threshold, few_shot
from engines.pilot.finding import Evidence, find
from engines.pilot.uncertainty import bootstrap, share

COSTS = Costs(miss=10.0, false_alarm=1.0)


def drawn(seed: int, videos: int = 60, bad: int = 20, gap: float = 3.0) -> tuple[Float64, Bool, np.random.Generator]:
    """Features of which one tells the classes apart by `gap` deviations."""
    rng = np.random.default_rng(seed)
    bad_N = np.arange(videos) < bad
    features_ND = rng.normal(size=(videos, 64))
    features_ND[:, :8] += np.where(bad_N, gap / np.sqrt(8), 0.0)[:, None]
    return features_ND, bad_N, rng


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.8, 1.0])
def test_shares_hold_the_truth_about_as_often_as_they_say(rate: float) -> None:
    hits = np.random.default_rng(1).binomial(20, rate, 2000)
    held = [reach.low <= rate <= reach.high for reach in (share(int(k), 20) for k in hits)]
    assert np.mean(held) > 0.91
    assert all(share(k, 20).high > share(k, 20).low + 0.05 for k in range(21))


def test_a_share_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="came 1 of 0"):
        share(1, 0)


def test_bootstrap_is_as_wide_as_theory_says() -> None:
    rng = np.random.default_rng(2)
    values_N = rng.normal(size=200)
    reach = bootstrap(lambda chosen: float(values_N[chosen].mean()), np.arange(200) < 100, rng)
    assert reach.value == pytest.approx(values_N.mean())
    assert reach.high - reach.low == pytest.approx(2 * 1.96 / np.sqrt(200), rel=0.15)


@pytest.mark.parametrize("seed", range(5))
def test_the_cheapest_threshold_is_cheaper_than_any_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores_N = rng.integers(0, 12, 30) / 12
    bad_N = rng.random(30) < 0.3

    def price(threshold: float) -> float:
        called_N = scores_N >= threshold
        return float((bad_N & ~called_N).sum() * COSTS.miss + (~bad_N & called_N).sum() * COSTS.false_alarm)

    every = [-np.inf, np.inf, *(np.arange(-1, 26) / 24)]
    assert price(cheapest_threshold(scores_N, bad_N, COSTS)) == min(map(price, every))


def test_dear_misses_call_more() -> None:
    scores_N, bad_N = np.linspace(0, 1, 40), np.random.default_rng(3).random(40) < np.linspace(0, 1, 40)
    low, high = (cheapest_threshold(scores_N, bad_N, Costs(miss, 1.0)) for miss in (50.0, 0.02))
    assert low < high


def test_a_head_finds_what_is_there_and_nothing_in_noise() -> None:
    features_ND, bad_N, rng = drawn(4, gap=6.0)
    unsure_N = np.full(len(bad_N), 0.5)
    held = few_shot(Traits(unsure_N, features_ND), bad_N, COSTS, rng)
    caught, alarms = held.called_RN[:, bad_N].mean(), held.called_RN[:, ~bad_N].mean()
    assert caught > 0.85 and alarms < 0.3
    noise_ND = np.random.default_rng(5).normal(size=features_ND.shape)
    blind = few_shot(Traits(unsure_N, noise_ND), bad_N, COSTS, rng)
    assert abs(blind.called_RN[:, bad_N].mean() - blind.called_RN[:, ~bad_N].mean()) < 0.25, (
        "held out, noise tells nothing"
    )


def test_a_threshold_is_never_chosen_on_the_video_it_judges() -> None:
    """Of one bad video alone on top, a threshold that had seen it would always stand right below it."""
    scores_N, bad_N = np.append(np.linspace(0, 0.5, 39), 0.9), np.arange(40) >= 38
    called_RN = by_cost(scores_N, bad_N, Costs(1.0, 1.0), np.random.default_rng(6)).called_RN
    assert called_RN[:, 39].all() and not called_RN[:, 38].all()


def evidence(seed: int, gap: float = 3.0, score_gap: float = 0.0, videos: int = 60, bad: int = 20) -> Evidence:
    features_ND, bad_N, rng = drawn(seed, videos, bad, gap)
    scores_N = 1 / (1 + np.exp(-(rng.normal(size=videos) + np.where(bad_N, score_gap, 0.0))))
    return Evidence(
        files=[f"{n}.mp4" for n in range(videos)],
        bad_N=bad_N,
        called_N=scores_N >= 0.5,
        scores_N=scores_N,
        without_called_N=scores_N >= 0.7,
        without_N=scores_N * 0.7,
        embeddings_ND=features_ND / np.linalg.norm(features_ND, axis=1, keepdims=True),
    )


def test_a_head_takes_over_only_where_it_is_better() -> None:
    better = find("adult", evidence(1, gap=6.0), Costs(1.0, 1.0), np.random.default_rng(0))
    assert better.best == "head" and better.ways["head"].average_precision.value > 0.9
    useless = find("adult", evidence(1, gap=0.0, score_gap=4.0), Costs(1.0, 1.0), np.random.default_rng(0))
    assert useless.best != "head"


def test_files_are_told_by_what_became_of_them() -> None:
    given = evidence(1)
    found = find("adult", given, COSTS, np.random.default_rng(0))
    bad = {file for file, is_bad in zip(given.files, given.bad_N, strict=True) if is_bad}
    assert {*found.caught, *found.missed} == bad and not {*found.caught} & {*found.missed}
    assert set(found.false_alarms) == set(found.ways[found.best].called) - bad


def test_what_sound_changed_is_paired() -> None:
    given = evidence(1, score_gap=1.0)
    audio = find("adult", given, COSTS, np.random.default_rng(0)).audio
    assert audio is not None
    both = zip(given.files, given.bad_N, given.called_N, given.without_called_N, strict=True)
    expected = {pair: [] for pair in product((True, False), repeat=2)}
    for file, bad, called, without in both:
        if called != without:
            expected[bool(bad), bool(called)].append(file)
    assert list(audio.caught_by_sound) == expected[True, True] and list(audio.alarms_by_sound) == expected[False, True]
    assert audio.caught.value == pytest.approx(len(audio.caught_by_sound) / 20)
    assert audio.average_precision.value == pytest.approx(0.0), "a scaled score ranks alike"


@pytest.mark.parametrize(("videos", "bad"), [(30, 0), (30, 30), (30, 2), (1, 1)])
def test_few_of_a_kind_are_told_without_a_head(videos: int, bad: int) -> None:
    found = find("adult", evidence(1, videos=videos, bad=bad), COSTS, np.random.default_rng(0))
    assert list(found.ways) == ["shipped"] and found.audio is None and found.bad == bad
