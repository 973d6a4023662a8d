"""Calibrating anew: priors weigh as much as they are rare, tasks follow the labels, and the graphs stay as they are."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from engines.bundle import Bundle, read_manifest
from engines.calibration import TaskCalibration
from engines.data.world import render_world
from engines.training.calibrate import calibrate_prior
from streamer.cli import app


def sigmoid(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-z)))


def test_as_rare_a_prior_comes_to_as_rare_a_score() -> None:
    rng = np.random.default_rng(1)
    log_odds_M, priors_M = rng.normal(-4, 1, 5000), sigmoid(rng.normal(-1, 2, 5000))
    fitted = calibrate_prior(priors_M, log_odds_M)
    line_M = np.log(priors_M / (1 - priors_M)) / fitted.temperature + fitted.bias
    for rank in (0.9, 0.95, 0.99):
        assert (line_M > np.quantile(log_odds_M, rank)).mean() == pytest.approx(1 - rank, abs=0.01)


def test_a_prior_that_is_quieter_than_the_network_is_taken_at_its_word() -> None:
    rng = np.random.default_rng(1)
    assert calibrate_prior(sigmoid(rng.normal(-9, 2, 1000)), rng.normal(-4, 1, 1000)) == TaskCalibration()


def test_a_prior_that_says_the_same_of_all_is_shifted() -> None:
    log_odds_M = np.random.default_rng(1).normal(-4, 1, 500)
    fitted = calibrate_prior(np.full(500, 0.5), log_odds_M)
    assert fitted.temperature == 1.0 and fitted.bias == pytest.approx(np.quantile(log_odds_M, 0.99), abs=1e-4)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 clips of the world, of which half are said to be adult whatever they show; clickbait is told as it is."""
    folder = tmp_path_factory.mktemp("labelled")
    truths = render_world(folder, clips=64, seed=21)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["clip_id", "uri", "split", "title", "query", "clickbait", "adult", "tenant"])
        for n, truth in enumerate(truths):
            labels = truth.labels.clickbait, n % 2
            fields = truth.fields["title"], truth.fields["query"]
            table.writerow([f"c{n}", str(folder / truth.file), "val", *fields, *labels, "a" if n < 50 else "b"])
    return folder


@pytest.mark.slow
def test_the_command_fits_what_has_labels_and_keeps_the_rest(labelled: Path, tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["dataset", "check", str(labelled / "labels.csv"), "--out", str(tmp_path / "data")])
    assert made.exit_code == 0, made.output
    command = ["calibrate", "world", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "bundle")]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    before, after = Bundle.load("world"), Bundle.load(tmp_path / "bundle")
    assert told["id"] == after.id != before.id
    assert set(told["calibrated"]["labels"]) == {"clickbait", "adult"}
    assert after.calibration.tasks["relevance"] == before.calibration.tasks["relevance"]
    # Coins decide the labels of `adult`: whatever the network says, the score has to say about a half.
    scores_MK = after.calibration.scores(np.array([[-6.0] * 3, [6.0] * 3], np.float32))
    adult = after.calibration.tasks["adult"]
    assert adult.temperature > 3 * before.calibration.tasks["adult"].temperature
    assert scores_MK[:, 1].min() > 0.2 and scores_MK[:, 1].max() < 0.8
    for name in ("vision", "audio", "text", "fusion"):
        assert after.fingerprint(name) == before.fingerprint(name)
    assert read_manifest(tmp_path / "bundle").training["calibrated"]["split"] == "val"

    few = CliRunner().invoke(app, [*command, "--tenant", "b"])
    assert few.exit_code == 1 and "expected 20 of each" in few.stderr
    none = CliRunner().invoke(app, [*command, "--tenant", "nobody"])
    assert none.exit_code == 1 and "came no clips" in none.stderr
