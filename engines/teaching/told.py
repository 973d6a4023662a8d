"""What people say of videos: is each of the category or not? Read row by row, what is wrong kept apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.data.names import Names, text_of
from engines.data.rows import Bad, take_rows, yes_or_no
from engines.spec import TASKS


@dataclass(frozen=True)
class Told:
    """Answers by video. rejected: rows that cannot be used."""

    answers: Mapping[str, bool]
    rejected: tuple[Bad, ...] = ()


def read_told(table: Path, task: str, known: Collection[str]) -> Told:
    """Rows of `video_id` or `file`, and of `value` or the task's name: CSV, JSONL or Parquet; those of `label merge`.

    Rows that name another task in `task` are passed over, and such as nobody has answered yet. known: ids of the pool.
    Of two rows about a video the first counts. Raises `ValueError` for a file that is no table.
    """
    reading = _Reading(task, Names(known))
    rejected = take_rows(table, reading.take)
    return Told(reading.answers, rejected)


@dataclass
class _Reading:
    task: str
    names: Names
    answers: dict[str, bool] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def take(self, place: str, cells: Mapping[str, Any]) -> None:
        value = text_of(cells.get("value")) or text_of(cells.get(self.task))
        if value and self._is_ours(text_of(cells.get("task")).lower()):
            self._keep(place, self.names.find(cells), yes_or_no("value", value))

    def _is_ours(self, task: str) -> bool:
        if task and task not in TASKS:
            raise ValueError(f"task: came {task[:40]!r}, expected one of {', '.join(TASKS)} or nothing")
        return not task or task == self.task

    def _keep(self, place: str, video_id: str, answer: bool) -> None:
        if self.answers.setdefault(video_id, answer) != answer:
            raise ValueError(f"{video_id}: came another answer, {self.places[video_id]} has it already and counts")
        self.places.setdefault(video_id, place)
