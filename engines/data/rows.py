"""Tables of users read row by row: CSV, JSONL or Parquet. A broken row is a value, so that the good ones go on."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

#: What may stand between cells: spreadsheets write the first or, where a comma is the decimal sign, the second.
_SEPARATORS = ",;\t"
#: Where cells go that have no column.
_SURPLUS = "more cells than columns"
#: A quoted cell may run over so many lines; further on, its quote counts as forgotten.
_MOST_LINES = 50
_ANSWERS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True, "no": False, "yes": True}
#: Characters of a broken line that are kept.
_SHOWN = 2_000


@dataclass(frozen=True, slots=True)
class Good:
    """Cells by column. `place` says where in the file: "line 7"."""

    place: str
    cells: dict[str, Any]

    def by_lower_name(self) -> dict[str, Any]:
        """The same, whatever case the names of its columns are in. Raises `ValueError` for two that are one then."""
        lowered = {str(name).lower(): cell for name, cell in self.cells.items()}
        if len(lowered) < len(self.cells):
            raise ValueError(f"came columns {', '.join(map(str, self.cells))}, expected each name once in any case")
        return lowered


class Bad(msgspec.Struct, frozen=True):
    """A row that cannot be used: where it is, what is wrong with it, and the row as it came."""

    place: str
    problem: str
    row: Any = None


def read_rows(table: Path) -> Iterator[Good | Bad]:
    """Every row of a table, in order. Raises `ValueError` for a file that is no table, `OSError` for none.

    Cells of CSV may be parted by commas, semicolons or tabs.
    """
    readers: dict[str, Callable[[Path], Iterator[Good | Bad]]] = {
        ".csv": _csv,
        ".jsonl": _jsonl,
        ".parquet": _parquet,
    }
    reader = readers.get(table.suffix.lower())
    if reader is None:
        raise ValueError(f"{table}: came a file {table.suffix or 'without ending'}, expected {', '.join(readers)}")
    return reader(table)


def take_rows(table: Path, take: Callable[[str, dict[str, Any]], None]) -> tuple[Bad, ...]:
    """Give the place and the cells of each row, by names in lower case, to `take`; the rows that cannot be used.

    These are broken ones, and those for which `take` raises `ValueError`. Raises as `read_rows`.
    """
    rejected = []
    for row in read_rows(table):
        if isinstance(row, Bad):
            rejected.append(row)
            continue
        try:
            take(row.place, row.by_lower_name())
        except ValueError as error:
            rejected.append(Bad(row.place, str(error), row.cells))
    return tuple(rejected)


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


def yes_or_no(name: str, text: str) -> bool:
    """What a cell says. Raises `ValueError` for what is neither."""
    answer = _ANSWERS.get(text.lower())
    if answer is None:
        raise ValueError(f"{name}: came {text[:40]!r}, expected 0, 1 or nothing")
    return answer


def _csv(table: Path) -> Iterator[Good | Bad]:
    lines = list(io.StringIO(_text(table), newline=""))
    separator = _separator(lines)
    columns: list[str] | None = None
    at = 0
    while at < len(lines):
        cells, used = _record(lines, at, separator, columns)
        at += used
        place = f"line {at}"
        if cells is None and columns is None:
            raise ValueError(f"{table}, {place}: not CSV, expected a line with the names of the columns")
        if cells is None:
            yield Bad(place, "not CSV: a quote that is not closed, or a cell that is too long", lines[at - 1][:_SHOWN])
        elif not cells:
            continue
        elif columns is None:
            columns = _columns(table, place, cells)
        elif len(cells) > len(columns):
            surplus = cells[len(columns) :]
            whole = {**dict(zip(columns, cells, strict=False)), _SURPLUS: surplus}
            yield Bad(place, f"came {len(surplus)} cells more than columns", whole)
        else:
            yield Good(place, dict(zip_longest(columns, cells)))


def _text(table: Path) -> str:
    content = table.read_bytes()
    encoding = "utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"{table}: not UTF-8: {error}; save it as CSV in UTF-8") from error


def _separator(lines: Sequence[str]) -> str:
    """What stands most often in the line with the names of the columns; a comma where nothing does."""
    header = next((line for line in lines if line.strip()), "")
    return max(_SEPARATORS, key=header.count)


def _columns(table: Path, place: str, cells: Sequence[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise ValueError(f"{table}, {place}: came column {twice[0][:80]!r} more than once, expected each once")
    return columns


def _record(
    lines: Sequence[str], at: int, separator: str, columns: Sequence[str] | None
) -> tuple[list[str] | None, int]:
    """The cells of the row that begins at a line, and how many lines it takes; None for what is no row.

    A quote may span lines, but only where that gives a whole row: a forgotten one costs its own line, not the rest.
    """
    open_quote = lines[at].count('"') % 2 == 1
    for used in range(1, min(_MOST_LINES if open_quote else 1, len(lines) - at) + 1):
        try:
            rows = list(csv.reader(lines[at : at + used], delimiter=separator, strict=True))
        except csv.Error:
            continue
        if len(rows) == 1 and (used == 1 or columns is None or len(rows[0]) == len(columns)):
            return rows[0], used
    return None, 1


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
