"""One contract for every strategy, and what each of them is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.active.broaden import Lsb
from engines.active.learner import LogisticHead, committee
from engines.active.pool import Situation
from engines.active.strategies import ENTROPY, LEAST_CONFIDENCE, MARGIN, PUBLISHED, Strategy
from engines.active.strategies.badge import Badge
from engines.active.strategies.bald import Bald
from engines.active.strategies.core_set import CoreSet
from engines.active.strategies.neighbours import AnchorAl, Seals, spread
from engines.active.strategies.prob_cover import ProbCover
from engines.active.strategies.typiclust import TypiClust
from tests.engines.active.conftest import Planted, unit
from tests.examples import examples

NAMES = [*PUBLISHED, "lsb"]


def named(name: str, planted: Planted) -> Strategy:
    return Lsb(planted.ids) if name == "lsb" else PUBLISHED[name]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def situation(planted: Planted) -> Situation:
    members = committee(LogisticHead(), planted.situation.embedding_ND, planted.situation.label_N, rng())
    return replace(planted.situation, committee_EN=members)


@pytest.mark.parametrize("name", NAMES)
def test_each_asks_about_unlabelled_videos_once(name: str, planted: Planted, situation: Situation) -> None:
    chosen = named(name, planted).query(situation, 40, rng())
    assert len(chosen) == len(set(chosen.tolist())) == 40
    assert np.isnan(situation.label_N[chosen]).all()


@pytest.mark.parametrize("name", NAMES)
def test_equal_generators_give_equal_batches(name: str, planted: Planted, situation: Situation) -> None:
    first, again = (named(name, planted).query(situation, 15, rng(3)).tolist() for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", NAMES)
def test_a_pool_that_runs_out_gives_what_it_has(name: str, planted: Planted, situation: Situation) -> None:
    label_N = planted.label_N.copy()
    left = situation.unlabelled[:7]
    label_N[left] = np.nan
    chosen = named(name, planted).query(replace(situation, label_N=label_N), 40, rng())
    assert sorted(chosen.tolist()) == sorted(left.tolist())


@pytest.mark.parametrize("name", NAMES)
def test_videos_in_review_are_not_asked_about_again(name: str, planted: Planted, situation: Situation) -> None:
    asked_N = np.zeros(len(planted.ids), np.bool_)
    asked_N[situation.unlabelled[::2]] = True
    chosen = named(name, planted).query(replace(situation, asked_N=asked_N), 60, rng())
    assert len(chosen) == 60
    assert not asked_N[chosen].any()


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=5, max_size=60, unique_by=lambda n: abs(n - 500)), st.integers(1, 5))
def test_of_two_classes_the_three_uncertainties_choose_the_same(thousandths: list[int], count: int) -> None:
    score_N = np.array(thousandths, np.float32) / 1000
    situation = Situation(unit(np.ones((len(score_N), 3))), score_N, np.full(len(score_N), np.nan, np.float32))
    batches = [one.query(situation, count, rng()).tolist() for one in (LEAST_CONFIDENCE, MARGIN, ENTROPY)]
    assert batches[0] == batches[1] == batches[2]
    assert batches[0][0] == int(np.abs(score_N - 0.5).argmin())


def test_bald_asks_where_models_disagree_not_where_all_are_unsure() -> None:
    committee_EN = np.array([[0.5, 0.02, 0.9], [0.5, 0.98, 0.9]], np.float32)
    blank_N = np.full(3, np.nan, np.float32)
    situation = Situation(unit(np.eye(3)), committee_EN.mean(0), blank_N, committee_EN=committee_EN)
    assert Bald().query(situation, 1, rng()).tolist() == [1]
    with pytest.raises(ValueError, match="no committee"):
        Bald().query(replace(situation, committee_EN=None), 1, rng())


def test_badge_asks_no_unsure_video_twice_in_other_words() -> None:
    """Two groups of copies, all unsure, and many sure ones: never two of a group, where margin takes whatever comes."""
    copies = np.repeat(np.eye(8)[:2], 30, axis=0) + 1e-4 * rng().standard_normal((60, 8))
    sure = rng(1).standard_normal((40, 8))
    score_N = np.r_[np.full(60, 0.5), np.full(40, 0.999)].astype(np.float32)
    situation = Situation(unit(np.r_[copies, sure]), score_N, np.full(100, np.nan, np.float32))
    groups = [(Badge().query(situation, 2, rng(seed)) // 30).tolist() for seed in range(20)]
    assert all(first != second for first, second in groups)
    groups = [(MARGIN.query(situation, 2, rng(seed)) // 30).tolist() for seed in range(20)]
    assert any(first == second for first, second in groups)


def test_core_set_covers_every_cluster_first(planted: Planted) -> None:
    blank = replace(planted.situation, label_N=np.full(1500, np.nan, np.float32))
    tight = replace(blank, embedding_ND=unit(np.eye(30)[planted.kind_N] + 0.01 * rng().standard_normal((1500, 30))))
    assert len(set(planted.kind_N[CoreSet().query(tight, 30, rng())].tolist())) == 30


def test_typiclust_takes_the_middle_of_clusters_without_labels() -> None:
    where = np.repeat(np.arange(4), 50)
    noise = rng().standard_normal((200, 6))
    noise[::50] = 0  # the middle of each
    rows = unit(3 * np.eye(6)[where] + 0.5 * noise)
    label_N = np.full(200, np.nan, np.float32)
    label_N[1] = 0
    chosen = TypiClust(neighbours=40).query(Situation(rows, label_N, label_N), 3, rng())
    assert sorted(where[chosen].tolist()) == [1, 2, 3]
    middle = np.array([rows[where == cluster].mean(0) for cluster in where[chosen]])
    assert ((rows[chosen] * unit(middle)).sum(1) > 0.97).all()


def test_prob_cover_covers_the_largest_open_clusters_first() -> None:
    where = np.repeat(np.arange(3), (100, 60, 20))
    rows = unit(np.eye(5)[where] + 0.05 * rng().standard_normal((180, 5)))
    label_N = np.full(180, np.nan, np.float32)
    assert where[ProbCover(clusters=3).query(Situation(rows, label_N, label_N), 3, rng())].tolist() == [0, 1, 2]
    label_N[0] = 1
    assert where[ProbCover(clusters=3).query(Situation(rows, label_N, label_N), 2, rng())].tolist() == [1, 2]


@pytest.mark.parametrize("make", [TypiClust, lambda: ProbCover(clusters=5)])
def test_what_a_small_pool_is_divided_into_is_kept_until_its_embeddings_change(make: Callable[[], Strategy]) -> None:
    rows, blank = (unit(rng().standard_normal((300, 6))) for _ in range(2)), np.full(300, np.nan, np.float32)
    first, moved = (Situation(embedding_ND, blank, blank) for embedding_ND in rows)
    moved = replace(moved, embedding_ND=moved.embedding_ND[::-1].copy())
    strategy = make()
    batches = [strategy.query(first, 8, rng(seed)).tolist() for seed in (0, 5)]
    assert batches[0] == batches[1]
    assert strategy.query(moved, 8, rng()).tolist() == make().query(moved, 8, rng(9)).tolist() != batches[0]


@pytest.mark.parametrize("strategy", [Seals(k=10), AnchorAl(k=10)])
def test_neighbours_of_labels_are_asked_before_an_unsure_stranger(strategy: Strategy) -> None:
    where = np.repeat(np.arange(3), 40)
    rows = unit(np.eye(5)[where] + 0.1 * rng().standard_normal((120, 5)))
    score_N = np.where(where == 2, 0.5, 0.1 + 0.3 * rng(1).random(120)).astype(np.float32)
    label_N = np.full(120, np.nan, np.float32)
    label_N[0], label_N[40] = 0, 1
    chosen = strategy.query(Situation(rows, score_N, label_N), 5, rng())
    assert set(where[chosen].tolist()) <= {0, 1}
    assert set(where[MARGIN.query(Situation(rows, score_N, label_N), 5, rng())].tolist()) == {2}


def test_anchors_are_spread() -> None:
    rows = unit(np.repeat(np.eye(5), 50, axis=0) + 0.01 * rng().standard_normal((250, 5)))
    assert sorted((spread(rows, 5, rng()) // 50).tolist()) == [0, 1, 2, 3, 4]


def test_what_needs_scores_says_so() -> None:
    blank_N = np.full(4, np.nan, np.float32)
    with pytest.raises(ValueError, match="came no scores"):
        MARGIN.query(Situation(unit(np.eye(4)), blank_N, blank_N), 2, rng())
