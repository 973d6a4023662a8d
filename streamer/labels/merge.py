"""Labels of several raters -> one value for each video and task, with how it came about. Pure.

Each rater's latest word counts. An adjudicated label decides; else all agree, or more than half do, or the question
is open and has no value: a coin thrown for a tie would be noise in whatever learns from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from streamer.records import Label, Task

How = Literal["agreed", "majority", "adjudicated", "open"]

#: What a value is about: video, task and, of relevance, the query.
Question = tuple[str, Task, str | None]


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """The value of one video on one task; None while raters differ and nobody has decided.

    votes: the latest value of each rater; adjudicators are not among them.
    label_ids: every label that it rests on or overrules, oldest first.
    """

    video_id: str
    task: Task
    value: int | None
    how: How
    votes: dict[str, int]
    label_ids: tuple[str, ...]
    query: str | None = None
    adjudicator: str | None = None
    tenant: str | None = None


def merge(labels: Iterable[Label]) -> list[Merged]:
    """One for each question that has labels, in the order of their first label."""
    return [_merged(question, found) for question, found in by_question(labels).items()]


def by_question(labels: Iterable[Label]) -> Mapping[Question, list[Label]]:
    """The labels of each question, oldest first; those of unknown time count from when Earshot was told."""
    grouped: dict[Question, list[Label]] = {}
    for label in labels:
        grouped.setdefault((label.video_id, label.task, label.query), []).append(label)
    for found in grouped.values():
        found.sort(key=_moment)
    return grouped


def votes_of(labels: Iterable[Label]) -> dict[str, int]:
    """The latest value of each rater, from labels that are oldest first; adjudicated ones are left out."""
    return {label.rater: label.value for label in labels if not label.adjudicated}


def _moment(label: Label) -> datetime:
    """When it was said, else when Earshot was told."""
    try:
        return datetime.fromisoformat((label.labelled_at or label.applied_at or "").upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # no time, or the 45th of a month
        return datetime.min.replace(tzinfo=UTC)


def _merged(question: Question, labels: list[Label]) -> Merged:
    video_id, task, query = question
    votes = votes_of(labels)
    deciding = next((label for label in reversed(labels) if label.adjudicated), None)
    value, how = (deciding.value, "adjudicated") if deciding is not None else _counted(votes)
    return Merged(
        video_id=video_id,
        task=task,
        value=value,
        how=how,
        votes=votes,
        label_ids=tuple(label.label_id for label in labels),
        query=query,
        adjudicator=deciding.rater if deciding is not None else None,
        tenant=next((label.tenant for label in labels if label.tenant is not None), None),
    )


def _counted(votes: Mapping[str, int]) -> tuple[int | None, How]:
    ((value, count), *others) = Counter(votes.values()).most_common()
    if not others:
        return value, "agreed"
    return (value, "majority") if 2 * count > len(votes) else (None, "open")
