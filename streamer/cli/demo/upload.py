"""What the demo uploads: a file, what is true of it, and the event that tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streamer.records import TASKS, Event, Task
from streamer.report.shown import Truth


@dataclass(frozen=True, slots=True)
class Upload:
    """`path` need not exist: that is a case too."""

    path: Path
    truth: Truth
    event: Event


def event_of(
    path: Path, *, title: str, query: str | None, description: str = "", hashtags: tuple[str, ...] = ()
) -> Event:
    """The event of a file at hand; relevance is asked for where there is a query."""
    return Event(
        event_id=f"demo-{path.stem}",
        source="/earshot/demo",
        video_id=path.stem,
        uri=path.as_uri(),
        title=title,
        description=description,
        hashtags=hashtags,
        query=query,
        tasks=TASKS if query else (Task.CLICKBAIT, Task.ADULT),
    )


def labels_told(labels: Mapping[Task, bool]) -> str:
    """The labels in words: "clickbait, relevant"."""
    offences = [task.value for task in (Task.CLICKBAIT, Task.ADULT) if labels[task]]
    told = ", ".join(offences) or "harmless"
    if Task.RELEVANCE in labels:
        told += ", relevant" if labels[Task.RELEVANCE] else ", irrelevant"
    return told
