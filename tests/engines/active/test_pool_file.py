"""Pools from files: good rows are kept, broken ones are listed with their reasons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.active.pool_file import read_pool, write_rejected

ROW = {"video_id": "v", "embedding": [3.0, 4.0]}


def written(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def rows(count: int) -> list[dict[str, Any]]:
    return [{"video_id": f"v{n}", "embedding": [1.0, float(n)]} for n in range(count)]


def test_everything_a_row_may_have_arrives(tmp_path: Path) -> None:
    full = {
        **ROW,
        "views": {"vision": [1.0, 0.0, 0.0], "audio": [0.0, 2.0]},
        "scores": {"clickbait": 0.25},
        "labels": {"clickbait": 1, "adult": 0},
        "reported": ["adult"],
        "title": "A bell",
        "uri": "s3://bucket/bell.mp4",
        "bundle": "b" * 64,
    }
    silent = {"video_id": "w", "embedding": [0.0, 1.0], "views": {"vision": [0.0, 5.0, 0.0]}, "bundle": "b" * 64}
    pool, rejected = read_pool(written(tmp_path / "pool.jsonl", [full, silent]))
    assert rejected == []
    assert (pool.ids, pool.bundle, pool.titles[0], pool.uris[0]) == (["v", "w"], "b" * 64, "A bell", full["uri"])
    assert np.allclose(pool.embedding_ND, [[0.6, 0.8], [0, 1]])
    assert np.allclose(pool.views["audio"], [[0, 1], [0, 0]])  # who lacks a sense is like nobody in it
    situation = pool.situation("clickbait")
    assert np.allclose(situation.score_N, [0.25, np.nan], equal_nan=True)
    assert np.allclose(situation.label_N, [1, np.nan], equal_nan=True)
    assert pool.situation("adult").reported.tolist() == []  # a reviewer has said no since
    assert pool.situation("relevance").unlabelled.tolist() == [0, 1]


def test_jsonl_and_parquet_say_the_same(tmp_path: Path) -> None:
    from pyarrow import Table
    from pyarrow.parquet import write_table

    table = [
        {**ROW, "scores": {"adult": 0.5, "clickbait": None}, "labels": {"adult": 1}, "views": {"audio": [1.0, 1.0]}},
        {"video_id": "w", "embedding": [1.0, 0.0], "scores": None, "labels": {"adult": None}, "views": None},
    ]
    write_table(Table.from_pylist(table), tmp_path / "pool.parquet")
    first, none = read_pool(tmp_path / "pool.parquet")
    plain = [{**ROW, "scores": {"adult": 0.5}, "labels": {"adult": 1}, "views": {"audio": [1, 1]}}]
    second, _ = read_pool(written(tmp_path / "pool.jsonl", [*plain, {"video_id": "w", "embedding": [1, 0]}]))
    assert none == []
    for task in ("adult", "clickbait"):
        one, other = first.situation(task), second.situation(task)
        assert np.array_equal(one.embedding_ND, other.embedding_ND)
        assert np.array_equal(one.score_N, other.score_N, equal_nan=True)
        assert np.array_equal(one.label_N, other.label_N, equal_nan=True)
        assert np.array_equal(one.views["audio"], other.views["audio"])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{no json", "JSON is malformed"),
        ("[1, 2]", "Expected `object`"),
        ({"embedding": [1, 2]}, "missing required field `video_id`"),
        ({**ROW, "video_id": ""}, "video_id: came nothing"),
        ({**ROW, "video_id": "v0"}, "video_id: came again, line 1 has it already"),
        ({**ROW, "embedding": [1.0]}, "embedding: came 1 values, expected 2"),
        ({**ROW, "embedding": []}, "embedding: came 0 values"),
        ({**ROW, "embedding": [0, 0]}, "embedding: came zeros only"),
        ('{"video_id": "v", "embedding": [1e999, 1]}', "out of range"),
        ('{"video_id": "v", "embedding": [NaN, 1]}', "JSON is malformed"),
        ({**ROW, "scores": {"adult": 1.5}}, "scores.adult: came 1.5"),
        ({**ROW, "labels": {"adult": 2}}, "labels.adult: came 2, expected 0 or 1"),
        ({**ROW, "labels": {"spam": 1}}, "tasks: came 'spam', expected some of clickbait, adult, relevance"),
        ({**ROW, "views": {"smell": [1]}}, "views: came 'smell', expected some of vision, audio, text"),
        ({**ROW, "bundle": "other"}, "bundle: came other, expected none as in the first row"),
    ],
)
def test_a_broken_row_is_told_and_the_others_stay(row: Any, told: str, tmp_path: Path) -> None:
    good = rows(3)
    pool, rejected = read_pool(written(tmp_path / "pool.jsonl", [*good[:2], row, good[2]]))
    assert pool.ids == ["v0", "v1", "v2"]
    assert [one.place for one in rejected] == ["line 3"]
    assert told in rejected[0].problem


def test_a_parquet_row_with_nan_is_told(tmp_path: Path) -> None:
    from pyarrow import Table
    from pyarrow.parquet import write_table

    write_table(
        Table.from_pylist([*rows(2), {"video_id": "x", "embedding": [1.0, float("nan")]}]), tmp_path / "p.parquet"
    )
    pool, rejected = read_pool(tmp_path / "p.parquet")
    assert len(pool) == 2
    assert [(one.place, one.video_id) for one in rejected] == [("row 3", "x")]
    assert "NaN" in rejected[0].problem


def test_a_third_of_broken_rows_costs_those_rows_only(tmp_path: Path) -> None:
    lines: list[Any] = [row if n % 3 else "garbage" for n, row in enumerate(rows(30))]
    pool, rejected = read_pool(written(tmp_path / "pool.jsonl", lines))
    listed = write_rejected(tmp_path / "rejected.jsonl", rejected).read_text().splitlines()
    assert (len(pool), len(listed)) == (20, 10)
    assert json.loads(listed[0])["place"] == "line 1"


def test_a_file_without_a_good_row_and_one_that_is_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"came 2 rows and none is good.*line 1: JSON is malformed"):
        read_pool(written(tmp_path / "pool.jsonl", ["a", "b"]))
    with pytest.raises(ValueError, match="came 0 rows"):
        read_pool(written(tmp_path / "empty.jsonl", []))
    with pytest.raises(ValueError, match=r"came a file \.csv, expected \.jsonl, \.parquet"):
        read_pool(tmp_path / "pool.csv")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="not Parquet"):
        read_pool(tmp_path / "broken.parquet")
