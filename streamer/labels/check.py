"""Rows of a file -> labels, each checked against what is known: pure, and no row stands in the way of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from streamer.labels.choices import shown, value_of
from streamer.labels.rows import Row
from streamer.records import TASKS, Label, LabelRequest, Task
from streamer.wire import label_id

_UNREADABLE = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a video beside its labels."""

    title: str = ""
    uri: str | None = None
    query: str | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What an answer may be about: the videos, and the requests that it may answer.

    where: what they were read from, for errors; None lets every video pass.
    """

    where: str | None = None
    videos: Mapping[str, Facts] = field(default_factory=dict)
    requests: Mapping[str, LabelRequest] = field(default_factory=dict)


class Checker:
    """Makes labels of rows. Remembers what it has seen: two answers of one rater on one question need to be ordered.

    rater, source: of rows that do not say. applied_at: now, as RFC 3339.
    """

    def __init__(
        self, known: Known, *, applied_at: str, source: str, rater: str | None = None, adjudicated: bool = False
    ) -> None:
        self._known = known
        self._applied_at = applied_at
        self._source = source
        self._rater = rater
        self._adjudicated = adjudicated
        self._asked: dict[tuple[str, Task], list[LabelRequest]] = {}
        for request in known.requests.values():
            self._asked.setdefault((request.video_id, request.task), []).append(request)
        self._seen: dict[tuple[str | None, ...], tuple[int, int]] = {}

    def label(self, row: Row) -> Label:
        """The label in a row. Raises `ValueError` that says which field came how, and what was expected."""
        fields = row.fields
        video_id = _text(fields, "video_id")
        if video_id is None:
            raise ValueError("video_id: came nothing, expected the video's id")
        task = _task(_text(fields, "task"))
        request_id = _text(fields, "request_id")
        request = self._request(video_id, task, request_id)
        if self._known.where is not None and video_id not in self._known.videos and request is None:
            raise ValueError(f"video_id: {shown(video_id)} is not in {self._known.where}")
        facts = self._known.videos.get(video_id, Facts())
        asked = request.query if request is not None else facts.query
        said: dict[str, Any] = {
            "video_id": video_id,
            "task": task,
            "query": (asked or _text(fields, "query")) if task is Task.RELEVANCE else None,
            "value": value_of(task, fields.get("value")),
            "rater": _rater(_text(fields, "rater") or self._rater),
            "adjudicated": self._adjudicated or fields.get("adjudicated") in (True, "true", "1"),
            "labelled_at": _instant(_text(fields, "labelled_at")),
        }
        beside = {
            "source": _text(fields, "source") or self._source,
            "request_id": request.request_id if request is not None else request_id,
            "tenant": _text(fields, "tenant") or facts.tenant,
            "applied_at": self._applied_at,
        }
        label = _label({**said, **beside})
        self._check_order(label, row.line)
        return label

    def _request(self, video_id: str, task: Task, request_id: str | None) -> LabelRequest | None:
        """The request that an answer names, else the only one about that video and task."""
        if request_id is None:
            asked = self._asked.get((video_id, task), [])
            return asked[0] if len(asked) == 1 else None
        request = self._known.requests.get(request_id)
        if request is not None and (request.video_id, request.task) != (video_id, task):
            raise ValueError(f"request_id: asked about {shown(request.video_id)} and {request.task}, not about this")
        return request

    def _check_order(self, label: Label, line: int) -> None:
        """Two values by one rater are a change of mind only where it is known which came later."""
        key = (label.video_id, label.task, label.query, label.rater, str(label.adjudicated), label.labelled_at)
        value, first = self._seen.setdefault(key, (label.value, line))
        if value != label.value:
            raise ValueError(
                f"value: came {label.value}, but line {first} says {value} for the same video, task and rater; "
                "give each a labelled_at to say which came later"
            )


def _label(fields: dict[str, Any]) -> Label:
    named = ("video_id", "task", "query", "value", "rater", "adjudicated", "labelled_at")
    name = label_id(**{each: fields[each] for each in named})
    try:
        return msgspec.convert({**fields, "label_id": name}, Label)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    """A field as text without the space around it; None where it is empty."""
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # ids and raters are often plain numbers
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str):
        raise ValueError(f"{name}: came {shown(value)}, expected text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: came {shown(value)}, expected text that UTF-8 can write") from error
    if _UNREADABLE in value:
        raise ValueError(f"{name}: came bytes that are no text, expected UTF-8")
    return value.strip()


def _task(text: str | None) -> Task:
    for task in TASKS:
        if text == task:
            return task
    raise ValueError(f"task: came {shown(text)}, expected one of {', '.join(TASKS)}")


def _rater(text: str | None) -> str:
    if text is None:
        raise ValueError("rater: came nothing, expected an opaque id of the person (or give --rater)")
    if "@" in text:
        raise ValueError("rater: came what looks like an e-mail address, expected an opaque id that names nobody")
    return text


def _instant(text: str | None) -> str | None:
    """In UTC, so that the same moment is written the same."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
        if moment.tzinfo is not None:
            return moment.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"labelled_at: came {shown(text)}, expected a time with its zone, such as 2026-05-04T09:30:00Z")
