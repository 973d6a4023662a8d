"""What stage 1 has judged as a pool: `earshot teach` and `earshot select` go on from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from streamer.cli.pilot.judging import Judged
from streamer.cli.pilot.start import POOL, Stage
from streamer.labels.pool import PoolRow
from streamer.labels.pool_file import write_pool
from streamer.records import Task


def write(stage: Stage, out: Path) -> Path:
    """A row for each video that could be judged, with the labels that people gave it."""
    write_pool(out / POOL, _rows(stage))
    return out / POOL


def _rows(stage: Stage) -> Iterator[PoolRow]:
    for item in stage.judged:
        if item.embedding:
            label = stage.labels.by_file.get(item.file)
            answers = {} if label is None else label.answers
            yield _row(item, {Task(task): int(answer) for task, answer in answers.items()}, stage.bundle_id)


def _row(item: Judged, labels: dict[Task, int], bundle_id: str) -> PoolRow:
    event = item.event
    return PoolRow(
        video_id=event.video_id,
        embedding=list(item.embedding),
        scores={verdict.task: verdict.score for verdict in item.verdicts if verdict.score is not None},
        bundle=bundle_id,
        event_id=event.event_id,
        novelty=item.verdicts[0].novelty,
        views={sense: list(view) for sense, view in item.views.items()},
        title=event.title,
        uri=event.uri,
        query=event.query,
        labels=labels,
    )
