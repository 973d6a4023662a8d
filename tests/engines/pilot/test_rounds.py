"""Rounds of labels: choosing is better than chance where there is something to choose by, and the count is right."""

from __future__ import annotations

import numpy as np
import pytest

from engines.pilot.few_shot import Bool, Traits
from engines.pilot.rounds import STRATEGIES, Plan, race, saved

PLAN = Plan(start=20, batch=10, rounds=4, seeds=4)


def clustered(videos: int = 300, bad: int = 45) -> tuple[Traits, Bool]:
    """Bad videos lie in three tight clusters of a space in which the others are everywhere; the scores know nothing."""
    rng = np.random.default_rng(1)
    bad_N = np.arange(videos) < bad
    embeddings_ND = rng.normal(size=(videos, 24))
    embeddings_ND[:bad] = 3 * rng.normal(size=(3, 24))[np.arange(bad) % 3] + 0.6 * rng.normal(size=(bad, 24))
    embeddings_ND /= np.linalg.norm(embeddings_ND, axis=1, keepdims=True)
    return Traits(rng.uniform(0.2, 0.4, videos), embeddings_ND), bad_N


def test_broadening_finds_clusters_that_chance_does_not() -> None:
    runs: list[None] = []
    played = race("adult", *clustered(), PLAN, on_run=lambda: runs.append(None))
    courses = {course.strategy: course for course in played.courses}
    assert tuple(courses) == STRATEGIES and len(runs) == PLAN.seeds * len(STRATEGIES)
    assert played.labels == (20, 30, 40, 50, 60)
    assert courses["lsb"].found[-1] > courses["random"].found[-1] + 0.05
    assert played.saved[0] > 0 and played.saved[1] <= played.saved[0] <= played.saved[2]
    assert len({course.found[0] for course in courses.values()}) == 1, "all begin with the same labels"
    assert abs(played.shipped - 0.15) < 0.15, "scores that know nothing are as good as the base rate"


def test_equal_seeds_give_equal_races() -> None:
    first, again = (race("adult", *clustered(), Plan(20, 10, 2, 2), seed=3) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("found_R", "expected"),
    [
        ([0.1, 0.2, 0.5, 0.6, 0.7], 20.0),  # 0.5 after 40 labels
        ([0.1, 0.3, 0.4, 0.6, 0.9], 15.0),  # half-way between 40 and 50
        ([0.6, 0.6, 0.6, 0.6, 0.6], 40.0),  # at once
        ([0.1, 0.2, 0.3, 0.4, 0.45], 0.0),  # never
    ],
)
def test_saved_labels_are_read_off_the_course(found_R: list[float], expected: float) -> None:
    chance_SR = np.array([[0.1, 0.2, 0.3, 0.4, 0.5]])
    assert saved(chance_SR, np.array([found_R]), PLAN) == pytest.approx(expected)


@pytest.mark.parametrize(("videos", "bad"), [(300, 5), (60, 25)])
def test_too_few_are_refused_with_the_number_that_would_do(videos: int, bad: int) -> None:
    with pytest.raises(ValueError, match="expected 20 of each and 93 in all; label more, or play fewer rounds"):
        race("adult", *clustered(videos, bad), PLAN)
