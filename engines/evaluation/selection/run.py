"""From folders of features, words and titles to a page on strategies."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from engines.data.public.manifest import read_dataset
from engines.evaluation.compare import Progress
from engines.evaluation.selection import composed, titles
from engines.evaluation.selection.findings import hunts_found, steady_found
from engines.evaluation.selection.plots import write_plots
from engines.evaluation.selection.report import Results, goals, write_report
from engines.evaluation.selection.study import COMPARED, run_all, tasks

RUNS, TITLES = "runs.jsonl", "titles"
PACKAGES = ("numpy", "scikit-learn", "torch")


def study(
    features: Path,
    words: Path,
    data: Path,
    runs: Path,
    out: Path,
    *,
    seeds: Sequence[int],
    command: str,
    progress: Progress,
    strategies: Sequence[str] = COMPARED,
) -> tuple[Results, list[Path]]:
    """Make the runs that `runs` lacks, and write the page into `out`; returns the results and the files.

    Raises `ValueError` when a folder is not whole.
    """
    started = time.monotonic()
    with progress("titles", len(titles.POOLS) * -(-titles.DRAWN // 64)) as advance:
        arenas = composed.arenas(features, words) | titles.arenas(data, runs / TITLES, advance)
    wanted = tasks(arenas, seeds, strategies)
    with progress("select", len(wanted)) as advance:
        outcomes = run_all(wanted, runs / RUNS, advance)
    steady, hunts = steady_found(outcomes), hunts_found(outcomes)
    lineage = {
        "command": command,
        "data": read_dataset(features).sha256,
        "seeds": [min(seeds), max(seeds)],
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in PACKAGES},
        "seconds": round(time.monotonic() - started, 1),
    }
    results = Results(lineage, goals(steady, hunts), steady, hunts)
    return results, [*write_report(results, out), *write_plots(outcomes, hunts, out)]
