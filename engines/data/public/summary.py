"""What a dataset holds, counted: per split its labels, slices, hours and how often each source is used again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from engines.data.public.manifest import SPLITS, Row, Split
from engines.data.public.splits import leaks

TASKS = ("clickbait", "adult", "relevance")


class Reuse(msgspec.Struct, frozen=True):
    """How the assets of one source are used: how many there are, in how many clips the busiest is."""

    assets: int
    most_clips: int


class Part(msgspec.Struct, frozen=True):
    """One split. labels: per task how often each value; `unknown` where there is none. slices: per task."""

    clips: int
    hours: float
    labels: dict[str, dict[str, int]]
    slices: dict[str, dict[str, int]]
    hard_negatives: dict[str, int]
    without_audio: int
    rotated: int
    groups: int
    linked_groups: int
    reuse: dict[str, Reuse]


class Summary(msgspec.Struct, frozen=True):
    """crossing: assets and groups that are in more than one split; there should be none."""

    clips: int
    splits: dict[Split, Part]
    crossing: int


def summarise(rows: Sequence[Row]) -> Summary:
    """Count the rows of a dataset."""
    parts = {split: _part([row for row in rows if row.split == split]) for split in SPLITS}
    crossing = leaks((row.split, name) for row in rows for name in (*row.groups, *row.assets))
    return Summary(len(rows), {split: part for split, part in parts.items() if part.clips}, len(crossing))


def _part(rows: Sequence[Row]) -> Part:
    return Part(
        clips=len(rows),
        hours=round(sum(row.seconds or 0.0 for row in rows) / 3600, 2),
        labels={task: _counted(getattr(row.labels, task) for row in rows) for task in TASKS},
        slices={task: _counted(row.evidence[task] for row in rows if task in row.evidence) for task in TASKS},
        hard_negatives=_counted(row.hard_negative for row in rows if row.hard_negative is not None),
        without_audio=sum(row.has_audio is False for row in rows),
        rotated=sum(row.rotated is True for row in rows),
        groups=len({group for row in rows for group in row.groups}),
        linked_groups=_linked(rows),
        reuse=_reuse(rows),
    )


def _counted(values: Iterable[object]) -> dict[str, int]:
    counts = Counter("unknown" if value is None else str(value) for value in values)
    return dict(sorted(counts.items(), key=lambda item: (item[0].isalpha(), -item[1] * item[0].isalpha(), item[0])))


def _reuse(rows: Sequence[Row]) -> dict[str, Reuse]:
    uses = Counter(asset for row in rows for asset in row.assets)
    sources = sorted({asset.partition("/")[0] for asset in uses})
    counts = {source: [uses[one] for one in uses if one.partition("/")[0] == source] for source in sources}
    return {source: Reuse(len(of_source), max(of_source)) for source, of_source in counts.items()}


def _linked(rows: Sequence[Row]) -> int:
    """Sets of clips that share no source with each other, directly or through others: what is truly independent."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for row in rows:
        for group in row.groups[1:]:
            parent[root(group)] = root(row.groups[0])
    return len({root(row.groups[0]) for row in rows if row.groups})
