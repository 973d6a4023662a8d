"""The bytes of a file with answers -> its rows, whatever of the four formats it is in. Never raises for what is in it.

CSV, JSON lines, and Label Studio's JSON and JSON-MIN exports are told apart by their content. A row that cannot be
read is a value, `Broken`, and the rows behind it are read all the same: also those behind an open quote or behind a
JSON document that breaks off.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from streamer.labels.choices import shown
from streamer.labels.label_studio import is_export, is_min, rows_of_export, rows_of_min
from streamer.records import TASKS

#: A quoted cell may run over so many lines; further on, its quote counts as forgotten.
_MOST_CELL_LINES = 50
_DELIMITERS = ",;\t"
_SPACE = re.compile(r"[\s,]*")
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Row:
    """One answer by the names of its fields; `line` is where it begins, from 1 on."""

    line: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Broken:
    """What is no answer, as it came, and why."""

    line: int
    reason: str
    came: Any


@dataclass(frozen=True, slots=True)
class Passed:
    """A video that was shown to a person who gave no answer."""

    line: int


Found = Row | Broken | Passed


def read_rows(content: bytes) -> tuple[str, Iterator[Found]]:
    """The name of the format and the rows in order."""
    text = _text(content)
    start = text.lstrip()[:1]
    if start == "[":
        items = list(_items(text))
        first = next((item for _, item in items if isinstance(item, dict)), {})
        kind = "label-studio" if is_export(first) else "label-studio-min" if is_min(first) else "json"
        return kind, (row for line, item in items for row in _rows_of(line, item))
    if start == "{":
        lines = list(_lines(text))
        whole = _document(text) if isinstance(lines[0][1], Broken) else None  # one object over many lines
        return "jsonl", (row for line, item in ([(1, whole)] if whole else lines) for row in _rows_of(line, item))
    return "csv", (row for line, item in _cells(text) for row in _rows_of(line, item))


def _text(content: bytes) -> str:
    """As text; bytes that are none in the file's encoding become U+FFFD, which `check.py` refuses in a row."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # as spreadsheets save "Unicode text"
        return content.decode("utf-16", errors="replace")
    return content.decode("utf-8-sig", errors="replace")


def _rows_of(line: int, item: Any) -> Iterator[Found]:
    """The answers in one line or item: an export's task holds one for each annotation, a wide row one for each task."""
    if isinstance(item, Broken):
        yield item
        return
    if not isinstance(item, dict):
        yield Broken(line, f"came {type(item).__name__}, expected an object with video_id, task, value and rater", item)
        return
    if is_export(item) or is_min(item):
        for found in rows_of_export(item) if is_export(item) else rows_of_min(item):
            yield Passed(line) if found is None else _answered(line, found, item)
        return
    if isinstance(item.get("tasks"), list):  # as Label Studio's API answers
        for task in item["tasks"]:
            yield from _rows_of(line, task)
        return
    wide = [task for task in TASKS if item.get(task) not in (None, "")] if "task" not in item else []
    for task in wide:
        yield Row(line, {**item, "task": task, "value": item[task]})
    if not wide:
        yield Row(line, item)


def _answered(line: int, found: Mapping[str, Any] | str, item: Any) -> Row | Broken:
    return Broken(line, found, item) if isinstance(found, str) else Row(line, found)


def _items(text: str) -> Iterator[tuple[int, Any]]:
    """The items of a JSON array, each with its line; what follows a fault is one broken row."""
    decoder = json.JSONDecoder()
    at, line, counted = text.index("[") + 1, 1, 0
    while True:
        at = _after_space(text, at)
        line, counted = line + text.count("\n", counted, at), at
        if text[at : at + 1] in ("]", ""):
            if text[at:].strip() != "]":
                yield line, Broken(line, "the JSON document breaks off: expected ] at its end", text[at : at + 200])
            return
        try:
            item, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield line, Broken(line, f"not JSON from here on: {error}", text[at : at + 200])
            return
        yield line, item


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _lines(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, msgspec.json.decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            yield number, Broken(number, f"not a JSON object: {error}", line[:2_000])


def _document(text: str) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _cells(text: str) -> Iterator[tuple[int, Any]]:
    """The rows of a table with a header line."""
    lines = _LINE_END.split(text)
    first = next((number for number, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return
    delimiter = max(_DELIMITERS, key=lines[first].count)
    header = _split(lines[first], delimiter) or []
    names = [name.strip().lower() for name in header]
    if "video_id" not in names or len(set(names)) < len(names):
        expected = "a header line with video_id, task, value and rater, each once; or JSON"
        yield first + 1, Broken(first + 1, f"came {shown(lines[first])}, expected {expected}", lines[first][:2_000])
        return
    at = first + 1
    while at < len(lines):
        cells, used = _record(lines, at, delimiter, len(names))
        if cells is None:
            yield at + 1, Broken(at + 1, f"not a row of {len(names)} cells like the header", lines[at][:2_000])
        elif any(cell.strip() for cell in cells):
            yield at + 1, dict(zip(names, (cell.strip() for cell in cells), strict=True))
        at += used


def _record(lines: list[str], at: int, delimiter: str, width: int) -> tuple[list[str] | None, int]:
    """The cells of the row that begins at a line, and how many lines it takes; None for what is no such row.

    A quote may span lines, but only where that gives a whole row: a forgotten one costs its own line, not the rest.
    """
    if not lines[at].strip():
        return [], 1
    quoted = lines[at].count('"') % 2 == 1
    for used in range(1, (_MOST_CELL_LINES if quoted else 1) + 1):
        if at + used > len(lines):
            break
        cells = _split("\n".join(lines[at : at + used]), delimiter)
        if cells is not None:
            return (cells, used) if len(cells) == width else (None, 1)
    return None, 1


def _split(record: str, delimiter: str) -> list[str] | None:
    """The cells of one record; None where it is not CSV, or more than one record."""
    try:
        rows = list(csv.reader([record], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None
