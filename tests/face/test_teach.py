"""From a folder of videos and labels to a category in verdicts, through the commands as they are typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engines.data.world import Truth, render_world
from tests.face.command import earshot_here

pytestmark = pytest.mark.slow

CLIPS, LABELLED = 64, 44


def has_bell(truth: Truth) -> bool:
    return any(span.thing == "bell" for span in truth.heard)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips, and of the first ones whether a bell is heard in them: no task of the world bundle asks for that."""
    folder = tmp_path_factory.mktemp("teach")
    truths = render_world(folder / "clips", clips=CLIPS, seed=11)
    lines = [f"{truth.file};{'yes' if has_bell(truth) else 'no'}\n" for truth in truths[:LABELLED]]
    (folder / "labels.csv").write_text("file;value\n" + "".join(lines))
    (folder / "truth.json").write_text(json.dumps({truth.file: has_bell(truth) for truth in truths[LABELLED:]}))
    pool = ("label", "pool", "clips", "--bundle", "world", "--out", "pool.jsonl")
    taught = ("teach", "world", "pool.jsonl", "--labels", "labels.csv", "--name", "bells", "--out", "mine")
    for command in (pool, taught):
        done = earshot_here(*command, folder=folder)
        assert done.returncode == 0, done.stderr
    return folder


def judged(folder: Path, *more: str) -> dict[str, Mapping[str, Any]]:
    """Verdicts on `adult` of the clips that nobody labelled, by file."""
    truth = json.loads((folder / "truth.json").read_text())
    done = earshot_here("judge", *(f"clips/{file}" for file in truth), "--json", *more, folder=folder)
    assert done.returncode == 0, done.stderr
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    return {Path(one["video_id"]).name: one for one in verdicts if one["task"] == "adult"}


def test_a_sound_that_people_labelled_is_a_category_of_new_videos(folder: Path) -> None:
    truth = json.loads((folder / "truth.json").read_text())
    verdicts = judged(folder, "--bundle", "mine")
    said = {file: verdicts[file]["categories"].get("bells", 0.0) for file in truth}
    pairs = [said[one] > said[other] for one in truth if truth[one] for other in truth if not truth[other]]
    assert sum(pairs) / len(pairs) > 0.9
    called = [file for file in truth if truth[file] and said[file] >= 0.5]
    assert called, "some are sure"
    for file in called:
        names = {(item["modality"], item["name"]) for item in verdicts[file]["evidence"]}
        assert ("audio", "bells") in names or verdicts[file]["score"] > said[file]


def test_scores_of_what_is_not_of_the_category_stay(folder: Path) -> None:
    before, after = judged(folder, "--bundle", "world"), judged(folder, "--bundle", "mine")
    assert before.keys() == after.keys()
    for file, one in after.items():
        assert one["score"] == pytest.approx(max(before[file]["score"], one["categories"].get("bells", 0)), abs=1e-5)
