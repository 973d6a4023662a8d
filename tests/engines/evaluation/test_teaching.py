"""What teaching is worth: measured on clips that share nothing with the labelled ones, beside what towers say alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from engines.bundle import Bundle
from engines.cli.evaluate import app
from engines.data.public.manifest import write_dataset
from engines.evaluation import teaching
from engines.evaluation.teaching import Kind, Table, heads, worth
from engines.models.starter import SOUND_FEATURES
from engines.training.features import HEADER
from tests.engines.training.composed import composed_row
from tests.engines.training.synthetic import write_features

LABELLED, CLIPS, D = 200, 320, 16


def table() -> Table:
    """A bell that is told by sound, and a bird that is told by the picture, by the bundle's views alone."""
    rng = np.random.default_rng(0)
    kinds = [Kind(name, how, rng.random(CLIPS) < 0.25) for name, how in (("bird", "seen"), ("bell", "heard"))]
    own = {sense: rng.standard_normal((CLIPS, D)).astype(np.float32) for sense in ("vision", "audio")}
    own["vision"][kinds[0].is_N, :2] += 4
    own["audio"][kinds[1].is_N, :2] += 4
    blind = {sense: rng.standard_normal((CLIPS, D)).astype(np.float32) for sense in ("vision", "audio")}
    return Table({"bundle": own, "towers": blind}, kinds, LABELLED)


def test_what_is_planted_is_measured_and_noise_is_worth_nothing() -> None:
    steps: list[None] = []
    found = list(worth(table(), [40, 80], 2, lambda: steps.append(None)))
    assert len(steps) == heads(table(), [40, 80], 2) and len(found) == 8
    for row in found:
        assert row.kinds == 1 and row.base == pytest.approx(0.25, abs=0.08)
        if row.views == "bundle":
            assert row.average_precision > 0.9 and row.recall > 0.8
            assert row.senses["audio" if row.perceived == "heard" else "vision"] == 1
        else:
            assert row.average_precision < row.base + 0.2


def test_the_command_measures_things_of_composed_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching, "FEWEST", 8)
    folder = write_features(tmp_path, clips=160, seen=1280, heard=SOUND_FEATURES)
    rows = [composed_row(n, "train" if n < 110 else "test") for n in range(160)]
    dataset = write_dataset(folder, rows, made_with={}, licences={})
    header = json.loads((folder / HEADER).read_text())
    header |= {"towers": Bundle.load("starter").training["data"]["towers"], "dataset": dataset.sha256}
    (folder / HEADER).write_text(json.dumps(header))
    asked = ["teach", "starter", "--features", str(folder), "--labels", "32", "--seeds", "1", "--clips", "110"]
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found and all(0 <= row["average_precision"] <= 1 and row["labels"] == 32 for row in found)
    assert {row["views"] for row in found} == {"bundle", "towers"}
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0 and "recall" in shown.stdout and "towers" in shown.stdout
