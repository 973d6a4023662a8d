"""The sample clips that come with Earshot, as uploads."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from engines.data.public.manifest import RELEVANT, Row, Span
from engines.data.samples import sample_clips
from streamer.cli.demo.upload import Upload, event_of, labels_told
from streamer.records import Modality, Task
from streamer.report.shown import TrueSpan, Truth


def sample_uploads(folder: Path) -> list[Upload]:
    """Copy the clips into `folder`, from where the worker fetches them, and tell what they are."""
    folder.mkdir(parents=True, exist_ok=True)
    with sample_clips() as (shipped, rows):
        for row in rows:
            shutil.copyfile(row.path(shipped), row.path(folder))
    return [_upload(row, row.path(folder)) for row in rows]


def _upload(row: Row, path: Path) -> Upload:
    labels = {
        Task.CLICKBAIT: bool(row.labels.clickbait),
        Task.ADULT: bool(row.labels.adult),
        Task.RELEVANCE: (row.labels.relevance or 0) >= RELEVANT,
    }
    spans = {Task.ADULT: tuple(_span(span) for span in row.spans)}
    told = f"{_things(row.seen, 'no picture')} + {_things(row.heard, 'nothing in particular')}; {labels_told(labels)}"
    event = event_of(path, title=row.title, query=row.query)
    return Upload(path, Truth(told, labels, spans), event)


def _span(span: Span) -> TrueSpan:
    return TrueSpan(_name(span), Modality(span.modality), span.start_seconds, span.end_seconds)


def _things(spans: Sequence[Span], nothing: str) -> str:
    return ", ".join(dict.fromkeys(map(_name, spans))) or nothing


def _name(span: Span) -> str:
    return span.thing.replace("_", " ")
