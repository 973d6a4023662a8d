"""Labels of a category: good rows are kept, broken ones are listed with their reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.teaching.told import read_told

POOL = ("a", "b", "clips/c.mp4", "d")


def table(tmp_path: Path, text: str, name: str = "labels.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_rows_name_videos_by_id_or_by_file(tmp_path: Path) -> None:
    told = read_told(table(tmp_path, "Video_ID;file;Value\na;;1\nb;;no\n;c.mp4;yes\n"), "adult", POOL)
    assert told.answers == {"a": True, "b": False, "clips/c.mp4": True} and told.rejected == ()


def test_a_table_of_a_pilot_does_as_well(tmp_path: Path) -> None:
    told = read_told(table(tmp_path, "file,title,clickbait,adult\nc.mp4,a bell,1,0\nd,,,1\n"), "adult", POOL)
    assert told.answers == {"clips/c.mp4": False, "d": True}


def test_lines_of_label_merge_are_taken_and_those_of_other_tasks_passed_over(tmp_path: Path) -> None:
    lines = '{"video_id": "a", "task": "adult", "value": 1}\n{"video_id": "b", "task": "clickbait", "value": 1}\n'
    told = read_told(table(tmp_path, lines, "values.jsonl"), "adult", POOL)
    assert told.answers == {"a": True} and told.rejected == ()


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("zzz,1", "which no video has"),
        (",1", "expected the name of a video"),
        ("d,maybe", "came 'maybe'"),
        ("d,perhaps", "came 'perhaps', expected 0, 1 or nothing"),
        ("a,0", "came another answer, line 2 has it already"),
        ("d,1,2", "cells more than columns"),
    ],
)
def test_broken_rows_are_listed_and_the_others_count(tmp_path: Path, row: str, problem: str) -> None:
    told = read_told(table(tmp_path, f"video_id,value\na,1\n{row}\nb,0\n"), "adult", POOL)
    assert told.answers == {"a": True, "b": False}
    (rejected,) = told.rejected
    assert rejected.place == "line 3" and problem in rejected.problem


def test_what_nobody_has_answered_yet_is_passed_over(tmp_path: Path) -> None:
    lines = '{"video_id": "a", "task": "Adult", "value": 1}\n{"video_id": "b", "task": "adult", "value": null}\n'
    told = read_told(table(tmp_path, lines, "values.jsonl"), "adult", POOL)
    assert told.answers == {"a": True} and told.rejected == ()


def test_a_task_that_is_none_is_told(tmp_path: Path) -> None:
    (rejected,) = read_told(table(tmp_path, "video_id,task,value\na,adults,1\n"), "adult", POOL).rejected
    assert rejected.problem.startswith("task: came 'adults', expected one of")


def test_a_repeated_row_is_no_contradiction(tmp_path: Path) -> None:
    told = read_told(table(tmp_path, "video_id,value\na,1\na,1\n"), "adult", POOL)
    assert told.answers == {"a": True} and told.rejected == ()
