"""The study with the fusion network as head: its clips, its rounds, its differences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from engines.active.learner import LogisticHead
from engines.active.pool import Situation
from engines.active.vectors import Float32, Int64
from engines.cli.evaluate import app
from engines.data.public.manifest import Labels, Row, Span
from engines.evaluation.selection.arena import Arena, Kind, unit
from engines.evaluation.selection.heads import COMPARED, HUNTED, LOGISTIC, VLMAE, Clips, Ground, tasks
from engines.evaluation.selection.heads_found import differences, heads_found, interval
from engines.evaluation.selection.heads_report import HeadResults, page
from engines.evaluation.selection.regimes import Emerging, Steady, emerging, steady
from engines.evaluation.selection.setup import Setup
from engines.evaluation.selection.study import STEADY, Outcome

RUNNER = CliRunner()


def rows() -> list[Row]:
    """Every tenth clip holds a gunshot, every tenth another thing that makes it restricted."""
    things = {0: "gunshot", 1: "scorpion"}
    return [
        Row(
            clip_id=f"clip-{n}",
            file=f"clip-{n}.mp4",
            split="train" if n < 5600 else "val" if n < 6400 else "test",
            title="a title",
            query=None,
            labels=Labels(adult=int(n % 10 in things)),
            spans=(Span("audio", things[n % 10], 0, 1),) if n % 10 in things else (),
        )
        for n in range(8400)
    ]


def test_nothing_that_is_hunted_is_learnt_beforehand_and_no_clip_is_in_two_places() -> None:
    given = rows()
    clips = Clips.of(given)
    shown = [span.thing for n in (*clips.before.train, *clips.before.val) for span in given[int(n)].spans]
    assert set(shown) == {"scorpion"}
    learnt = {*clips.before.train.tolist(), *clips.before.val.tolist()}
    assert learnt.isdisjoint(clips.pool.tolist())
    assert {given[int(n)].split for n in clips.pool} == {"train"}
    assert {given[int(n)].split for n in clips.test} == {"test"}
    assert np.array_equal(Clips.of(given).pool, clips.pool)


@dataclass(frozen=True)
class Counting(LogisticHead):
    """A head whose embedding says how many labels it was fitted to."""

    labels: int = 0

    def fit(self, feature_LD: Float32, label_L: Float32, rng: np.random.Generator) -> Counting:
        plain = LogisticHead(self.penalty).fit(feature_LD, label_L, rng)
        return Counting(plain.penalty, plain.weight_D, plain.bias, len(label_L))

    def embeddings(self, feature_ND: Float32) -> Float32:
        return np.full((len(feature_ND), 1), self.labels, np.float32)


class Watching:
    """Chooses the first, and keeps what it saw."""

    name = "watching"

    def __init__(self) -> None:
        self.seen: list[float] = []

    def query(self, situation: Situation, count: int, _: np.random.Generator) -> Int64:
        self.seen.append(float(situation.embedding_ND[0, 0]))
        return situation.unlabelled[:count]


@pytest.fixture(scope="module")
def arena() -> Arena:
    rng = np.random.default_rng(3)
    label_M = (rng.random(1600) < 0.25).astype(np.float32)
    feature_MF = (rng.standard_normal((1600, 6)) + label_M[:, None]).astype(np.float32)
    pool, test = slice(0, 1000), slice(1000, None)
    of_kind = [(label_M == 1) & (np.arange(1600) % 8 == n) for n in range(len(HUNTED))]
    kinds = tuple(Kind(name, of_M[pool], of_M[test]) for name, of_M in zip(HUNTED, of_kind, strict=True))
    given = feature_MF[pool], feature_MF[test], unit(feature_MF[pool])
    return Arena("planted", *given, {}, label_M[pool], label_M[test], kinds)


@pytest.mark.parametrize(("fused", "seen"), [(True, [80.0, 200.0]), (False, [0.5, 0.5])])
def test_strategies_see_the_embedding_of_the_head_as_it_is_now(arena: Arena, fused: bool, seen: list[float]) -> None:
    strategy = Watching()
    halves = replace(arena, embedding_ND=np.full((1000, 1), 0.5, np.float32))
    setup = Setup(Counting(1.0), batches=(120, 200), fused=fused)
    found = steady(halves, lambda _: strategy, np.random.default_rng(0), setup)
    assert strategy.seen == seen
    assert found.labels == (80, 200, 400)


def test_every_head_starts_from_the_same_labels(arena: Arena) -> None:
    found = {name: Ground(replace(arena, name=name), Counting(10.0)) for name in (LOGISTIC, VLMAE)}
    wanted = tasks(found, [4])
    assert len(wanted) == sum(len(COMPARED[name][0]) + len(HUNTED) * len(COMPARED[name][1]) for name in found)
    outcomes = [task.run() for task in wanted]
    assert len({one.steady.average_precision[0] for one in outcomes if one.steady}) == 1
    assert len({(one.regime, one.emerging.others_before) for one in outcomes if one.emerging}) == len(HUNTED)


@pytest.mark.parametrize("judged", [True, False])
def test_a_head_that_is_not_judged_after_a_hunt_finds_the_same(arena: Arena, judged: bool) -> None:
    setup = Setup(Counting(10.0), hunts=(60,), judged=judged)
    found = emerging(arena, arena.kinds[0], lambda _: Watching(), np.random.default_rng(0), setup)
    assert found.labels == (60,)
    assert len(found.recall) == len(found.others) == int(judged)
    usual = emerging(arena, arena.kinds[0], lambda _: Watching(), np.random.default_rng(0), Setup(hunts=(60,)))
    assert found.found == usual.found


def made(head: str, strategy: str, seed: int, quality: float) -> Outcome:
    return Outcome(head, STEADY, strategy, seed, steady=Steady((80, 200), (0.1, quality), (0.0, quality)))


def test_differences_are_of_the_same_seeds() -> None:
    runs = [
        made(head, "random", seed, 0.3 + 0.2 * seed + add)
        for head, add in ((LOGISTIC, 0.0), (VLMAE, 0.06))
        for seed in (0, 1, 2)
    ]
    found = {one.measure: one for one in differences([*runs, made(VLMAE, "random", 9, 0.9)])}
    assert found["AP, last round"].value == pytest.approx(0.06)
    assert found["AP, last round"].t_high - found["AP, last round"].t_low < 1e-6
    assert found["mean AP"].value == pytest.approx(0.03)
    assert found["mean AP"].seeds == 3


def test_of_few_seeds_a_bootstrap_is_surer_than_student() -> None:
    mean, low, high, t_low, t_high = interval(np.array([0.0, 1.0, 2.0, 3.0]))
    assert mean == pytest.approx(1.5)
    assert 0 <= low < high <= 3
    assert (t_low, t_high) == pytest.approx((1.5 - 3.1824 * 0.6455, 1.5 + 3.1824 * 0.6455), abs=1e-3)


def test_the_page_has_every_head_and_marks_what_is_clear() -> None:
    runs = [
        made(head, "random", seed, quality + 0.01 * seed)
        for head, quality in ((LOGISTIC, 0.3), (VLMAE, 0.5))
        for seed in (0, 1)
    ]
    hunts = [
        Outcome(VLMAE, "gun seen", "random", seed, emerging=Emerging((60,), (2 + seed,), (), (), 0.4))
        for seed in (0, 1)
    ]
    clips = {"beforehand": 5, "pool": 6, "test": 7}
    options = {"steps": 1, "batch_size": 2, "learning_rate": 0.1}
    lineage = {"command": "earshot", "clips": clips, "options": options}
    results = HeadResults(lineage, heads_found([*runs, *hunts]), differences([*runs, *hunts]))
    told = page(results)
    assert "**+0.200**" in told
    assert f"| {VLMAE} | random | 2.500 | - | - | 2 |" in told
    assert msgspec.json.decode(msgspec.json.encode(results), type=HeadResults) == results


def test_a_missing_folder_and_options_that_do_not_go_together_are_told(tmp_path: Path) -> None:
    places = [word for name in ("features", "words", "runs", "out") for word in (f"--{name}", str(tmp_path / name))]
    told = RUNNER.invoke(app, ["select", *places, "--head", "fusion"])
    assert told.exit_code == 1
    assert str(tmp_path / "features") in told.stderr
    assert RUNNER.invoke(app, ["select", *places, "--head", "fusion", "--strategy", "lsb"]).exit_code == 2
    told = RUNNER.invoke(app, ["select", *places], env={"EARSHOT_DATA": None})
    assert told.exit_code == 2
