"""Videos of a folder -> verdicts with their embeddings, kept in a file that grows by one line a video.

A run that was stopped goes on where it was: a video is judged again only when its file, its words, the bundle or the
policy changed.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from streamer.alone import answer_alone
from streamer.assemble import Parts
from streamer.errors import EarshotError
from streamer.pipeline import Pipeline
from streamer.records import TASKS, Event, Float16, Float32, Fused, Modality, Task, Verdict
from streamer.settings import Settings
from streamer.views import worded

#: `progress(label, total)` lasts as long as the work and gives what is called once per piece.
Progress = Callable[[str, int], AbstractContextManager[Callable[..., None]]]


#: Of what is kept of a video; lines of another are judged anew.
_FORMAT = 2


class Judged(msgspec.Struct, frozen=True):
    """One video. `key` stands for all that the verdicts depend on.

    embedding: float32 values of unit norm; empty where nothing was perceived. views: likewise what each sense alone
    made of it, of those that it has. cpu_seconds: of this process and of the decoding child. error: why it could not
    even be read.
    """

    file: str
    key: str
    event: Event
    verdicts: tuple[Verdict, ...] = ()
    embedding: tuple[float, ...] = ()
    views: dict[Modality, tuple[float, ...]] = {}
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    error: str | None = None

    def verdict(self, task: str) -> Verdict | None:
        """That of a task, if it was asked for and scored."""
        return next((one for one in self.verdicts if one.task == task and one.score is not None), None)


def events_of(folder: Path, words: Mapping[str, Mapping[str, str]], files: Sequence[str]) -> dict[str, Event]:
    """What is asked of each video; `words`: title, description, hashtags and query by file."""
    return {file: _event(folder, file, words.get(file, {})) for file in files}


def _event(folder: Path, file: str, words: Mapping[str, str]) -> Event:
    query = words.get("query")
    return Event(
        event_id=f"pilot-{hashlib.sha256(file.encode()).hexdigest()[:16]}",
        source="/earshot/pilot",
        video_id=file,
        uri=(folder / file).resolve().as_uri(),
        title=words.get("title", ""),
        description=words.get("description", ""),
        hashtags=tuple(words.get("hashtags", "").split()),
        query=query,
        tasks=TASKS if query else tuple(task for task in TASKS if task is not Task.RELEVANCE),
    )


@dataclass
class Judging:
    """What was judged so far, in `store`, and how the rest is."""

    parts: Parts
    settings: Settings
    store: Path

    def all(self, folder: Path, events: Mapping[str, Event], on_video: Callable[[], None]) -> list[Judged]:
        """Each video once, in order; those that are known cost nothing."""
        known = {item.key: item for item in read_judged(self.store)}
        self.store.parent.mkdir(parents=True, exist_ok=True)
        found = []
        with self.store.open("ab") as lines:
            for file, event in events.items():
                key = self._key(folder / file, event)
                item = known.get(key)
                if item is None:
                    item = judge_once(self.parts.pipeline, file, key, event, self.settings.worker.deadline_seconds)
                    lines.write(msgspec.json.encode(item) + b"\n")
                    lines.flush()
                    os.fsync(lines.fileno())
                found.append(item)
                on_video()
        return found

    def _key(self, path: Path, event: Event) -> str:
        status = path.stat()
        lineage = self.parts.lineage
        origin = (lineage.bundle_id, lineage.policy_version, self.settings.policy.model_dump_json())
        parts = (_FORMAT, *origin, status.st_size, status.st_mtime_ns, msgspec.json.encode(event).decode())
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def judge_once(pipeline: Pipeline, file: str, key: str, event: Event, timeout_seconds: float) -> Judged:
    """Verdicts and embedding of one event, and the time that they took; or the reason why there are none."""
    started, worked = time.monotonic(), time.process_time()
    try:
        answer = answer_alone(pipeline, event, timeout_seconds)
    except EarshotError as error:
        return Judged(file, key, event, error=str(error))
    embedding, views = _vectors(event, answer.fused)
    cpu_seconds = time.process_time() - worked + answer.verdicts[0].cost.decode_cpu_ms / 1000
    return Judged(file, key, event, answer.verdicts, embedding, views, time.monotonic() - started, cpu_seconds)


def _vectors(event: Event, fused: Fused | None) -> tuple[tuple[float, ...], dict[Modality, tuple[float, ...]]]:
    if fused is None:
        return (), {}
    views = {sense: _rounded(view_D) for sense, view_D in worded(event, fused.views).items()}
    return _rounded(fused.embedding_D), views


def _rounded(vector_D: Float16 | Float32) -> tuple[float, ...]:
    return tuple(round(float(x), 6) for x in vector_D)


def read_judged(store: Path) -> Iterator[Judged]:
    """What earlier runs left; a line that was cut off by the end of one is judged anew."""
    if not store.exists():
        return
    for line in store.read_bytes().splitlines():
        try:
            yield msgspec.json.decode(line, type=Judged)
        except msgspec.MsgspecError:
            continue
