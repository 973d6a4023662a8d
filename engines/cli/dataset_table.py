"""The counts of a dataset as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from engines.data.public.summary import TASKS, Summary

if TYPE_CHECKING:
    from rich.table import Table


def dataset_table(summary: Summary) -> Table:
    """A column for each split, a row for each count."""
    from rich.table import Table

    table = Table("", *summary.splits, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    parts = list(summary.splits.values())
    plain: dict[str, list[int] | list[float]] = {
        "clips": [part.clips for part in parts],
        "hours": [part.hours for part in parts],
        "without an audio track": [part.without_audio for part in parts],
        "rotated": [part.rotated for part in parts],
        "sources": [part.groups for part in parts],
        "independent sets of sources": [part.linked_groups for part in parts],
    }
    for name, values in plain.items():
        table.add_row(name, *(str(value) for value in values))
    for task in TASKS:
        _add(table, f"{task}, labels", [part.labels[task] for part in parts])
        _add(table, f"{task}, by what decides", [part.slices[task] for part in parts])
    _add(table, "harmless, but like restricted ones", [part.hard_negatives for part in parts])
    reuse = [{name: f"{one.assets} ({one.most_clips})" for name, one in part.reuse.items()} for part in parts]
    _add(table, "assets (clips with the busiest one)", reuse)
    return table


def _add(table: Table, title: str, counts: Sequence[Mapping[str, int | str]]) -> None:
    """A heading and a row for each name that any split counts."""
    names = dict.fromkeys(name for of_part in counts for name in of_part)
    if names:
        table.add_row(f"[bold]{title}")
    for name in names:
        table.add_row(f"  {name}", *(str(of_part.get(name, 0)) for of_part in counts))
