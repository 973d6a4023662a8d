"""Arms of known strength: do tables, goals and plots say what is true of them, and can they say otherwise?"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engines.data.public.manifest import read_rows
from engines.evaluation import tables
from engines.evaluation.arms import FULL, SHUFFLED, VL, VLMAE, best_late
from engines.evaluation.compare import compare, open_study
from engines.evaluation.findings import Findings, find
from engines.evaluation.goals import MET, MISSED, Outcome
from engines.evaluation.measures import AP, RECALL_AT_ALARMS, RECALL_AT_PRECISION, SPEARMAN
from engines.evaluation.slices import by_sense, everything
from engines.evaluation.study import Study, Subject
from tests.engines.evaluation.conftest import Synthetic
from tests.engines.evaluation.synthetic import ARMS, HEARD, SEEN, Strength, make_dataset, make_runs

REPLICATES = 60


@pytest.fixture(scope="module")
def study(synthetic: Synthetic) -> Study:
    return open_study(synthetic.runs, synthetic.data, REPLICATES)


@pytest.fixture(scope="module")
def findings(study: Study) -> Findings:
    return find(study)


def verdict(goals: list[Outcome], words: str) -> str:
    (found,) = (goal.verdict for goal in goals if words in goal.goal)
    return found


def found_with(synthetic: Synthetic, folder: Path, **arms: Strength) -> Findings:
    make_runs(folder, synthetic.dataset, synthetic.rows, ARMS | arms)
    return find(open_study(folder, synthetic.data, REPLICATES))


def test_an_arm_that_hears_gains_and_only_where_there_is_something_to_hear(study: Study) -> None:
    adult = everything(study.test, "adult")
    gain = study.difference(VLMAE, VL, AP, adult)
    assert gain.low > 0.2
    by_key = {part.key: study.difference(VLMAE, VL, RECALL_AT_ALARMS, part) for part in by_sense(study.test, "adult")}
    assert by_key["adult.audio"].low > 0.5
    assert by_key["adult.speech"].low > 0.3
    assert by_key["adult.vision"].low <= 0 <= by_key["adult.vision"].high


def test_arms_of_equal_strength_do_not_differ(study: Study) -> None:
    for task, metric in (("adult", AP), ("clickbait", AP), ("relevance", SPEARMAN)):
        part = everything(study.test, task)
        for first, second in ((VLMAE, FULL), (SHUFFLED, VL)):
            gain = study.difference(first, second, metric, part)
            assert gain.low < 0 < gain.high
            assert gain.high - gain.low < 0.1


def test_a_difference_has_a_narrower_interval_than_what_it_is_of(study: Study) -> None:
    part = everything(study.test, "adult")
    alone = study.estimate(VLMAE, AP, part)
    assert study.difference(VLMAE, FULL, AP, part).source_error < alone.source_error / 2
    opposite = study.difference(FULL, VLMAE, AP, part)
    assert opposite.value == pytest.approx(-study.difference(VLMAE, FULL, AP, part).value)


def test_goals_are_met_by_arms_that_deserve_it(findings: Findings) -> None:
    assert verdict(findings.goals, "R@P80 of VLMAE on restricted") == MET
    assert verdict(findings.goals, "spoken numbers") == MET
    assert verdict(findings.goals, "less compute") == MET
    assert verdict(findings.goals, "restricted: sound of another clip") == MET


def test_goals_are_missed_by_arms_that_do_not(synthetic: Synthetic, tmp_path: Path) -> None:
    """VLMAE that hears no speech, is dear, and keeps its gain with the sound of another clip, as if it had peeped."""
    deaf_to_speech = HEARD | SEEN | {"speech": 0.0}
    found = found_with(
        synthetic,
        tmp_path,
        vlmae=Strength(deaf_to_speech, conditions={"audio_shuffled": deaf_to_speech}, ms_per_clip=3.0),
    )
    assert verdict(found.goals, "spoken numbers") == MISSED
    assert verdict(found.goals, "less compute") == MISSED
    assert verdict(found.goals, "restricted: sound of another clip") == MISSED
    assert verdict(found.goals, "R@P80 on restricted: no arm above VLMAE") == MISSED
    assert not any("without sound" in goal.goal for goal in found.goals), "that condition was not measured"


def test_a_loss_where_sound_says_nothing_is_found(synthetic: Synthetic, tmp_path: Path) -> None:
    found = found_with(synthetic, tmp_path, vlmae=Strength(HEARD | SEEN | {"vision": 1.0}))
    assert verdict(found.goals, "restricted, seen (") == MISSED


def test_the_best_late_fusion_is_chosen_on_validation_clips(synthetic: Synthetic, tmp_path: Path) -> None:
    make_runs(tmp_path, synthetic.dataset, synthetic.rows, ARMS | {"late_stacked": Strength(SEEN)})
    study = open_study(tmp_path, synthetic.data, 2)
    assert best_late(study, AP, "adult") == Subject("late_average")
    for run in study.runs["late_average"].values():
        run.test_MK[:] = 0
    assert best_late(study, AP, "adult") == Subject("late_average")
    for run in study.runs["late_average"].values():
        run.val_MK[:] = 0
    assert best_late(study, AP, "adult") == Subject("late_stacked")


def test_a_difference_is_over_the_seeds_that_both_have(synthetic: Synthetic, tmp_path: Path) -> None:
    make_runs(tmp_path, synthetic.dataset, synthetic.rows, {"vl": ARMS["vl"]}, seeds=2)
    make_runs(tmp_path, synthetic.dataset, synthetic.rows, {"vlmae": ARMS["vlmae"]}, seeds=4)
    study = open_study(tmp_path, synthetic.data, 2)
    part = everything(study.test, "adult")
    assert study.difference(VLMAE, VL, AP, part).seeds == 2
    assert study.estimate(VLMAE, AP, part).seeds == 4


def test_an_arm_that_knows_nothing_is_not_calibrated(synthetic: Synthetic, tmp_path: Path) -> None:
    against = dict.fromkeys(SEEN, -4.0)
    found = found_with(synthetic, tmp_path, vision=Strength(against))
    (arm,) = (arm for arm in found.arms if arm.arm == "vision")
    assert arm.calibration_error["adult"] != arm.calibration_error["adult"]
    assert "| vision | " in tables.calibration(found)
    sure = next(arm for arm in found.arms if arm.arm == "vlmae" and not arm.condition)
    assert 0 <= sure.calibration_error["adult"] < 0.1


def test_every_table_has_a_cell_for_each_column(findings: Findings) -> None:
    made: list[Callable[[Findings], str]] = [
        *(tables.goals, tables.headline, tables.gains, tables.controls, tables.all_arms),
        *(tables.calibration, tables.conditions, tables.costs),
    ]
    texts = [table(findings) for table in made]
    texts += [tables.slices(findings, kind) for kind in ("sense", "source", "title", "mute")]
    for text in texts:
        lines = text.strip().splitlines()
        assert len(lines) > 2, text
        assert len({line.count("|") for line in lines}) == 1, text
    assert "VLMAE" in tables.headline(findings)


def test_the_report_is_whole_the_same_each_time_and_readable_in_the_dark(synthetic: Synthetic, tmp_path: Path) -> None:
    @contextmanager
    def silent(_: str, total: int) -> Iterator[Callable[..., None]]:
        calls: list[int] = []
        yield lambda *_: calls.append(1)
        assert len(calls) == total

    written = []
    for name in ("one", "two"):
        out = tmp_path / name
        _, files = compare(synthetic.runs, synthetic.data, out, command="make results", progress=silent, replicates=20)
        assert sorted(files) == sorted(out.iterdir())
        written.append({file.name: file.read_text() for file in files})
    for name, text in written[0].items():
        if name.endswith(".svg"):
            assert text == written[1][name]
            ElementTree.fromstring(text)
            assert "prefers-color-scheme: dark" in text
    results = json.loads(written[0]["results.json"])
    assert results["lineage"]["data"] == synthetic.dataset.sha256
    assert results["lineage"]["seeds"]["vlmae"] == [0, 1, 2]
    assert results["findings"]["clips"] == 900
    assert str(tmp_path) not in "".join(written[0].values())
    page = written[0]["README.md"]
    assert all(name in page for name in written[0] if name.endswith(".svg") and name != "reliability.svg")
    assert synthetic.dataset.sha256 in page
    assert "Not the same in all arms: `options.hiding.audio`" in page and "`0.1` in vl\n" in page


def test_runs_on_other_clips_are_refused(synthetic: Synthetic, tmp_path: Path) -> None:
    other = make_dataset(tmp_path / "data", test=100, seed=1)
    with pytest.raises(ValueError, match=f"came runs on data set .*, expected {other.sha256[:12]}"):
        open_study(synthetic.runs, tmp_path / "data")
    rows = read_rows(tmp_path / "data")
    make_runs(tmp_path / "runs", synthetic.dataset, rows, {"vl": ARMS["vl"]}, seeds=1)
    with pytest.raises(ValueError, match=r"came \(300, 100\) clips of val and test, expected \(300, 900\)"):
        open_study(tmp_path / "runs", synthetic.data)


def test_r_at_p80_of_an_arm_that_is_always_right_is_1(synthetic: Synthetic, tmp_path: Path) -> None:
    make_runs(tmp_path, synthetic.dataset, synthetic.rows, {"vlmae": Strength(HEARD | SEEN, noise=0.01, shake=0.01)})
    study = open_study(tmp_path, synthetic.data, REPLICATES)
    estimate = study.estimate(VLMAE, RECALL_AT_PRECISION, everything(study.test, "adult"))
    assert (estimate.value, estimate.low, estimate.high) == (1, 1, 1)
