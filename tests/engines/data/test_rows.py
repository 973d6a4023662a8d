"""A broken row costs itself and nothing else."""

from __future__ import annotations

from pathlib import Path

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


def test_a_row_that_is_too_long_is_told_with_its_place(tmp_path: Path) -> None:
    (found,) = rows(tmp_path, "a\n1,2\n")
    assert isinstance(found, Bad) and (found.place, found.problem) == ("line 2", "came 1 cells more than columns")
