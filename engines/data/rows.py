"""Tables of users read row by row: CSV, JSONL or Parquet. A broken row is a value, so that the good ones go on."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

#: Where cells go that have no column.
_SURPLUS = "more cells than columns"


@dataclass(frozen=True, slots=True)
class Good:
    """Cells by column. `place` says where in the file: "line 7"."""

    place: str
    cells: dict[str, Any]


class Bad(msgspec.Struct, frozen=True):
    """A row that cannot be used: where it is, what is wrong with it, and the row as it came."""

    place: str
    problem: str
    row: Any = None


def read_rows(table: Path) -> Iterator[Good | Bad]:
    """Every row of a table, in order. Raises `ValueError` for a file that is no table, `OSError` for none."""
    readers: dict[str, Callable[[Path], Iterator[Good | Bad]]] = {
        ".csv": _csv,
        ".jsonl": _jsonl,
        ".parquet": _parquet,
    }
    reader = readers.get(table.suffix.lower())
    if reader is None:
        raise ValueError(f"{table}: came a file {table.suffix or 'without ending'}, expected {', '.join(readers)}")
    return reader(table)


def write_rejected(rejected: Sequence[Bad], path: Path) -> Path | None:
    """List broken rows in a file, one JSON object a line; without any, the file of an earlier call goes."""
    if not rejected:
        path.unlink(missing_ok=True)
        return None
    write_whole(path, msgspec.json.Encoder(enc_hook=str).encode_lines(rejected))
    return path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _csv(table: Path) -> Iterator[Good | Bad]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, restkey=_SURPLUS, strict=True)
            for cells in rows:
                place = f"line {rows.line_num}"
                if _SURPLUS in cells:
                    yield Bad(place, f"came {len(cells[_SURPLUS])} cells more than columns", cells)
                else:
                    yield Good(place, dict(cells))
    except UnicodeDecodeError as error:
        raise ValueError(f"{table}: not UTF-8: {error}") from error
    except csv.Error as error:
        raise ValueError(f"{table}, line {rows.line_num}: not CSV: {error}") from error


def _jsonl(table: Path) -> Iterator[Good | Bad]:
    with table.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            place = f"line {number}"
            try:
                yield Good(place, msgspec.json.decode(line, type=dict[str, Any]))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                yield Bad(place, f"not a JSON object: {error}", line.decode("utf-8", "replace").strip())


def _parquet(table: Path) -> Iterator[Good | Bad]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ValueError(f"{table}: to read Parquet, pip install 'earshot[parquet]'") from error
    number = 0
    try:
        for batch in ParquetFile(table).iter_batches():
            for cells in batch.to_pylist():
                number += 1
                yield Good(f"row {number}", cells)
    except ArrowException as error:
        raise ValueError(f"{table}: not Parquet: {error}") from error
