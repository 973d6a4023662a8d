"""Latent space broadening on planted clusters, and its parts."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.active.arms import BROADENING, PROBE, REPORTS, UNCERTAIN, Lookalikes, Reach
from engines.active.bandit import Bandit, Record
from engines.active.broaden import Lsb, Options
from engines.active.lookalike import Band, calibrated
from engines.active.memory import Memory
from engines.active.pool import Situation
from engines.active.spaces import agreement, backgrounds, sharpened
from engines.active.strategies import MARGIN
from tests.engines.active.conftest import Planted, reported, unit
from tests.examples import examples


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_new_kind_is_found_from_three_reports_where_uncertainty_is_blind(planted: Planted) -> None:
    situation, lsb = reported(planted), Lsb(planted.ids)
    blind = MARGIN.query(situation, 30, rng())
    chosen = lsb.query(situation, 30, rng())
    assert np.isin(chosen, planted.new).sum() >= 13  # of 15 that are not where the model is unsure
    assert np.isin(blind, planted.new).sum() <= 6


def test_what_reports_led_to_is_broadened_from_in_turn(planted: Planted) -> None:
    situation, lsb = reported(planted, count=1), Lsb(planted.ids)
    picks = lsb.picks(situation, 10, rng())
    lsb.learn({planted.ids[pick.place]: int(planted.label_N[pick.place]) for pick in picks})
    seeds = lsb.seeds(REPORTS, situation).tolist()
    found = [pick.place for pick in picks if pick.arm == REPORTS and planted.label_N[pick.place] == 1]
    assert found
    assert seeds == [int(planted.new[0]), *found]


def test_slots_go_to_a_new_kind_until_enough_of_it_is_found_and_back_to_what_the_model_is_unsure_of(
    planted: Planted,
) -> None:
    situation = reported(planted)
    enough = Memory(kin={REPORTS: [planted.ids[place] for place in planted.new[3 : 3 + Options().enough]]})
    for seed in range(5):
        seeking, later = (
            [pick.arm for pick in Lsb(planted.ids, memory).picks(situation, 20, rng(seed))].count(UNCERTAIN)
            for memory in (Memory(), msgspec.structs.replace(enough))
        )
        assert 4 <= seeking < 10
        assert later >= 14
    only = Options(arms=(REPORTS,))
    assert len(Lsb(planted.ids, options=only).picks(situation, 20, rng())) == 20


def test_spaces_serve_again_until_the_embeddings_change(planted: Planted) -> None:
    first = Lookalikes(planted.situation, Reach(), rng())
    labelled = reported(planted)
    assert Lookalikes(labelled, Reach(), rng(), first).spaces is first.spaces
    moved = replace(labelled, embedding_ND=labelled.embedding_ND.copy())
    assert Lookalikes(moved, Reach(), rng(), first).spaces is not first.spaces


def test_without_reports_no_slot_looks_for_them(planted: Planted) -> None:
    arms = {pick.arm for seed in range(5) for pick in Lsb(planted.ids).picks(planted.situation, 40, rng(seed))}
    assert UNCERTAIN in arms
    assert not arms & set(BROADENING)


def test_a_report_that_a_reviewer_rejects_is_no_seed(planted: Planted) -> None:
    situation = reported(planted, count=1)
    label_N = situation.label_N.copy()
    label_N[planted.new[0]] = 0
    assert not len(Lsb(planted.ids).seeds(REPORTS, replace(situation, label_N=label_N)))


def test_copies_are_asked_about_once(planted: Planted) -> None:
    """Each video of the new kind is uploaded five times; copies of a labelled one are not asked about at all."""
    places = np.concatenate([np.arange(1500), np.repeat(planted.new, 4)])
    noise = 1e-3 * rng().standard_normal((len(places), 32))
    embedding_ND = unit(planted.situation.embedding_ND[places] + noise)
    label_N = planted.situation.label_N[places]
    label_N[1500:] = np.nan
    label_N[planted.new[0]] = 1
    reported_N = np.zeros(len(places), np.bool_)
    reported_N[planted.new[0]] = True
    situation = Situation(
        embedding_ND, planted.situation.score_N[places], label_N, reported_N=reported_N, asked_N=reported_N
    )
    chosen = places[Lsb([str(n) for n in range(len(places))]).query(situation, 30, rng())]
    assert len(set(chosen.tolist())) == 30
    assert planted.new[0] not in chosen


def test_broadening_looks_where_the_seeds_agree(planted: Planted) -> None:
    lookalikes = Lookalikes(planted.situation, Reach(), rng())
    weights = lookalikes.weights(planted.new[:4])
    assert weights["vision"] < 0.1 < 0.3 < weights["audio"]
    assert sum(weights.values()) == pytest.approx(1)
    assert lookalikes.weights(planted.new[:1]) == dict.fromkeys(("fused", "vision", "audio"), pytest.approx(1 / 3))


def test_candidates_lie_in_the_band(planted: Planted) -> None:
    situation = reported(planted)
    lookalikes = Lookalikes(situation, Reach(views=False), rng())
    band, space = lookalikes.bands["fused"], lookalikes.spaces["fused"]
    ranked = lookalikes.ranked(situation.reported, situation.of_label(0))
    cosine = space[ranked.places] @ space[situation.reported].T
    assert len(ranked.places)
    assert (cosine.max(1) >= band.low).all()
    assert (cosine.max(1) < band.high).all()
    assert np.isnan(situation.label_N[ranked.places]).all()


def test_what_a_reviewer_rejected_pushes_its_like_down(planted: Planted) -> None:
    situation = reported(planted)
    lookalikes = Lookalikes(situation, Reach(views=False, unlike=2.0), rng())
    plain = lookalikes.ranked(situation.reported, np.zeros(0, np.int64)).places
    first = plain[:1]
    after = lookalikes.ranked(situation.reported, first).places
    assert plain.tolist().index(first[0]) == 0
    assert after.tolist().index(first[0]) > len(after) // 2


def test_a_threshold_is_where_kinds_part(planted: Planted) -> None:
    """With labels: nine of ten positives reach it, few others do. With too few: what 95 % of others stay under."""
    rows, positives = planted.situation.embedding_ND, np.flatnonzero(planted.label_N == 1)
    others = np.flatnonzero(planted.label_N == 0)
    for count in (60, 3):
        band = calibrated(rows, positives[:count], others, rng())
        to_seed = (rows @ rows[positives[:count]].T).max(1)
        assert (to_seed[others] >= band.low).mean() < 0.12
    assert (to_seed[planted.kind_N == planted.kind_N[positives[0]]] >= band.low).mean() > 0.6
    assert calibrated(rows, positives[:0], others, rng()) == Band(-1)
    with pytest.raises(ValueError, match="low <= high"):
        Band(0.9, 0.5)


def test_a_space_where_nothing_varies_alike_is_sharpened() -> None:
    """Strong directions of noise hide the weak ones that kinds differ in; sharpened, kinds are told apart again."""
    kind = np.repeat(np.arange(10), 30)
    weak = 0.3 * np.eye(10)[kind] + 0.05 * rng().standard_normal((300, 10))
    space = unit(np.c_[weak, 2 * rng(1).standard_normal((300, 6))])

    def same_kind_first(rows: np.ndarray) -> float:
        cosine = rows @ rows.T
        np.fill_diagonal(cosine, -1)
        return float((kind[cosine.argmax(1)] == kind).mean())

    assert same_kind_first(sharpened(space, rng(), 1.0)) > same_kind_first(space) + 0.2
    assert sharpened(space, rng(), 0) is space
    absent = space.copy()
    absent[7] = 0
    assert not sharpened(absent, rng(), 1.0)[7].any()


def test_agreement_ignores_a_space_that_is_alike_everywhere() -> None:
    spread, flat = unit(rng().standard_normal((200, 8))), unit(10 + rng(1).standard_normal((200, 8)))
    spread[:3] = spread[0] + 0.1 * rng(2).standard_normal((3, 8))
    spaces = {"spread": unit(spread), "flat": flat}
    weights = agreement(spaces, backgrounds(spaces, rng()), np.arange(3), 2.0)
    assert (flat[:3] @ flat[:3].T).min() > 0.9
    assert weights["spread"] > 0.8


def test_slots_follow_the_yield_within_two_rounds_of_a_change() -> None:
    """What pays changes after five rounds: of the slots, most go to the new arm in the second round after."""
    bandit = Bandit({"a": (1.0, 3.0), "b": (1.0, 3.0)}, {}, discount=0.5, explore=0.05)
    chance, shares = rng(3), []
    for number in range(9):
        pays = "a" if number < 5 else "b"
        slots = [bandit.choose(["a", "b"], chance) for _ in range(60)]
        shares.append(slots.count("b") / 60)
        bandit.learn({arm: [0.6 if arm == pays else 0.02] * slots.count(arm) for arm in ("a", "b") if arm in slots})
    assert max(shares[2:5]) < 0.3
    assert min(shares[7:]) > 0.6


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0, 0.99))
def test_a_record_never_leaves_what_slots_can_give(yields: list[float], discount: float) -> None:
    records: dict[str, Record] = {}
    bandit = Bandit({"a": (1.0, 1.0)}, records, discount=discount, explore=0)
    bandit.learn({"a": yields, "unknown": [1.0]})
    bandit.learn({})
    assert 0 < bandit.expected("a") < 1
    assert set(records) <= {"a"}
    assert records["a"].gained + records["a"].missed == pytest.approx(discount * len(yields))


def test_answers_become_seeds_and_errors(planted: Planted) -> None:
    memory = Memory()
    lsb = Lsb(planted.ids, memory, Options(arms=(PROBE,)))
    picks = lsb.picks(planted.situation, 40, rng())
    answers = {planted.ids[pick.place]: int(planted.label_N[pick.place]) for pick in picks[:30]}
    lsb.learn({**answers, "never asked": 1})
    assert sorted(memory.found) == sorted(video for video, label in answers.items() if label)
    wrong = {
        planted.ids[p.place]
        for p in picks[:30]
        if (planted.situation.score_N[p.place] >= 0.5) != answers[planted.ids[p.place]]
    }
    assert set(memory.erred) == wrong
    assert set(memory.open) == {planted.ids[pick.place] for pick in picks[30:]}
    assert memory.rounds == 1
    lsb.learn(answers)  # the same answers again teach nothing
    assert memory.rounds == 1
