"""A user's own table: every mistake is told with its place, and nothing is guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from engines.cli.dataset import app
from engines.data.public.manifest import Labels, read_rows
from engines.data.public.table import MOST_ERRORS, TableError, read_table

FULL = {
    "uri": "s3://videos/1.mp4",
    "title": "A title, with a comma",
    "hashtags": "one two",
    "query": "a query",
    "clickbait": "1",
    "relevance": "2",
    "tenant": "acme",
    "split": "val",
}


def write(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str, name: str = "table.csv") -> tuple[str, ...]:
    with pytest.raises(TableError) as caught:
        read_table(write(folder, text, name))
    return caught.value.problems


def csv_text(*rows: dict[str, str]) -> str:
    columns = list(rows[0])
    lines = [",".join(f'"{row[column]}"' for column in columns) for row in rows]
    return "\n".join([",".join(columns), *lines]) + "\n"


def test_csv_jsonl_and_parquet_mean_the_same(tmp_path: Path) -> None:
    typed = {**FULL, "clickbait": 1, "relevance": 2, "hashtags": ["one", "two"], "adult": None}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([typed]), tmp_path / "table.parquet")
    tables = [
        write(tmp_path, csv_text(FULL)),
        write(tmp_path, json.dumps(typed) + "\n", "table.jsonl"),
        tmp_path / "table.parquet",
    ]
    rows = [read_table(table) for table in tables]
    assert rows[0] == rows[1] == rows[2]
    row = rows[0][0]
    assert row.labels == Labels(clickbait=1, adult=None, relevance=2)
    assert (row.split, row.tenant, row.hashtags) == ("val", "acme", ("one", "two"))
    assert row.title == "A title, with a comma"


def test_what_is_empty_is_unknown(tmp_path: Path) -> None:
    row = read_table(write(tmp_path, "uri,clickbait,query\nhttps://host/a.mp4,,\n"))[0]
    assert row.labels == Labels()
    assert row.query is None
    assert row.fields["query"] == ""


def test_a_file_beside_the_table_becomes_a_uri(tmp_path: Path) -> None:
    (tmp_path / "a clip.mp4").write_bytes(b"video")
    row = read_table(write(tmp_path, "uri\na clip.mp4\n"))[0]
    assert row.uri == f"file://{tmp_path.resolve()}/a clip.mp4"


def test_every_problem_has_place_column_what_came_and_what_was_expected(tmp_path: Path) -> None:
    text = (
        "uri,title,clickbait,adult,relevance,split\n"
        "https://host/a.mp4,fine,1,0,3,train\n"
        "https://host/b.mp4,bad,2,yes,1.5,dev\n"
        ",no uri,,,,\n"
        "ftp://host/secret.mp4,scheme,,,,\n"
        "nowhere.mp4,file,,,,\n"
        "https://host/a.mp4,again,,,,\n"
    )
    schemes = "file, http, https, s3, gs, az, abfs, abfss"
    assert problems(tmp_path, text) == (
        "line 3, split: came 'dev', expected one of train, val, test, or nothing",
        "line 3, clickbait: came '2', expected a whole number from 0 to 1, or nothing",
        "line 3, adult: came 'yes', expected a whole number from 0 to 1, or nothing",
        "line 3, relevance: came '1.5', expected a whole number from 0 to 3, or nothing",
        f"line 4, uri: came nothing, expected a path, or a URI of {schemes}",
        f"line 5, uri: came scheme ftp, expected one of {schemes}",
        "line 6, uri: came a path, expected that of a file that is there",
        "line 7, uri: came a repeated one, expected one that line 2 does not have",
    )


def test_an_unknown_column_is_told_once(tmp_path: Path) -> None:
    (only,) = problems(tmp_path, "uri,adlut\nhttps://host/a.mp4,1\nhttps://host/b.mp4,1\n")
    assert only.startswith("line 2: came a column 'adlut', expected some of uri, title")


def test_a_group_on_both_sides_is_refused(tmp_path: Path) -> None:
    text = "uri,group,split\nhttps://host/a.mp4,anna,train\nhttps://host/b.mp4,anna,test\n"
    assert problems(tmp_path, text)[0].startswith("line 3, split: came 'test', expected train, where line 2 has put")


def test_open_splits_are_drawn_by_group(tmp_path: Path) -> None:
    lines = "".join(f"https://host/{number}.mp4,g{number % 100}\n" for number in range(400))
    table = write(tmp_path, f"uri,group\n{lines}")
    rows = read_table(table, seed=1)
    splits = {row.groups: row.split for row in rows}
    assert all(splits[row.groups] == row.split for row in rows)
    train = sum(row.split == "train" for row in rows)
    assert 0.7 * 400 < train < 0.9 * 400
    assert [row.split for row in read_table(table, seed=2)] != [row.split for row in rows]


def test_texts_must_be_texts(tmp_path: Path) -> None:
    line = json.dumps({"uri": "https://host/a.mp4", "title": 5, "adult": True})
    (only,) = problems(tmp_path, line, "table.jsonl")
    assert only == "line 1, title: came 5, expected text"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("table.txt", "uri\n", r"came a file \.txt, expected \.csv, \.jsonl, \.parquet"),
        ("table.csv", "uri\n", "came no rows"),
        ("table.jsonl", '{"uri": \n', "line 1: not a JSON object"),
        ("table.parquet", "uri", "not Parquet"),
    ],
)
def test_what_is_no_table_is_told(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_table(write(tmp_path, text, name))


def test_the_command_shows_the_first_problems_and_ends_with_1(tmp_path: Path) -> None:
    table = write(tmp_path, "uri\n" + "nowhere.mp4\n" * 50)
    done = CliRunner().invoke(app, ["check", str(table), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == MOST_ERRORS + 2
    assert "and 79 more" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_command_writes_a_dataset(tmp_path: Path) -> None:
    table = write(tmp_path, csv_text(FULL))
    done = CliRunner().invoke(app, ["check", str(table), "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["summary"]["splits"]["val"]["labels"]["adult"] == {"unknown": 1}
    assert read_rows(tmp_path / "out") == read_table(table)
