"""Arms times seeds are stored once, with all that names them again; late fusion combines what is stored."""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engines.evaluation.runs import read_run, read_runs
from engines.models.arms import ARMS
from engines.training.arms import Workshop, train_arm
from engines.training.costs import costs_ms, write_costs
from engines.training.features import FeatureSet
from engines.training.late import AVERAGED, BOOSTED, LATE, fuse, parts_of
from engines.training.tuning.judge import task_quality
from engines.training.tuning.loop import TuneOptions
from tests.engines.training.synthetic import sizes, word_vectors
from tests.imports import ROOT

pytestmark = pytest.mark.slow

OPTIONS = TuneOptions(epochs=12, batch_size=16, patience=12, learning_rate=2e-3, half=False)


@pytest.fixture(scope="module")
def shop(features: FeatureSet) -> Workshop:
    return Workshop(features, word_vectors(), sizes(), OPTIONS)


@pytest.fixture(scope="module")
def runs(shop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("arms")
    for arm in ("vl", "audio", "audio_text"):
        train_arm(shop, arm, 3, out)
    for arm in LATE:
        fuse(arm, shop.features, shop.words, out, 3)
    return out


def test_a_run_names_all_that_decided_it(runs: Path, features: FeatureSet) -> None:
    card = read_run(runs / "vl" / "3.safetensors").card
    lineage = card.lineage
    assert card.dataset == lineage["data"]["sha256"] == features.header.dataset
    assert lineage["seed"] == card.seed == 3
    assert lineage["data"]["clips"] == {"train": 96, "val": 32, "test": 32}
    assert lineage["options"]["epochs"] == 12 and lineage["sizes"]["embedding_size"] == 32
    assert len(lineage["history"]) >= lineage["best_epoch"] + 1
    assert {"torch", "numpy", "earshot"} <= set(lineage["packages"])
    assert card.parameters is not None and card.parameters > 1000
    assert card.ms_per_clip is None, "arms are measured together, once all are there"


def test_arms_are_measured_together_and_late_fusion_costs_what_its_parts_do(shop: Workshop, runs: Path) -> None:
    costs = costs_ms(shop, rounds=1)
    assert costs.keys() == ARMS.keys() and min(costs.values()) > 0
    write_costs(runs, {"vl": 2.0, "audio": 0.5, "audio_text": 1.0, "vlmae": 9.0})
    found = {arm: seeds[3].card.ms_per_clip for arm, seeds in read_runs(runs).items()}
    assert found["vl"] == 2 and found["late_average"] == 2.5 and found["late_average_text"] == 3
    assert found["late_boosted"] is None
    assert not list(runs.glob("*/*.part"))


def test_only_arms_that_hear_are_judged_under_conditions_of_sound(runs: Path) -> None:
    assert read_run(runs / "vl" / "3.safetensors").conditions == {}
    expected = {"audio_shuffled", "audio_missing", "noise_20db"}
    for arm in ("audio", *LATE):
        assert set(read_run(runs / arm / "3.safetensors").conditions) == expected
    assert set(read_runs(runs)) == {"vl", "audio", "audio_text", *LATE}


def test_curves_lie_beside_a_run(runs: Path) -> None:
    rows = list(csv.DictReader((runs / "vl" / "curves" / "3.csv").read_text().splitlines()))
    assert len(rows) == 12 and float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert (runs / "vl" / "curves" / "3.png").read_bytes().startswith(b"\x89PNG")
    assert (runs / "vl" / "weights" / "3.safetensors").exists()
    assert not list(runs.glob("*/*.state"))


def test_a_run_that_is_there_is_not_made_again(shop: Workshop, runs: Path) -> None:
    before = (runs / "vl" / "3.safetensors").stat().st_mtime_ns

    def no_epoch(epoch: object) -> None:
        raise AssertionError("trained again")

    train_arm(shop, "vl", 3, runs, on_epoch=no_epoch)
    assert (runs / "vl" / "3.safetensors").stat().st_mtime_ns == before


def test_an_unknown_arm_is_refused(shop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        train_arm(shop, "smell", 0, tmp_path)


def test_late_fusion_hears_as_well_as_it_sees(runs: Path, features: FeatureSet) -> None:
    """Each part alone is blind or deaf: of clickbait vision knows nothing, of relevance sound does not."""
    test = features.indices("test")
    vl, audio = (read_run(runs / arm / "3.safetensors").test_MK for arm in ("vl", "audio"))
    for arm in LATE:
        fused = read_run(runs / arm / "3.safetensors").test_MK
        assert task_quality("clickbait", fused, features, test) > task_quality("clickbait", vl, features, test) + 0.1
        assert task_quality("relevance", fused, features, test) > task_quality("relevance", audio, features, test) + 0.2


def test_shuffled_sound_costs_late_fusion_what_it_heard(runs: Path, features: FeatureSet) -> None:
    test = features.indices("test")
    for arm in LATE:
        run = read_run(runs / arm / "3.safetensors")
        heard = task_quality("clickbait", run.test_MK, features, test)
        assert task_quality("clickbait", run.conditions["audio_shuffled"], features, test) < heard - 0.1


def test_an_average_lies_between_its_parts_in_order(runs: Path) -> None:
    """Two clips that both parts order alike are ordered so by the average."""
    parts = [read_run(runs / arm / "3.safetensors").test_MK[:, 0] for arm in AVERAGED["late_average"]]
    fused = read_run(runs / "late_average" / "3.safetensors").test_MK[:, 0]
    above = [part[:, None] > part[None] for part in parts]
    both = above[0] & above[1]
    assert both.any() and (fused[:, None] > fused[None])[both].all()


def test_late_fusion_needs_its_parts(shop: Workshop, tmp_path: Path) -> None:
    assert parts_of(BOOSTED) == ()
    with pytest.raises(ValueError, match="not the logits of a run"):
        fuse("late_average", shop.features, shop.words, tmp_path, 3)


@pytest.mark.slow
def test_two_processes_train_as_one_does(shop: Workshop, tmp_path: Path) -> None:
    """Each takes every other clip of a batch; the sums of losses and gradients are those of the whole batch."""
    options = replace(OPTIONS, epochs=2)
    train_arm(replace(shop, options=options), "vlmae", 1, tmp_path / "one")
    module = "tests.engines.training.train_together"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--module"]
    command = [*torchrun, module, str(shop.features.folder), str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=240)
    assert done.returncode == 0, done.stderr
    one, two = (read_run(tmp_path / name / "vlmae" / "1.safetensors") for name in ("one", "two"))
    losses = [[epoch["loss"] for epoch in msgspec.to_builtins(run.card.lineage["history"])] for run in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert np.abs(one.test_MK - two.test_MK).max() < 1e-2
