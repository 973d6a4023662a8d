"""A user's labels: every way to name a video, and every way to get a row wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.pilot.labels import read_labels

FILES = ("a.mp4", "b.mp4", "in/c.mp4", "in/d.mp4", "out/d.mp4")


def table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_video_is_named_by_path_name_or_stem(tmp_path: Path) -> None:
    labels = read_labels(
        table(tmp_path, "file,adult\na.mp4,1\nb,0\nc.mp4,yes\nout/d.mp4,No\n/elsewhere/videos/b.mp4,0\n"), FILES
    )
    assert {file: label.answers for file, label in labels.by_file.items()} == {
        "a.mp4": {"adult": True},
        "b.mp4": {"adult": False},
        "in/c.mp4": {"adult": True},
        "out/d.mp4": {"adult": False},
    }
    assert [row.problem for row in labels.rejected] == [
        "b.mp4: came a repeated video, line 3 has it already and counts"
    ]


def test_empty_cells_are_open_and_words_travel_along(tmp_path: Path) -> None:
    text = "video_id,title,query,clickbait,adult,relevance,mood\na,You won't,bell,1,,0,sad\n"
    labels = read_labels(table(tmp_path, text), FILES)
    label = labels.by_file["a.mp4"]
    assert label.answers == {"clickbait": True, "relevance": False}
    assert label.words == {"title": "You won't", "query": "bell"}
    assert labels.unused == ("mood",)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("x.mp4,,1,,", "came the name 'x.mp4', which no video has; expected the path or id of one"),
        ("d.mp4,,1,,", "came the name 'd.mp4', which 2 videos have: in/d.mp4, out/d.mp4; expected the path"),
        (",,1,,", "came neither file nor video_id, expected the name of a video"),
        ("b.mp4,,,,", "came no label, expected 0 or 1 for at least one of clickbait, adult, relevance"),
        ("b.mp4,,2,,", "clickbait: came '2', expected 0, 1 or nothing"),
        ("b.mp4,,,,1", "came a label of relevance without a query, expected the query that it answers"),
        ("a.mp4,,0,,", "a.mp4: came a video with another answer, line 2 has it already and counts"),
        ("b.mp4,,1,,,7", "came 1 cells more than columns"),
    ],
)
def test_a_broken_row_is_kept_apart_and_says_why(tmp_path: Path, row: str, problem: str) -> None:
    labels = read_labels(table(tmp_path, f"file,query,clickbait,adult,relevance\na.mp4,,1,,\n{row}\n"), FILES)
    assert list(labels.by_file) == ["a.mp4"]
    (rejected,) = labels.rejected
    assert rejected.place == "line 3" and rejected.problem.startswith(problem)


def test_without_any_usable_row_it_says_why(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"came no usable label.*first: line 2: came the name 'x.mp4'"):
        read_labels(table(tmp_path, "file,adult\nx.mp4,1\n"), FILES)
    with pytest.raises(ValueError, match=r"came no usable label.*came no label"):
        read_labels(table(tmp_path, "file,adlt\na.mp4,1\n"), FILES)
    with pytest.raises(ValueError, match=r"came a file .txt, expected .csv, .jsonl, .parquet"):
        read_labels(table(tmp_path, "", "labels.txt"), FILES)
