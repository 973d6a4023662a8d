"""The command from raw data to a dataset: whole, resumable, refusing what does not fit, and counted rightly."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from engines.cli.dataset import app
from engines.data.public.compose import compose
from engines.data.public.manifest import DATASET_FILE, MANIFEST_FILE, read_dataset, read_rows

pytestmark = pytest.mark.slow

CLIPS = 24


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def composed(raw_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Composed by the command, in two processes."""
    folder = tmp_path_factory.mktemp("composed")
    code, out, error = run("compose", "--out", folder, "--data", raw_data, "--clips", CLIPS, "--jobs", 2, "--json")
    assert code == 0, error
    assert json.loads(out)["dataset"]["clips"] == CLIPS
    return folder


def test_every_row_has_its_file(composed: Path) -> None:
    rows = read_rows(composed)
    assert len(rows) == CLIPS
    for row in rows:
        assert row.file is not None
        with av.open(str(composed / row.file)) as container:
            assert bool(container.streams.audio) == row.has_audio


def test_the_same_dataset_comes_from_one_process(composed: Path, raw_data: Path, tmp_path: Path) -> None:
    dataset = compose(raw_data, tmp_path, clips=CLIPS, seed=1)
    assert dataset == read_dataset(composed)
    for row in read_rows(composed):
        assert (tmp_path / str(row.file)).read_bytes() == (composed / str(row.file)).read_bytes()


def test_it_goes_on_where_it_was_stopped(raw_data: Path, tmp_path: Path) -> None:
    done = 0

    def stop() -> None:
        nonlocal done
        done += 1
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compose(raw_data, tmp_path, clips=CLIPS, seed=1, on_clip=stop)
    assert not (tmp_path / MANIFEST_FILE).exists()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mp4")}
    assert len(before) >= 5
    compose(raw_data, tmp_path, clips=CLIPS, seed=1)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(list(tmp_path.rglob("*.mp4"))) == CLIPS


def test_a_folder_of_other_options_is_refused(composed: Path, raw_data: Path) -> None:
    code, _, error = run("compose", "--out", composed, "--data", raw_data, "--clips", CLIPS, "--seed", 2)
    assert code == 1
    assert "take a new folder" in error
    code, _, error = run("compose", "--out", composed, "--data", composed / "nowhere", "--clips", CLIPS)
    assert code == 1
    assert "cannot be composed without the set photos" in error


def test_the_dataset_says_what_it_is_made_of(composed: Path) -> None:
    dataset = read_dataset(composed)
    assert dataset.sha256 == hashlib.sha256((composed / MANIFEST_FILE).read_bytes()).hexdigest()
    assert dataset.made_with["unsettled_sets"] == ["sesa"]
    assert dataset.licences["photos"] == "CC BY 4.0"


def test_show_counts(composed: Path) -> None:
    code, out, _ = run("show", composed, "--json")
    summary = json.loads(out)["summary"]
    assert code == 0
    assert summary["crossing"] == 0
    assert sum(part["clips"] for part in summary["splits"].values()) == CLIPS
    train = summary["splits"]["train"]
    assert sum(train["labels"]["adult"].values()) == train["clips"] == sum(train["slices"]["adult"].values())
    rows = [row for row in read_rows(composed) if row.split == "train"]
    photos = [asset for row in rows for asset in row.assets if asset.startswith("photos/")]
    assert train["reuse"]["photos"] == {
        "assets": len(set(photos)),
        "most_clips": max(photos.count(one) for one in photos),
    }
    code, out, _ = run("show", composed)
    assert code == 0
    assert "sources in two splits: 0" in out


def test_a_changed_manifest_is_noticed(composed: Path, tmp_path: Path) -> None:
    for name in (MANIFEST_FILE, DATASET_FILE):
        (tmp_path / name).write_bytes((composed / name).read_bytes())
    with (tmp_path / MANIFEST_FILE).open("ab") as manifest:
        manifest.write(b"{}\n")
    code, _, error = run("show", tmp_path)
    assert code == 1
    assert "dataset.json says" in error
    with pytest.raises(ValueError, match=f"line {CLIPS + 1}: Object missing required field"):
        read_rows(tmp_path)
