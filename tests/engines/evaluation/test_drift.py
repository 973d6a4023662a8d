"""A stream whose source changes: what is carried over, what is counted, and when an allocation has noticed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from engines.active.broaden import Lsb
from engines.active.memory import Asked
from engines.evaluation.selection.arena import Arena, compressed, unit
from engines.evaluation.selection.drift import AFTER, BEFORE, Drift, Frozen, Stream
from engines.evaluation.selection.drift_page import Drifts, page, verdict, write_drifts
from engines.evaluation.selection.noticed import FROZEN, DriftTask, Noticed, noticed, reached
from engines.evaluation.selection.setup import BATCH
from engines.evaluation.selection.study import DRIFT, LSB, Outcome, run_all

STRATEGIES = ("random", FROZEN, LSB)


@pytest.fixture(scope="module")
def stream() -> Stream:
    """Twenty kinds; kinds 0 and 1 are positive in the first source, 2 and 3 in the second."""
    rng = np.random.default_rng(5)
    centre_KD = rng.standard_normal((20, 24))
    kind_M = rng.integers(0, 20, 4800)
    rows_MD = (centre_KD[kind_M] + 0.9 * rng.standard_normal((4800, 24))).astype(np.float32)
    rows_MF = compressed(rows_MD, rows_MD, 16)[1]
    half_M = np.arange(4800) < 2400

    def arena(name: str, place_M: np.ndarray, positive: tuple[int, int]) -> Arena:
        feature_NF, feature_TF = np.split(rows_MF[place_M], [1600])
        label_M = np.isin(kind_M[place_M], positive).astype(np.float32)
        widths = (feature_NF.shape[1],)
        return Arena(name, feature_NF, feature_TF, unit(feature_NF), {}, label_M[:1600], label_M[1600:], widths=widths)

    return Stream("planted", arena("old", half_M, (0, 1)), arena("new", ~half_M, (2, 3)))


@pytest.fixture(scope="module")
def outcomes(stream: Stream, tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    wanted = [DriftTask(stream, strategy, seed) for seed in (0, 1) for strategy in STRATEGIES]
    return run_all(wanted, tmp_path_factory.mktemp("runs") / "drift.jsonl", lambda **_: None)


def drifts(outcomes: list[Outcome], strategy: str) -> list[Drift]:
    return [one.drift for one in outcomes if one.strategy == strategy and one.drift is not None]


def test_both_kinds_of_lsb_are_one_until_the_shift_and_part_then(outcomes: list[Outcome]) -> None:
    for learning, frozen in zip(drifts(outcomes, LSB), drifts(outcomes, FROZEN), strict=True):
        assert learning.slots[: BEFORE + 1] == frozen.slots[: BEFORE + 1]
        assert learning.slots != frozen.slots
        assert learning.average_precision[0] == frozen.average_precision[0]


def test_every_slot_is_some_arms_and_finds_are_of_the_new_source(outcomes: list[Outcome], stream: Stream) -> None:
    for run in drifts(outcomes, LSB):
        assert [sum(one.values()) for one in run.slots] == [BATCH] * (BEFORE + AFTER)
        assert all(one.keys() == worth.keys() for one, worth in zip(run.slots, run.worth, strict=True))
        assert len(run.average_precision) == AFTER + 1
        assert list(run.found) == sorted(run.found)
        assert run.found[-1] <= stream.after.label_N.sum()
    assert not any(slots for run in drifts(outcomes, "random") for slots in run.slots)


def test_what_was_learnt_of_the_old_source_misleads_and_the_new_one_teaches(outcomes: list[Outcome]) -> None:
    for run in drifts(outcomes, LSB):
        assert run.average_precision[-1] > run.average_precision[0] + 0.2


def test_a_frozen_allocation_learns_no_more_and_its_seeds_do() -> None:
    lsb = Frozen(["a", "b"])
    lsb.bandit.learn({"uncertain": [1.0]})
    before = lsb.bandit.expected("uncertain")
    for video in lsb.ids:
        lsb.memory.open[video] = Asked("uncertain", 0.1)
    lsb.learn({"a": 1, "b": 0})
    assert lsb.bandit.expected("uncertain") == before
    assert lsb.memory.found == ["a"]
    learning = Lsb(["a"])
    learning.memory.open["a"] = Asked("uncertain", 0.1)
    before = learning.bandit.expected("uncertain")
    learning.learn({"a": 1})
    assert learning.bandit.expected("uncertain") > before


def run_of(since: list[int]) -> Drift:
    """An arm with six of sixty slots before the shift, and these since."""
    positives = [6] * BEFORE + since
    slots = tuple({"positives": count, "uncertain": BATCH - count} for count in positives)
    worth = tuple({"positives": 0.5 * one["positives"], "uncertain": 0.2 * one["uncertain"]} for one in slots)
    return Drift((0.5,) * (AFTER + 1), tuple(range(AFTER)), slots, worth)


@pytest.mark.parametrize(
    ("since", "rounds", "told"),
    [
        ([6, 20, 30, 30, 30, 30, 30, 30], 1, "after 1 round"),
        ([6, 6, 6, 6, 36, 36, 36, 36], 4, "after 4 rounds (late)"),
        ([7, 7, 6, 7, 7, 6, 7, 7], None, "nothing to notice"),
    ],
)
def test_an_arm_is_noticed_half_of_the_way(since: list[int], rounds: int | None, told: str) -> None:
    found = noticed([Outcome("stream", DRIFT, LSB, seed, drift=run_of(since)) for seed in (0, 1)])
    assert [one.arm for one in found] == ["positives", "uncertain"]
    best = found[0]
    assert best.best
    assert best.pays == pytest.approx((0.5, 0.5))
    assert best.before == pytest.approx(0.1)
    assert best.rounds == rounds
    assert verdict(best) == told


def test_differences_are_paired_and_the_page_has_both_tables(outcomes: list[Outcome], tmp_path: Path) -> None:
    rows = {one.strategy: one for one in reached(outcomes)}
    behind = rows["random"].behind
    assert behind is not None
    assert behind.value == pytest.approx(rows[LSB].quality.value - rows["random"].quality.value)
    assert rows[LSB].behind is None
    results = Drifts({"command": "earshot evaluate drift"}, reached(outcomes), noticed(outcomes))
    files = write_drifts(results, tmp_path)
    assert files[0].read_text() == page(results)
    assert "## Planted" in page(results)
    assert "| uncertain |" in page(results) or "| **uncertain** |" in page(results)
    assert msgspec.json.decode(files[1].read_bytes(), type=Drifts).noticed == noticed(outcomes)


def test_an_arm_without_slots_is_no_row() -> None:
    found: list[Noticed] = noticed([Outcome("stream", DRIFT, LSB, 0, drift=run_of([0] * AFTER))])
    assert [one.arm for one in found] == ["uncertain"]
