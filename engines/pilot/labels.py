"""A user's labels of a folder of videos: read row by row, matched with the files, what is wrong kept apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.data.names import COLUMNS, Names, text_of
from engines.data.rows import Bad, take_rows, yes_or_no
from engines.spec import TASKS

WORDS = ("title", "description", "hashtags", "query")


@dataclass(frozen=True, slots=True)
class Label:
    """What people say of one video: `answers` by task, without those left open; and the words of its uploader."""

    file: str
    answers: Mapping[str, bool]
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Labels:
    """By file. `unused`: columns that mean nothing here."""

    by_file: Mapping[str, Label]
    rejected: tuple[Bad, ...]
    unused: tuple[str, ...]


def read_labels(table: Path, files: Collection[str]) -> Labels:
    """Read a CSV, JSONL or Parquet file. `files`: paths of the videos that are there, relative to their folder.

    A row names its video by path, by name, or by name without ending. Raises `ValueError` when no row is left.
    """
    reading = _Reading(Names(files))
    rejected = take_rows(table, reading.take)
    if not reading.labels:
        first = rejected[0] if rejected else None
        why = f"; first: {first.place}: {first.problem}" if first else ""
        raise ValueError(
            f"{table}: came no usable label, expected rows of file or video_id and {', '.join(TASKS)}{why}"
        )
    return Labels(reading.labels, rejected, tuple(sorted(reading.unused)))


@dataclass
class _Reading:
    names: Names
    labels: dict[str, Label] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    unused: set[str] = field(default_factory=set)

    def take(self, place: str, cells: Mapping[str, Any]) -> None:
        self.unused |= {*cells} - {*COLUMNS, *WORDS, *TASKS}
        label = self._label(cells)
        before = self.labels.setdefault(label.file, label)
        if before is not label:
            agree = all(before.answers.get(task, answer) == answer for task, answer in label.answers.items())
            same = "a repeated video" if agree else "a video with another answer"
            raise ValueError(f"{label.file}: came {same}, {self.places[label.file]} has it already and counts")
        self.places[label.file] = place

    def _label(self, cells: Mapping[str, Any]) -> Label:
        file = self.names.find(cells)
        answers = {task: yes_or_no(task, text) for task in TASKS if (text := text_of(cells.get(task)))}
        if not answers:
            raise ValueError(f"came no label, expected 0 or 1 for at least one of {', '.join(TASKS)}")
        words = {column: text for column in WORDS if (text := text_of(cells.get(column)))}
        if "relevance" in answers and "query" not in words:
            raise ValueError("came a label of relevance without a query, expected the query that it answers")
        return Label(file, answers, words)
