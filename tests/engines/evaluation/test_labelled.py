"""`earshot evaluate BUNDLE --data DIR` on a table of somebody's own: what verdicts would be, beside the labels."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from engines.answers import Answers
from engines.bundle import Bundle
from engines.data.decoding import decoded
from engines.data.public.manifest import Labels, Row
from engines.data.world import draw_truth, render_clip
from engines.evaluation import labelled
from engines.evaluation.labelled import evaluate_labelled
from streamer.cli import app

CLIPS = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    truths = [draw_truth(7, number) for number in range(CLIPS)]
    with (folder / "videos.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["uri", "title", "query", "clickbait", "adult", "relevance", "split"])
        for number, truth in enumerate(truths):
            render_clip(truth, folder / f"{number}.mp4")
            table.writerow([f"{number}.mp4", truth.fields["title"], "bell", number % 2, "", 3 * (number > 2), "test"])
    done = CliRunner().invoke(app, ["dataset", "check", str(folder / "videos.csv"), "--out", str(folder / "data")])
    assert done.exit_code == 0, done.output
    return folder / "data"


def evaluate(data: Path, *more: str) -> Any:
    return CliRunner().invoke(app, ["evaluate", "world", "--data", str(data), *more])


def test_every_task_with_labels_of_both_kinds_is_measured(data: Path) -> None:
    done = evaluate(data, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["bundle"], told["clips"]) == (Bundle.load("world").id, CLIPS)
    assert {one["task"]: (one["clips"], one["positives"]) for one in told["tasks"]} == {
        "clickbait": (6, 3),
        "relevance": (6, 3),
    }
    for one in told["tasks"]:
        assert 0 <= one["average_precision"] <= 1 and one["low"] is None, "three of a kind have no interval"
    shown = evaluate(data).stdout
    assert "clickbait" in shown and "[few labels]" in shown and "adult" not in shown


def test_files_of_one_name_in_two_folders_are_two_videos(data: Path, tmp_path: Path) -> None:
    clips = [data.parent / f"{number}.mp4" for number in (0, 1, 2)]
    sizes = Bundle.load("world").preprocessing
    apart = list(decoded(data, [of_file(path) for path in clips], sizes))
    for path, folder in zip(clips, ("a", "b", "c"), strict=True):
        (tmp_path / folder).mkdir()
        shutil.copyfile(path, tmp_path / folder / "clip.mp4")
    alike = list(decoded(data, [of_file(tmp_path / folder / "clip.mp4") for folder in ("a", "b", "c")], sizes))
    for one, other in zip(apart, alike, strict=True):
        assert np.array_equal(one.frames_TCHW, other.frames_TCHW) and np.array_equal(one.windows_TS, other.windows_TS)
    assert not np.array_equal(alike[0].frames_TCHW, alike[1].frames_TCHW)


def of_file(path: Path) -> Row:
    return Row(clip_id=path.stem, uri=path.as_uri(), split="test", labels=Labels())


def test_a_split_without_clips_is_told_with_those_that_have_some(data: Path) -> None:
    done = evaluate(data, "--split", "val")
    assert done.exit_code == 1
    assert "came no clip of split 'val', expected one of test" in done.stderr


def test_numbers_are_those_of_verdicts_at_the_threshold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Forty clips, scored in order; the highest 12 are called, 10 of them rightly, of 20 that are yes."""
    bundle, count = Bundle.load("world"), 40
    threshold = bundle.thresholds["adult"]
    fit = bundle.calibration.tasks["adult"]
    edge = (np.log(threshold / (1 - threshold)) - fit.bias) * fit.temperature
    logits_MK = np.zeros((count, 3), np.float32)
    logits_MK[:, 1] = edge + np.where(np.arange(count) < 12, 2.0, -2.0) - 0.01 * np.arange(count)
    truth_M = np.isin(np.arange(count), [*range(10), *range(30, 40)])
    rows = [
        Row(clip_id=str(m), uri=f"file:///{m}.mp4", split="test", labels=Labels(adult=int(yes)), groups=(f"g{m}",))
        for m, yes in enumerate(truth_M)
    ]
    labels_MK = np.full((count, 3), np.nan, np.float32)
    labels_MK[:, 1] = truth_M
    monkeypatch.setattr(labelled, "answers", lambda *_: Answers(logits_MK, labels_MK, {}))
    (one,) = evaluate_labelled(bundle, tmp_path, rows)
    assert (one.task, one.clips, one.positives) == ("adult", 40, 20)
    assert (one.called, one.precision, one.recall) == (12 / 40, pytest.approx(10 / 12), 10 / 20)
    found = [m + 1 for m in range(count) if truth_M[m]]
    assert one.average_precision == pytest.approx(np.mean([(n + 1) / at for n, at in enumerate(found)]))
    assert 0 <= one.low < one.average_precision < one.high <= 1
