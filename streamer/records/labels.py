"""What people are asked, and what they say."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from streamer.records.terms import PLAIN, Digest, Instant, Name, OpaqueName, Task

#: The highest value that a label of each task may have; the lowest is 0. Relevance has grades.
HIGHEST_VALUE = {Task.CLICKBAIT: 1, Task.ADULT: 1, Task.RELEVANCE: 3}


class Like(msgspec.Struct, frozen=True, kw_only=True):
    """A video that lies near a requested one. `similarity` is a cosine.

    label: 1 where people say that the task's label applies to it, 0 where they say not, None where nobody said.
    """

    video_id: Name
    similarity: Annotated[float, Meta(ge=-1.01, le=1.01)]
    label: Annotated[int, Meta(ge=0, le=1)] | None = None


class LabelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A video that is worth a label on a task, and why. The same video, task, query and bundle are one request."""

    request_id: Digest
    video_id: Name
    task: Task
    strategy: Name
    reason: Annotated[str, Meta(max_length=2_000)]
    bundle: Annotated[str, Meta(max_length=256, pattern=PLAIN)]
    arm: Name | None = None
    score: Annotated[float, Meta(ge=0, le=1)] | None = None
    like: Annotated[tuple[Like, ...], Meta(max_length=64)] = ()
    query: Annotated[str, Meta(max_length=1_000)] | None = None
    title: Annotated[str, Meta(max_length=10_000)] = ""
    uri: Annotated[str, Meta(max_length=8_192)] | None = None
    tenant: Name | None = None
    requested_at: Instant | None = None


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said of a video on a task. A later label of the same rater replaces an earlier one.

    value: 1 where the task's label applies, else 0; of relevance a grade from 0 to 3.
    labelled_at: when it was said; None where nobody knows. applied_at: when Earshot was told.
    Raises `ValueError` for a value that the task cannot have.
    """

    label_id: Digest
    video_id: Name
    task: Task
    value: Annotated[int, Meta(ge=0, le=3)]
    rater: Annotated[OpaqueName, Meta(description="Opaque; an identifier that names nobody.")]
    source: Name
    adjudicated: bool = False
    query: Annotated[str, Meta(max_length=1_000)] | None = None
    request_id: Digest | None = None
    tenant: Name | None = None
    labelled_at: Instant | None = None
    applied_at: Instant | None = None

    def __post_init__(self) -> None:
        if self.value > HIGHEST_VALUE[self.task]:
            raise ValueError(f"value: came {self.value}, expected 0 to {HIGHEST_VALUE[self.task]} for {self.task}")
