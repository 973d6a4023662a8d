"""A broken row costs itself and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.data.rows import Bad, Good, read_rows


def rows(folder: Path, text: str) -> list[Good | Bad]:
    path = folder / "table.csv"
    path.write_bytes(text.encode())
    return list(read_rows(path))


def test_a_forgotten_quote_costs_its_own_line(tmp_path: Path) -> None:
    found = rows(tmp_path, 'a,b\n1,2\n"3,4\n' + "5,6\r\n" * 200)
    assert [row.place for row in found if isinstance(row, Bad)] == ["line 3"]
    assert [row.cells for row in found if isinstance(row, Good)] == [
        {"a": "1", "b": "2"},
        *[{"a": "5", "b": "6"}] * 200,
    ]


def test_a_quoted_cell_may_hold_a_line_end(tmp_path: Path) -> None:
    assert rows(tmp_path, 'a,b\n"1\n\n2","say ""x"""\n\n3\n') == [
        Good("line 4", {"a": "1\n\n2", "b": 'say "x"'}),
        Good("line 6", {"a": "3", "b": None}),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_spreadsheets_of_every_kind_are_read(tmp_path: Path, separator: str, encoding: str) -> None:
    lines = ["File ,adult,title", 'süß.mp4,1,"one, two; three"', "b.mp4,0,"]
    quoted = [line.split('"') for line in lines]
    text = "\r\n".join('"'.join([parts[0].replace(",", separator), *parts[1:]]) for parts in quoted)
    path = tmp_path / "table.csv"
    path.write_bytes(f"{text}\r\n".encode(encoding))
    assert [row.cells for row in read_rows(path) if isinstance(row, Good)] == [
        {"File": "süß.mp4", "adult": "1", "title": "one, two; three"},
        {"File": "b.mp4", "adult": "0", "title": ""},
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"file,adult,file\na,1,b\n", "line 1: came column 'file' more than once"),
        ("file\nsüß.mp4\n".encode("latin-1"), "save it as CSV in UTF-8"),
    ],
)
def test_what_would_be_read_wrongly_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=told):
        list(read_rows(path))


def test_a_row_that_is_too_long_is_told_with_its_place(tmp_path: Path) -> None:
    (found,) = rows(tmp_path, "a\n1,2\n")
    assert isinstance(found, Bad) and (found.place, found.problem) == ("line 2", "came 1 cells more than columns")


def test_names_that_are_one_in_another_case_are_refused() -> None:
    assert Good("line 2", {"File": "a", "ADULT": 1}).by_lower_name() == {"file": "a", "adult": 1}
    with pytest.raises(ValueError, match="came columns File, file, expected each name once"):
        Good("line 2", {"File": "a", "file": "b"}).by_lower_name()
