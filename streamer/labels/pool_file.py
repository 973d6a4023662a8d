"""A pool as a file, JSONL or Parquet: written whole or not at all; and what it knows of each video, read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from streamer.errors import SettingsError
from streamer.labels.check import Facts
from streamer.labels.files import decoded, read_file, whole, write_lines
from streamer.labels.pool import PoolRow
from streamer.labels.rows import Broken
from streamer.records import TASKS, Modality

if TYPE_CHECKING:
    import pyarrow

#: Rows that are turned into columns at once: about 50 MB of Python numbers with four vectors of 192.
_GROUP_ROWS = 1_024

_PARQUET = ".parquet"
_SUFFIXES = (".jsonl", _PARQUET)


class _Row(msgspec.Struct):
    """What of a pool's row is needed to ask people; its embedding is passed over unread."""

    video_id: str
    title: str | None = None
    uri: str | None = None
    query: str | None = None
    tenant: str | None = None


def check_pool_path(path: Path) -> None:
    """Raises `SettingsError` for an ending that no pool has, and for Parquet where that is not installed."""
    if path.suffix.lower() not in _SUFFIXES:
        came = path.suffix or "without ending"
        raise SettingsError(f"{path}: came a file {came}, expected {' or '.join(_SUFFIXES)}")
    if path.suffix.lower() == _PARQUET:
        _pyarrow(path)


def write_pool(path: Path, rows: Iterable[PoolRow]) -> int:
    """Write a pool in the format of its ending; how many rows. Raises `SettingsError` as `check_pool_path` does."""
    check_pool_path(path)
    if path.suffix.lower() != _PARQUET:
        return write_lines(path, map(msgspec.json.encode, rows))
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

    schema, waiting, count = _schema(), iter(rows), 0
    with whole(path) as file, ParquetWriter(file, schema, compression="zstd") as writer:
        while some := [msgspec.to_builtins(row) for row in islice(waiting, _GROUP_ROWS)]:
            writer.write_table(Table.from_pylist(some, schema))
            count += len(some)
    return count


def read_facts(path: Path) -> tuple[dict[str, Facts], list[Broken]]:
    """What a pool knows of each video, and the rows that are none of a pool. Raises `SettingsError` for no pool."""
    facts: dict[str, Facts] = {}
    broken: list[Broken] = []
    for _, row in _of_parquet(path) if path.suffix.lower() == _PARQUET else _of_lines(path):
        if isinstance(row, Broken):
            broken.append(row)
        else:
            facts[row.video_id] = Facts(row.title or "", row.uri, row.query, row.tenant)
    return facts, broken


def _of_lines(path: Path) -> Iterator[tuple[int, _Row | Broken]]:
    yield from decoded(read_file(path), msgspec.json.Decoder(_Row))


def _of_parquet(path: Path) -> Iterator[tuple[int, _Row | Broken]]:
    _pyarrow(path)
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        file = ParquetFile(path)
        columns = [name for name in _Row.__struct_fields__ if name in file.schema_arrow.names]
        for batch in file.iter_batches(columns=columns):
            for cells in batch.to_pylist():
                number += 1
                try:
                    yield number, msgspec.convert(cells, _Row)
                except msgspec.ValidationError as error:
                    yield number, Broken(number, str(error), cells)
    except (ArrowException, OSError) as error:
        raise SettingsError(f"cannot read {path} as Parquet: {error}") from error


def _schema() -> pyarrow.Schema:
    """The columns that `earshot select` reads; a view, score or label that a row lacks is null."""
    import pyarrow as pa

    texts = [(name, pa.string()) for name in ("bundle", "event_id", "title", "uri", "query", "tenant")]
    vector = pa.list_(pa.float32())
    return pa.schema(
        [
            ("video_id", pa.string()),
            ("embedding", vector),
            ("views", pa.struct([(str(sense), vector) for sense in Modality])),
            ("scores", pa.struct([(str(task), pa.float64()) for task in TASKS])),
            ("labels", pa.struct([(str(task), pa.int8()) for task in TASKS])),
            ("novelty", pa.float64()),
            *texts,
        ]
    )


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise SettingsError(f"{path}: for Parquet, pip install 'earshot[parquet]'") from error
    return pyarrow
