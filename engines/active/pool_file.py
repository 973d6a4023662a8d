"""A pool as a file: JSONL or Parquet, a row for each video. Broken rows are kept apart, each with its reason.

Shape letters: N videos, V size of a view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engines.active.pool import FUSED, Pool
from engines.active.vectors import Float32
from engines.spec import TASKS

VIEWS = ("vision", "audio", "text")
#: Where a row stands, the row as far as it can be read, and the row; reading it raises `ValueError` where it is broken.
Read = tuple[str, Callable[[], Any], Callable[[], "PoolRow"]]


class PoolRow(msgspec.Struct, frozen=True, kw_only=True):
    """One video. Unknown fields are left alone.

    embedding: of the fusion network. views: `vision`, `audio`, `text`, what each sense alone makes of it; of any size,
    one and the same for all rows; left out where the video lacks it. scores: task -> calibrated probability. labels:
    task -> 0 or 1. reported: tasks it was reported for. bundle: id of the bundle that embeddings and scores are of.
    """

    video_id: str
    embedding: tuple[float, ...]
    views: dict[str, tuple[float, ...]] = {}
    scores: dict[str, float] = {}
    labels: dict[str, int] = {}
    reported: tuple[str, ...] = ()
    title: str | None = None
    uri: str | None = None
    bundle: str = ""


class Rejected(msgspec.Struct, frozen=True):
    """A row that is no video: where it stands, whose it is as far as known, and what is wrong."""

    place: str
    video_id: str
    problem: str


@dataclass
class _Reading:
    """Rows so far."""

    rows: list[PoolRow] = field(default_factory=list)
    vectors: dict[str, dict[int, Float32]] = field(default_factory=lambda: {FUSED: {}})
    widths: dict[str, int] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)


def read_pool(path: Path) -> tuple[Pool, list[Rejected]]:
    """The good rows as a pool, and the broken ones. Raises `ValueError` where no row is good, and for other files."""
    readers = {".jsonl": _jsonl, ".parquet": _parquet}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path}: came a file {path.suffix or 'without ending'}, expected {', '.join(readers)}")
    reading, rejected = _Reading(), []
    for place, loose, row in readers[path.suffix.lower()](path):
        try:
            _take(reading, place, row())
        except ValueError as error:
            rejected.append(Rejected(place, _id_of(loose()), str(error)))
    if not reading.rows:
        first = f"; {rejected[0].place}: {rejected[0].problem}" if rejected else ""
        raise ValueError(f"{path}: came {len(rejected)} rows and none is good, expected one or more{first}")
    return _pool(reading), rejected


def write_rejected(path: Path, rejected: Sequence[Rejected]) -> Path:
    """JSONL, a line for each; whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(msgspec.json.Encoder().encode_lines(rejected))
    part.replace(path)
    return path


def _take(reading: _Reading, place: str, row: PoolRow) -> None:
    """Raises `ValueError` saying what is wrong with the row."""
    if not row.video_id:
        raise ValueError("video_id: came nothing, expected a name")
    if row.video_id in reading.ids:
        raise ValueError(f"video_id: came again, {reading.ids[row.video_id]} has it already")
    if reading.rows and row.bundle != (bundle := reading.rows[0].bundle):
        raise ValueError(
            f"bundle: came {row.bundle[:12] or 'none'}, expected {bundle[:12] or 'none'} as in the first row"
        )
    if unknown := sorted({*row.scores, *row.labels, *row.reported} - set(TASKS)):
        raise ValueError(f"tasks: came {', '.join(map(repr, unknown))}, expected some of {', '.join(TASKS)}")
    if unknown := sorted(row.views.keys() - set(VIEWS)):
        raise ValueError(f"views: came {', '.join(map(repr, unknown))}, expected some of {', '.join(VIEWS)}")
    for task, score in row.scores.items():
        if not 0 <= score <= 1:
            raise ValueError(f"scores.{task}: came {score}, expected a probability from 0 to 1")
    for task, label in row.labels.items():
        if label not in (0, 1):
            raise ValueError(f"labels.{task}: came {label}, expected 0 or 1")
    spaces = {FUSED: row.embedding, **row.views}
    vectors = {name: _vector(name, values, reading.widths.get(name)) for name, values in spaces.items()}
    number = len(reading.rows)
    for name, vector_V in vectors.items():
        reading.widths.setdefault(name, len(vector_V))
        reading.vectors.setdefault(name, {})[number] = vector_V
    reading.ids[row.video_id] = place
    # What is kept of a row are its words: ten numbers as Python objects take more room than a hundred in an array.
    reading.rows.append(msgspec.structs.replace(row, embedding=(), views={}))


def _vector(name: str, values: Sequence[float], width: int | None) -> Float32:
    place = "embedding" if name == FUSED else f"views.{name}"
    vector_V = np.array(values, np.float64)
    if not len(vector_V) or width not in (None, len(vector_V)):
        raise ValueError(f"{place}: came {len(vector_V)} values, expected {width or 'one or more'}")
    if not np.isfinite(vector_V).all():
        raise ValueError(f"{place}: came NaN or infinity, expected numbers")
    norm = float(np.linalg.norm(vector_V))
    if norm == 0:
        raise ValueError(f"{place}: came zeros only, which have no direction")
    return np.asarray(vector_V / norm, np.float32)


def _pool(reading: _Reading) -> Pool:
    rows, count = reading.rows, len(reading.rows)
    spaces = {}
    for name, vectors in reading.vectors.items():
        spaces[name] = np.zeros((count, reading.widths[name]), np.float32)
        for number, vector_V in vectors.items():
            spaces[name][number] = vector_V
    nan = float("nan")
    return Pool(
        ids=[row.video_id for row in rows],
        bundle=rows[0].bundle,
        embedding_ND=spaces.pop(FUSED),
        views=spaces,
        scores={task: np.array([row.scores.get(task, nan) for row in rows], np.float32) for task in TASKS},
        labels={task: np.array([row.labels.get(task, nan) for row in rows], np.float32) for task in TASKS},
        reported={task: np.array([task in row.reported for row in rows]) for task in TASKS},
        titles=[row.title or "" for row in rows],
        uris=[row.uri or "" for row in rows],
    )


def _jsonl(path: Path) -> Iterator[Read]:
    decoder = msgspec.json.Decoder(PoolRow)
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            yield f"line {number}", partial(_loose, line), partial(decoder.decode, line)


def _loose(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except ValueError:
        return None


def _parquet(path: Path) -> Iterator[Read]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ValueError(f"{path}: to read Parquet, pip install 'earshot[parquet]'") from error
    number = 0
    try:
        for batch in ParquetFile(path).iter_batches(batch_size=4096):
            for row in batch.to_pylist(maps_as_pydicts="strict"):
                number += 1
                known = _without_empty(row)
                yield f"row {number}", partial(dict, known), partial(msgspec.convert, known, PoolRow)
    except ArrowException as error:
        raise ValueError(f"{path}: not Parquet: {error}") from error


def _without_empty(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a column holds for rows that lack it: None."""
    known = {name: value for name, value in row.items() if value is not None}
    return {
        name: {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value
        for name, value in known.items()
    }


def _id_of(row: object) -> str:
    """As far as a broken row tells."""
    found = row.get("video_id") if isinstance(row, Mapping) else None
    return found if isinstance(found, str) else ""
