"""Arms side by side: one process on one thread for each job.

Two trainings at once on two cores are done sooner than one after the other on both. What a run comes to depends on the
number of threads in its last digits only, and here that is always one.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from engines.orphans import end_with_parent
from engines.training.arms import Workshop, train_arm
from engines.training.recipes import STARTER
from engines.training.starter import open_features
from engines.training.threads import use_threads
from engines.training.tuning.loop import TuneOptions


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a process opens its own workshop from: folders, sources that are left out, and how to train."""

    features: Path
    words: Path
    options: TuneOptions
    without: tuple[str, ...] = ()

    def open(self) -> Workshop:
        """Raises `ValueError` when features or words are not whole."""
        features, words = open_features(self.features, self.words, self.without)
        sizes = replace(STARTER.sizes(words), hearing=features.header.hearing)
        return Workshop(features, words, sizes, self.options)


def train_side_by_side(
    source: Source, runs: Sequence[tuple[str, int]], out: Path, jobs: int
) -> Iterator[tuple[str, int]]:
    """Train each arm and seed; they come back in the order in which they are done.

    What fails in a process is raised here, once all that had begun is over; runs that were done are kept.
    """
    # Spawned, not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_begin) as pool:
        futures = {pool.submit(_train, source, arm, seed, out): (arm, seed) for arm, seed in runs}
        try:
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    end_with_parent()
    use_threads(1)


def _train(source: Source, arm: str, seed: int, out: Path) -> None:
    train_arm(source.open(), arm, seed, out)
