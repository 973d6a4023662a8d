"""The study of strategies: rounds, what is kept of them, and what the page makes of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from engines.active.kernel import GramHead, KernelHead
from engines.cli.evaluate import app
from engines.evaluation.selection.arena import Arena, Kind, compressed, kernelled, unit
from engines.evaluation.selection.findings import hunts_found, steady_found
from engines.evaluation.selection.plots import write_plots
from engines.evaluation.selection.regimes import Emerging, Steady
from engines.evaluation.selection.report import Results, goals, write_report
from engines.evaluation.selection.speed import batch_times, embeddings, index_quality
from engines.evaluation.selection.study import (
    COPIES_KEPT,
    STEADY,
    WHOLE_KIND,
    Outcome,
    Task,
    read_outcomes,
    run_all,
    tasks,
)

STRATEGIES = ("random", "margin", "lsb")
RUNNER = CliRunner()


@pytest.fixture(scope="module")
def arena() -> Arena:
    """Twenty kinds, four of them positive; the pool and the test are drawn alike."""
    rng = np.random.default_rng(5)
    centre_KD = rng.standard_normal((20, 24))
    kind_M = rng.integers(0, 20, 2400)
    rows_MD = (centre_KD[kind_M] + 0.9 * rng.standard_normal((2400, 24))).astype(np.float32)
    label_M = (kind_M < 4).astype(np.float32)
    pool, test = slice(0, 1600), slice(1600, None)
    feature_NF, feature_TF = compressed(rows_MD[pool], rows_MD[test], 16)
    new = Kind("the fourth kind", (kind_M == 3)[pool], (kind_M == 3)[test])
    return Arena("planted", feature_NF, feature_TF, unit(feature_NF), {}, label_M[pool], label_M[test], (new,), (16,))


@pytest.fixture(scope="module")
def outcomes(arena: Arena, tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    wanted = tasks({"planted": arena}, [0, 1], STRATEGIES)
    return run_all(wanted, tmp_path_factory.mktemp("runs") / "runs.jsonl", lambda **_: None)


def test_every_strategy_starts_from_the_same_labels_and_learns(outcomes: list[Outcome]) -> None:
    assert len(outcomes) == 2 * (len(STRATEGIES) * 3 + 1)  # one kind and two base rates; and the whole kind
    runs = [one for one in outcomes if one.arena == "planted, 11.7%" and one.seed == 0]
    assert len({one.steady.average_precision[0] for one in runs if one.steady}) == 1
    assert all(one.steady.average_precision[-1] > one.steady.average_precision[0] for one in runs if one.steady)
    assert {len(one.steady.labels) for one in runs if one.steady} == {14}


def test_a_new_kind_is_found_by_broadening(outcomes: list[Outcome]) -> None:
    rows = {one.strategy: one for one in hunts_found(outcomes)}
    assert rows["lsb"].found[0] > rows["margin"].found[0] + 10
    whole = rows[WHOLE_KIND]
    assert whole.recall.value >= rows["lsb"].recall.value
    assert whole.recall_behind is None
    assert rows["lsb"].recall_behind is None
    assert rows["margin"].recall_behind is not None


def test_a_head_of_its_own_tells_a_kind_from_reports_alone(outcomes: list[Outcome]) -> None:
    rows = {one.strategy: one for one in hunts_found(outcomes)}
    assert rows[WHOLE_KIND].two is None
    two, others = rows["lsb"].two, rows["margin"].two
    assert two is not None and others is not None
    assert two.reported.value == pytest.approx(others.reported.value), "before the first label all know the same"
    assert two.alone.value >= two.reported.value > 0.9, "a planted kind is easy to tell"
    assert others.behind is not None and others.behind.value == pytest.approx(two.recall.value - others.recall.value)
    goals_told = {goal.goal: goal for goal in goals([], list(rows.values()))}
    same = next(goal for name, goal in goals_told.items() if "published strategies with two heads as well" in name)
    assert same.came == f"{two.recall.value - others.recall.value:+.3f}"
    assert goals_told["... with a head of its own for the kind"].came == f"{two.kept.value:+.3f} (the fourth kind)"


def test_what_was_run_is_not_run_again_and_a_cut_line_is(arena: Arena, tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    wanted = [Task(arena, "the fourth kind", name, 3) for name in ("random", "margin")]
    first = run_all(wanted, path, lambda **_: None)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])  # stopped while it wrote
    again = run_all(wanted, path, lambda **_: None)
    assert again == first
    assert list(read_outcomes(path)) == first
    forged = msgspec.structs.replace(first[0], emerging=Emerging((30,), (99,), (0.5,), (0.5,), 0.4))
    path.write_bytes(msgspec.json.encode(forged) + b"\n")
    assert run_all(wanted[:1], path, lambda **_: None) == [forged]


def test_of_a_clip_that_is_uploaded_twice_one_is_found(arena: Arena, tmp_path: Path) -> None:
    """Where copies are asked about too, fewer different ones are found among as many labels."""
    wanted = [one for one in tasks({"planted": arena}, [0], [COPIES_KEPT]) if one.strategy != WHOLE_KIND]
    assert {one.key[:3] for one in wanted} == {
        ("planted, uploaded twice", "the fourth kind, uploaded twice", name) for name in ("lsb", COPIES_KEPT)
    }
    assert all(len(one.arena.label_N) == 2 * len(arena.label_N) for one in wanted)
    runs = run_all(wanted, tmp_path / "runs.jsonl", lambda **_: None)
    found = {one.strategy: one.emerging.found[-1] for one in runs if one.emerging}
    assert found["lsb"] > 1.2 * found[COPIES_KEPT]


def test_kernels_are_of_the_features_that_they_replace(arena: Arena) -> None:
    places, kernel_NM = kernelled(arena)
    assert kernel_NM.shape == (1600, 2400)
    rng = np.random.default_rng(0)
    known = np.flatnonzero(rng.random(1600) < 0.1)
    plain = KernelHead(arena.widths).fit(arena.feature_NF[known], arena.label_N[known], rng)
    fast = GramHead(kernel_NM).fit(places.feature_NF[known], places.label_N[known], rng)
    assert np.allclose(fast.scores(places.feature_TF), plain.scores(arena.feature_TF), atol=1e-4)
    thin = places.at_rate(0.05, rng)
    assert np.allclose(fast.scores(thin.feature_NF), fast.scores(places.feature_NF)[thin.feature_NF[:, 0].astype(int)])


def curve(values: list[float]) -> Steady:
    return Steady(tuple(range(80, 80 + 60 * len(values), 60)), tuple(values), tuple(values))


def made(strategy: str, seed: int, values: list[float]) -> Outcome:
    return Outcome("pool", STEADY, strategy, seed, steady=curve(values))


def test_differences_are_paired_by_seed() -> None:
    """LSB is 0.1 better on either seed, which differ by far more: the interval is nearly nothing."""
    ramp = np.linspace(0.2, 0.5, 14)
    runs = [
        made(name, seed, (ramp + add + 0.3 * seed).tolist())
        for name, add in (("lsb", 0.1), ("badge", 0.0))
        for seed in (0, 1)
    ]
    rows = {one.strategy: one for one in steady_found(runs)}
    behind = rows["badge"].behind
    assert behind is not None
    assert behind.value == pytest.approx(0.1)
    assert behind.high - behind.low < 1e-6
    assert rows["badge"].area.high - rows["badge"].area.low > 0.3


def test_labels_to_what_800_random_ones_reach_lie_between_rounds() -> None:
    flat, steep = [0.1 + 0.01 * n for n in range(14)], [0.1 + 0.02 * n for n in range(14)]
    rows = {one.strategy: one for one in steady_found([made("random", 0, flat), made("margin", 0, steep)])}
    assert rows["random"].labels == pytest.approx(800)
    assert rows["margin"].labels == pytest.approx(80 + (800 - 80) / 2)
    never = steady_found([made("random", 0, flat), made("margin", 0, [0.05] * 14)])
    assert {one.strategy: one.labels for one in never}["margin"] == float("inf")


@pytest.mark.parametrize(("add", "met"), [(0.02, True), (-0.02, False)])
def test_a_goal_says_whether_lsb_reaches_it(add: float, met: bool) -> None:
    ramp = np.linspace(0.2, 0.5, 14)
    runs = [
        made(name, seed, (ramp + plus + 0.001 * seed).tolist())
        for name, plus in (("lsb", add), ("margin", 0.0), ("random", -0.3), ("likely", -0.1))
        for seed in range(3)
    ]
    found = {goal.goal: goal.met for goal in goals(steady_found(runs), [])}
    assert found == {
        "pool: area of LSB over margin, the best published": met,
        "pool: R@P80 of LSB over random, last round": True,
    }


def test_a_goal_beyond_what_chance_leaves_is_told() -> None:
    runs = [made(name, seed, [0.9] * 14) for name in ("lsb", "random") for seed in range(2)]
    goal = goals(steady_found(runs), [])[0]
    assert goal.bar == ">= +0.20, but random leaves +0.10 at most"
    assert not goal.met


def test_the_page_has_every_table(outcomes: list[Outcome], tmp_path: Path) -> None:
    steady, hunts = steady_found(outcomes), hunts_found(outcomes)
    results = Results({"command": "earshot evaluate select"}, goals(steady, hunts), steady, hunts)
    page = write_report(results, tmp_path)[0].read_text()
    assert [path.name for path in write_plots(outcomes, hunts, tmp_path)] == ["curves.svg", "finds.svg"]
    assert "the fourth kind" in (tmp_path / "finds.svg").read_text()
    assert all(f"({name}.svg)" in page for name in ("curves", "finds"))
    assert "### planted, 1.0%" in page
    assert "### the fourth kind" in page
    assert "### A head of its own for the kind" in page
    assert page.count("| lsb |") == 3  # two pools and one kind
    assert (
        msgspec.json.decode((tmp_path / "results.json").read_bytes(), type=Results).steady[0].arena == "planted, 11.7%"
    )


def test_an_arena_keeps_the_rate_it_is_asked_for(arena: Arena) -> None:
    thin = arena.at_rate(0.05, np.random.default_rng(0))
    assert thin.label_N.mean() == pytest.approx(0.05, abs=0.002)
    assert thin.label_T.mean() == pytest.approx(0.05, abs=0.002)
    assert len(thin.feature_NF) == len(thin.embedding_ND) == len(thin.label_N)
    with pytest.raises(ValueError, match=r"base rate: came 90\.0%"):
        arena.at_rate(0.9, np.random.default_rng(0))


def test_speed_is_told_for_strategies_and_index() -> None:
    ticks = iter(range(100))
    rows = embeddings(3000, 32, np.random.default_rng(0))
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    found = batch_times(rows, ("margin", "lsb"), np.random.default_rng(0), clock=lambda: float(next(ticks)))
    assert [(one.name, one.videos, one.seconds) for one in found] == [("margin", 3000, 1.0), ("lsb", 3000, 1.0)]
    assert index_quality(rows, np.random.default_rng(0)).recall == 1  # exact at this size


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    places = [
        word for name in ("features", "words", "data", "runs", "out") for word in (f"--{name}", str(tmp_path / name))
    ]
    told = RUNNER.invoke(app, ["select", *places])
    assert told.exit_code == 1
    assert str(tmp_path / "features") in told.stderr
    told = RUNNER.invoke(app, ["select", *places, "--strategy", "guess"])
    assert told.exit_code == 2
