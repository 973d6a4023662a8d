"""A user's own table of videos and labels: read, checked row by row, and turned into the rows of a dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engines.data.public.manifest import SPLITS, Labels, Row, Split
from engines.data.rows import Bad, read_rows

#: Every column there may be; only `uri` must be.
COLUMNS = (
    *("uri", "title", "description", "hashtags", "query", "clickbait", "adult", "relevance"),
    *("tenant", "split", "group", "clip_id"),
)
#: Highest value of each label; 0 is the lowest.
HIGHEST = {"clickbait": 1, "adult": 1, "relevance": 3}
SCHEMES = ("file", "http", "https", "s3", "gs", "az", "abfs", "abfss")
MOST_ERRORS = 20
#: Parts of the rows of which the table leaves the split open.
OPEN_SHARES: Mapping[Split, float] = {"train": 0.8, "val": 0.1, "test": 0.1}


class TableError(ValueError):
    """What is wrong with a table; each of `problems` names a row, a column, what came and what was expected."""

    def __init__(self, table: Path, problems: Sequence[str]) -> None:
        shown, more = problems[:MOST_ERRORS], len(problems) - MOST_ERRORS
        lines = [f"{table}: {len(problems)} problems", *shown, *([f"and {more} more"] if more > 0 else [])]
        super().__init__("\n  ".join(lines))
        self.problems = tuple(problems)


@dataclass
class _Reading:
    """Rows so far, and what was wrong with them."""

    folder: Path
    problems: list[str] = field(default_factory=list)
    uris: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    groups: dict[str, tuple[Split, str]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    def wrong(self, place: str, column: str, came: str, expected: str) -> None:
        self.problems.append(f"{place}, {column}: came {came}, expected {expected}")


def read_table(table: Path, *, seed: int = 1) -> list[Row]:
    """The rows of a CSV, JSONL or Parquet file. Empty cells are unknown; a missing split is drawn by group or uri.

    Raises `TableError` with all problems found, `ValueError` for a file that is no table.
    """
    reading = _Reading(table.resolve().parent)
    rows = []
    for came in read_rows(table):
        before = len(reading.problems)
        if isinstance(came, Bad):
            reading.problems.append(f"{came.place}: {came.problem}")
            continue
        try:
            cells = came.by_lower_name()
        except ValueError as error:
            reading.problems.append(f"{came.place}: {error}")
            continue
        row = _row(came.place, cells, reading, seed)
        if len(reading.problems) == before:
            rows.append(row)
    if not rows and not reading.problems:
        raise ValueError(f"{table}: came no rows, expected at least one")
    if reading.problems:
        raise TableError(table, reading.problems)
    return rows


def _row(place: str, cells: Mapping[str, Any], reading: _Reading, seed: int) -> Row:
    for column in sorted(cells.keys() - {*COLUMNS, *reading.unknown}):
        reading.unknown.add(column)
        reading.problems.append(f"{place}: came a column {_shown(column)}, expected some of {', '.join(COLUMNS)}")
    text = {name: _text(place, name, cells.get(name), reading) for name in COLUMNS if name not in HIGHEST}
    uri = _uri(place, text["uri"], reading)
    group = text["group"] or hashlib.sha256(uri.encode()).hexdigest()[:16]
    split = _split(place, text["split"], group, reading, seed)
    clip_id = text["clip_id"] or hashlib.sha256(uri.encode()).hexdigest()[:16]
    for column, value, known in (("uri", uri, reading.uris), ("clip_id", text["clip_id"], reading.ids)):
        if value and known.setdefault(value, place) != place:
            reading.wrong(place, column, "a repeated one", f"one that {known[value]} does not have")
    return Row(
        clip_id=clip_id,
        uri=uri,
        split=split,
        title=text["title"],
        description=text["description"],
        hashtags=tuple(text["hashtags"].split()),
        query=text["query"] or None,
        labels=Labels(**{name: _label(place, name, cells.get(name), reading) for name in HIGHEST}),
        tenant=text["tenant"] or None,
        groups=(f"group:{group}",),
    )


def _text(place: str, column: str, value: Any, reading: _Reading) -> str:
    if column == "hashtags" and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    if value is None or isinstance(value, str):
        return (value or "").strip()
    reading.wrong(place, column, _shown(value), "text")
    return ""


def _label(place: str, column: str, value: Any, reading: _Reading) -> int | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if number in range(HIGHEST[column] + 1):
        return int(number)
    reading.wrong(place, column, _shown(value), f"a whole number from 0 to {HIGHEST[column]}, or nothing")
    return None


def _uri(place: str, value: str, reading: _Reading) -> str:
    """As it is, or the path of a file beside the table as a `file://` URI. Never shown: it may carry a secret."""
    scheme = urlsplit(value).scheme if "://" in value else ""
    if not value:
        reading.wrong(place, "uri", "nothing", f"a path, or a URI of {', '.join(SCHEMES)}")
    elif scheme and scheme not in SCHEMES:
        reading.wrong(place, "uri", f"scheme {scheme}", f"one of {', '.join(SCHEMES)}")
    elif not scheme or scheme == "file":
        path = Path(urlsplit(value).path) if scheme else reading.folder / value
        if not path.is_file():
            reading.wrong(place, "uri", "a path", "that of a file that is there")
        return f"file://{path}"
    return value


def _split(place: str, value: str, group: str, reading: _Reading, seed: int) -> Split:
    given = next((split for split in SPLITS if split == value), None)
    if value and given is None:
        reading.wrong(place, "split", _shown(value), f"one of {', '.join(SPLITS)}, or nothing")
    split = given or _drawn_split(group, seed)
    first, where = reading.groups.setdefault(group, (split, place))
    if first == split:
        return split
    if given is None:
        return first
    expected = f"{first}, where {where} has put this group, as tests must not know what they ask"
    reading.wrong(place, "split", _shown(value), expected)
    return split


def _drawn_split(group: str, seed: int) -> Split:
    at = int.from_bytes(hashlib.sha256(f"{seed}:{group}".encode()).digest()[:8], "big") / 2**64
    for split in SPLITS:
        at -= OPEN_SHARES[split]
        if at < 0:
            return split
    return "train"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
