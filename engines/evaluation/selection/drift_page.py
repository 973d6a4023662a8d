"""Streams whose source changes: from folders to a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from engines.data.public.manifest import read_dataset
from engines.evaluation.compare import Progress
from engines.evaluation.goals import signed
from engines.evaluation.selection import titles
from engines.evaluation.selection.drift import AFTER, BEFORE
from engines.evaluation.selection.noticed import COMPARED, SOON, DriftTask, Noticed, Reached, noticed, reached
from engines.evaluation.selection.run import TITLES
from engines.evaluation.selection.setup import BATCH, START
from engines.evaluation.selection.streams import composed_streams, title_stream
from engines.evaluation.selection.study import run_all
from engines.evaluation.tables import markdown
from engines.evaluation.written import written

RUNS = "drift.jsonl"


class Drifts(msgspec.Struct, frozen=True):
    """All that the page shows. lineage: command, data, seeds."""

    lineage: dict[str, Any]
    reached: list[Reached]
    noticed: list[Noticed]


def study_drift(
    features: Path,
    words: Path,
    data: Path,
    runs: Path,
    out: Path,
    *,
    seeds: Sequence[int],
    command: str,
    progress: Progress,
) -> tuple[Drifts, list[Path]]:
    """Make the runs that `runs` lacks, and write the page into `out`; returns the results and the files.

    Raises `ValueError` when a folder is not whole.
    """
    with progress("titles", len(titles.POOLS) * -(-titles.DRAWN // 64)) as advance:
        streams = [title_stream(data, runs / TITLES, advance), *composed_streams(features, words)]
    wanted = [DriftTask(stream, strategy, seed) for seed in seeds for stream in streams for strategy in COMPARED]
    with progress("drift", len(wanted)) as advance:
        outcomes = run_all(wanted, runs / RUNS, advance)
    outcomes.sort(key=lambda one: [stream.name for stream in streams].index(one.arena))
    lineage = {"command": command, "data": read_dataset(features).sha256, "seeds": [min(seeds), max(seeds)]}
    results = Drifts(lineage, reached(outcomes), noticed(outcomes))
    return results, write_drifts(results, out)


def write_drifts(results: Drifts, folder: Path) -> list[Path]:
    """The page and `results.json`."""
    return written(folder, page(results), results)


def page(results: Drifts) -> str:
    """Markdown."""
    parts = [
        "# What choosing is worth when the source changes\n",
        f"This page is generated: `{results.lineage['command']}`.\n",
        INTRODUCTION,
    ]
    for stream in dict.fromkeys(one.stream for one in results.reached):
        parts += [
            f"## {stream[0].upper()}{stream[1:]}\n",
            _reached_table([one for one in results.reached if one.stream == stream]),
            _noticed_table([one for one in results.noticed if one.stream == stream]),
        ]
    return "\n".join(parts)


def verdict(one: Noticed) -> str:
    """Whether the allocation noticed what this arm pays now."""
    if one.rounds is None:
        return "nothing to notice"
    return f"after {one.rounds} round{'s' * (one.rounds != 1)}{' (late)' * (one.rounds > SOON)}"


def _reached_table(found: Sequence[Reached]) -> str:
    head = ("strategy", "mean AP since", "LSB's less its own [95 %]", "found in 2 rounds", f"in {AFTER}", "seeds")
    rows = [
        (
            one.strategy,
            f"{one.quality.value:.3f}",
            "-" if one.behind is None else signed(one.behind),
            *(f"{count:.1f}" for count in one.found),
            str(one.quality.seeds),
        )
        for one in found
    ]
    return markdown(head, rows)


def _noticed_table(found: Sequence[Noticed]) -> str:
    head = ("arm of LSB", "pays before", "pays since", "share before", "rounds since the shift", "settled", "noticed")
    rows = [
        (
            f"**{one.arm}**" if one.best else one.arm,
            *(f"{value:.2f}" for value in one.pays),
            f"{one.before:.1%}",
            " ".join(f"{share:.0%}" for share in one.since),
            f"{one.settled:.1%}",
            verdict(one),
        )
        for one in found
    ]
    return markdown(head, rows)


INTRODUCTION = f"""{START} labels and {BEFORE} rounds of {BATCH} in one source, then {AFTER} rounds in another; old
labels stay, and old videos without one are gone. AP is on the second source's test. `lsb_frozen` is LSB whose
allocation stays what it was at the shift. Both composed streams have half of the training clips before the shift and
the others after it. The head reads likeness (`engines.active.kernel`), and is fitted anew each round.

Noticing: an arm's share of the slots "before" is that of the last two rounds before the shift, "settled" that of rounds
four to {AFTER} since it. It is noticed when the share is past half of the way between them; counted are the rounds of
labels of the new source until then. Less than 5 points of the slots to go is nothing to notice. In bold the arm that
pays best since the shift. What a label pays is how far off the model was, from 0 to 1.
"""
