"""The files of labelling: labels, requests, and what was refused of them. Written whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

from streamer.errors import SettingsError
from streamer.labels.check import Facts
from streamer.labels.rows import Broken
from streamer.records import Label, LabelRequest, Like, Task
from streamer.wire import request_id

T = TypeVar("T")


class Pick(msgspec.Struct, frozen=True, kw_only=True):
    """A line of what `earshot select` writes, and of a file of requests; other fields are ignored."""

    video_id: str
    task: Task
    strategy: str = "unknown"
    arm: str | None = None
    reason: str = ""
    score: float | None = None
    like: tuple[dict[str, Any], ...] = ()
    bundle: str | None = None
    query: str | None = None
    title: str = ""
    uri: str | None = None
    tenant: str | None = None
    requested_at: str | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """What came of adding labels to a file: those that were not there, and how many were."""

    new: tuple[Label, ...]
    known: int


def read_file(path: Path) -> bytes:
    """The bytes of a file. Raises `SettingsError` naming it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error


def read_labels(path: Path) -> list[Label]:
    """The labels of a file that Earshot wrote; none where there is no file. Raises `SettingsError` naming the line."""
    if not path.exists():
        return []
    labels: list[Label] = []
    for line, found in decoded(read_file(path), msgspec.json.Decoder(Label)):
        if isinstance(found, Broken):
            raise SettingsError(f"{path}, line {line}: no label ({found.reason}); take the file in with: label import")
        labels.append(found)
    return labels


def add_labels(path: Path, labels: Iterable[Label]) -> Added:
    """Append those that are not there yet, each once. Processes that add to files of one folder wait for each other."""
    with _alone(path):
        there = read_labels(path)
        ids = {label.label_id for label in there}
        new: dict[str, Label] = {}
        known = 0
        for label in labels:
            if label.label_id in ids or label.label_id in new:
                known += 1
            else:
                new[label.label_id] = label
        if new:
            write_lines(path, (msgspec.json.encode(label) for label in (*there, *new.values())))
    return Added(tuple(new.values()), known)


def read_requests(
    path: Path, facts: Mapping[str, Facts], *, requested_at: str
) -> tuple[list[LabelRequest], list[Broken]]:
    """The requests of a file of picks, each once, and the lines that are none.

    facts: titles, addresses and queries of the videos, where the picks do not have them.
    """
    requests: dict[str, LabelRequest] = {}
    broken: list[Broken] = []
    for line, pick in decoded(read_file(path), msgspec.json.Decoder(Pick)):
        if isinstance(pick, Broken):
            broken.append(pick)
            continue
        try:
            request = _request(pick, facts.get(pick.video_id, Facts()), requested_at)
        except (ValueError, TypeError, msgspec.MsgspecError) as error:
            broken.append(Broken(line, str(error), msgspec.to_builtins(pick)))
        else:
            requests.setdefault(request.request_id, request)
    return list(requests.values()), broken


def write_rejected(path: Path, broken: Sequence[Broken]) -> Path | None:
    """List what was refused of a file in one beside it; where nothing was, one of an earlier time goes."""
    beside = path.with_name(f"{path.name}.rejected.jsonl")
    if not broken:
        beside.unlink(missing_ok=True)
        return None
    lines = ({"line": item.line, "reason": item.reason, "row": item.came} for item in broken)
    # Not msgspec: what was refused may hold text that UTF-8 cannot write, and JSON's escapes can.
    write_lines(beside, (json.dumps(line, default=str).encode("ascii") for line in lines))
    return beside


def write_lines(path: Path, lines: Iterable[bytes]) -> int:
    """Write a file whole: under another name first. How many lines. Raises `SettingsError` where it cannot be."""
    count = 0
    with whole(path) as file:
        for count, line in enumerate(lines, start=1):  # noqa: B007 (counts an iterable that is read once)
            file.write(line + b"\n")
    return count


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of an older one when all went well. Raises `SettingsError` where it cannot be."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):  # it is gone where all went well
            part.unlink()


def decoded(content: bytes, decoder: msgspec.json.Decoder[T]) -> Iterator[tuple[int, T | Broken]]:
    """Each line that is not blank, with its number."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, decoder.decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            yield number, Broken(number, str(error), line[:2_000].decode(errors="replace"))


def _request(pick: Pick, facts: Facts, requested_at: str) -> LabelRequest:
    """Raises `ValueError`, `TypeError` and `MsgspecError` for what no request can hold."""
    query = (pick.query or facts.query) if pick.task is Task.RELEVANCE else None
    fields = msgspec.structs.asdict(pick) | {
        "request_id": request_id(pick.video_id, pick.task, query, pick.bundle or ""),
        "bundle": pick.bundle or "",
        "like": tuple(_like(item) for item in pick.like),
        "query": query,
        "title": pick.title or facts.title,
        "uri": pick.uri or facts.uri,
        "tenant": pick.tenant or facts.tenant,
        "requested_at": pick.requested_at or requested_at,
    }
    return msgspec.convert(fields, LabelRequest)


def _like(item: Mapping[str, Any]) -> Like:
    label = item.get("label")
    return msgspec.convert({**item, "label": None if label is None else int(label)}, Like)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the folder of a file: a lock on the file itself would be lost with its replacement."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
