"""A synthetic data set and runs on it, made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from engines.data.public.manifest import Dataset, Row, read_rows
from tests.engines.evaluation.synthetic import make_dataset, make_runs


@dataclass(frozen=True)
class Synthetic:
    """Folders of a data set and of runs."""

    dataset: Dataset
    rows: list[Row]
    data: Path
    runs: Path


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    folder = tmp_path_factory.mktemp("synthetic")
    dataset = make_dataset(folder / "data")
    rows = read_rows(folder / "data")
    make_runs(folder / "runs", dataset, rows)
    return Synthetic(dataset, rows, folder / "data", folder / "runs")
