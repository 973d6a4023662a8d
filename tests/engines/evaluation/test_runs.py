"""Files of runs: what is written comes back, and what is broken is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines.evaluation.runs import Card, Run, read_run, read_runs, write_run


def run_of(arm: str = "vl", seed: int = 0, dataset: str = "d", clips: int = 4) -> Run:
    logits_MK = np.arange(clips * 3, dtype=np.float32).reshape(clips, 3)
    return Run(Card(arm=arm, seed=seed, dataset=dataset), logits_MK[:2], logits_MK, {"audio_missing": -logits_MK})


def test_what_is_written_comes_back_in_the_order_of_seeds(tmp_path: Path) -> None:
    for seed in (10, 2):
        write_run(tmp_path, run_of(seed=seed))
    write_run(tmp_path, run_of("audio"))
    (tmp_path / "vl" / "weights").mkdir()
    (tmp_path / "vl" / "weights" / "2.safetensors").write_bytes(b"not logits, and not looked at")
    runs = read_runs(tmp_path)
    assert {arm: list(seeds) for arm, seeds in runs.items()} == {"audio": [0], "vl": [2, 10]}
    assert (runs["vl"][2].conditions["audio_missing"] == -run_of().test_MK).all()


def test_logits_of_a_wrong_shape_are_not_written(tmp_path: Path) -> None:
    run = run_of()
    with pytest.raises(ValueError, match=r"audio_missing came with shape \(2, 3\), expected .* \(4, 3\)"):
        write_run(tmp_path, Run(run.card, run.val_MK, run.test_MK, {"audio_missing": run.val_MK}))
    with pytest.raises(ValueError, match="finite"):
        write_run(tmp_path, Run(run.card, run.val_MK * np.nan, run.test_MK))
    with pytest.raises(ValueError, match=r"came tensors .*'test\.loud'"):
        write_run(tmp_path, Run(run.card, run.val_MK, run.test_MK, {"loud": run.test_MK}))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_broken_and_foreign_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="train them first"):
        read_runs(tmp_path)
    path = write_run(tmp_path, run_of())
    moved = path.with_name("7.safetensors")
    moved.write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="not the logits of a run"):
        read_run(moved)
    moved.with_suffix(".json").write_bytes(path.with_suffix(".json").read_bytes())
    with pytest.raises(ValueError, match="expected those of the path"):
        read_run(moved)
    moved.write_bytes(b"{}")
    with pytest.raises(ValueError, match="not the logits of a run"):
        read_run(moved)


def test_runs_on_two_data_sets_are_not_compared(tmp_path: Path) -> None:
    write_run(tmp_path, run_of(dataset="one"))
    write_run(tmp_path, run_of(seed=1, dataset="two"))
    with pytest.raises(ValueError, match="train all arms on the same"):
        read_runs(tmp_path)
