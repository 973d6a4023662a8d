"""The loop of query and update."""

from __future__ import annotations

import numpy as np
import pytest

from engines.active.broaden import Lsb
from engines.active.learner import Learner, LogisticHead, committee
from engines.active.strategies import MARGIN
from tests.engines.active.conftest import Planted, reported


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_rounds_of_broadening_teach_the_head_a_new_kind_and_uncertainty_does_not(planted: Planted) -> None:
    recall = {}
    for name, strategy in (("lsb", Lsb(planted.ids)), ("margin", MARGIN)):
        learner, chance = Learner(reported(planted), LogisticHead(), strategy), rng()
        for _ in range(3):
            chosen = learner.query(15, chance)
            learner.update(planted.label_N[chosen], chance)
            if isinstance(strategy, Lsb):
                strategy.learn({planted.ids[place]: int(planted.label_N[place]) for place in chosen.tolist()})
        unseen = np.setdiff1d(planted.new, learner.situation.labelled)
        recall[name] = float((learner.situation.score_N[unseen] > 0.5).mean())
    assert recall["lsb"] > 0.7
    assert recall["lsb"] > recall["margin"] + 0.2


def test_questions_and_answers_take_turns(planted: Planted) -> None:
    learner = Learner(planted.situation, LogisticHead(), MARGIN)
    with pytest.raises(ValueError, match="came 2 labels for 0 videos"):
        learner.update([0, 1], rng())
    chosen = learner.query(5, rng())
    with pytest.raises(ValueError, match="5 videos wait for labels"):
        learner.query(5, rng())
    with pytest.raises(ValueError, match="came 4 labels for 5 videos"):
        learner.update([0, 1, 0, 1], rng())
    with pytest.raises(ValueError, match=r"labels '7': expected 0, 1 or NaN"):
        learner.update([0, 1, 7, 1, 0], rng())
    learner.update(np.array([0, 1, np.nan, 1, 0], np.float32), rng())
    assert learner.situation.label_N[chosen[1]] == 1
    assert chosen[2] in learner.situation.unlabelled


def test_labels_of_one_kind_are_refused(planted: Planted) -> None:
    with pytest.raises(ValueError, match="came 3 labels of one kind"):
        LogisticHead().fit(planted.situation.embedding_ND[:3], np.ones(3, np.float32), rng())
    with pytest.raises(ValueError, match="`fit` before `scores`"):
        LogisticHead().scores(planted.situation.embedding_ND[:3])


def test_a_committee_disagrees_most_where_nothing_is_labelled(planted: Planted) -> None:
    situation = planted.situation
    score_EN = committee(LogisticHead(), situation.embedding_ND, situation.label_N, rng())
    assert score_EN.shape == (8, 1500)
    spread_N = score_EN.std(0)
    assert spread_N[situation.unlabelled].mean() > spread_N[situation.labelled].mean()
