"""`earshot evaluate`: a bundle by default, arms by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engines.cli.evaluate import app
from tests.engines.evaluation.conftest import Synthetic

RUNNER = CliRunner()


@pytest.mark.parametrize(
    "arguments",
    [["world", "--data", "nowhere"], ["--data", "nowhere", "world"], ["bundle", "world", "--data", "nowhere"]],
)
def test_a_bundle_needs_no_command_of_its_own(arguments: list[str]) -> None:
    told = RUNNER.invoke(app, arguments)
    assert told.exit_code == 1
    assert "nowhere" in told.stderr


def test_help_names_all_commands() -> None:
    told = RUNNER.invoke(app, ["--help"])
    assert told.exit_code == 0
    assert all(name in told.stdout for name in ("bundle", "arms", "harmless"))


def test_arms_prints_what_it_writes(synthetic: Synthetic, tmp_path: Path) -> None:
    places = ["--runs", str(synthetic.runs), "--dataset", str(synthetic.data), "--out", str(tmp_path / "results")]
    told = RUNNER.invoke(app, ["arms", *places, "--replicates", "20", "--json"])
    assert told.exit_code == 0, told.stderr
    results = json.loads(told.stdout)
    assert results["findings"]["clips"] == 900
    assert results["lineage"]["replicates"] == 20
    assert (tmp_path / "results" / "README.md").exists()
    assert str(tmp_path) not in (tmp_path / "results" / "README.md").read_text()


def test_arms_on_another_data_set_are_an_error(synthetic: Synthetic, tmp_path: Path) -> None:
    told = RUNNER.invoke(
        app, ["arms", "--runs", str(tmp_path), "--dataset", str(synthetic.data), "--out", str(tmp_path)]
    )
    assert told.exit_code == 1
    assert "train them first" in told.stderr
