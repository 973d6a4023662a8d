"""From folders of runs and of a data set to results."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from engines.data.public.manifest import read_dataset, read_rows
from engines.evaluation.findings import find, steps
from engines.evaluation.lineage import lineage
from engines.evaluation.report import Results, write_report
from engines.evaluation.resampling import REPLICATES, Resampling
from engines.evaluation.runs import read_runs
from engines.evaluation.settings import differences
from engines.evaluation.study import Study
from engines.evaluation.truth import Truth

Progress = Callable[[str, int], AbstractContextManager[Callable[..., None]]]


def open_study(runs: Path, dataset: Path, replicates: int = REPLICATES) -> Study:
    """Raises `ValueError` when the runs are not of this data set, or one of the folders is broken."""
    found, described = read_runs(runs), read_dataset(dataset)
    came = {run.card.dataset for seeds in found.values() for run in seeds.values()}
    if came != {described.sha256}:
        raise ValueError(
            f"{runs}: came runs on data set {min(came)[:12]}, expected {described.sha256[:12]} of {dataset}; "
            "train on it, or name the data set that they were trained on"
        )
    rows = read_rows(dataset)
    test = Truth.of(rows, "test")
    return Study(found, Truth.of(rows, "val"), test, Resampling(test.groups, replicates=replicates))


def compare(
    runs: Path, dataset: Path, out: Path, *, command: str, progress: Progress, replicates: int = REPLICATES
) -> tuple[Results, list[Path]]:
    """Measure, write everything into `out`; returns the results and the files.

    Raises `ValueError` as `open_study` does, and when seeds of one arm were not trained alike.
    """
    started = time.monotonic()
    study = open_study(runs, dataset, replicates)
    unlike = differences(study.runs)
    with progress("evaluate", steps(study)) as advance:
        findings = find(study, on_step=advance)
    seconds = time.monotonic() - started
    results = Results(lineage(command, read_dataset(dataset), study.runs, unlike, replicates, seconds), findings)
    return results, write_report(study, results, out)
