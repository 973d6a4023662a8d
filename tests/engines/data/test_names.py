"""A row finds the video that it means, and no other."""

from __future__ import annotations

import pytest

from engines.data.names import Names, text_of

VIDEOS = ("positives/001.mp4", "more/a.mkv", "top.mp4", "v1", "v1.0", "https://cdn/a/video.mp4")


@pytest.mark.parametrize(
    ("cells", "video"),
    [
        ({"file": "positives/001.mp4"}, "positives/001.mp4"),
        ({"file": "001.mp4"}, "positives/001.mp4"),
        ({"file": "001"}, "positives/001.mp4"),
        ({"file": "positives/001"}, "positives/001.mp4"),
        ({"file": "videos/positives/001.mp4"}, "positives/001.mp4"),
        ({"file": "videos/top.mp4"}, "top.mp4"),
        ({"video_id": "v1"}, "v1"),
        ({"video_id": "v1.0"}, "v1.0"),
        ({"video_id": "https://cdn/a/video.mp4"}, "https://cdn/a/video.mp4"),
        ({"video_id": "v1", "file": "holiday.mp4"}, "v1"),
        ({"file": "a.mkv", "video_id": None}, "more/a.mkv"),
    ],
)
def test_what_is_meant_is_found(cells: dict[str, str], video: str) -> None:
    assert Names(VIDEOS).find(cells) == video


@pytest.mark.parametrize(
    "name", ["negatives/001.mp4", "https://cdn/b/video.mp4", "v1.1", "v", "001.mkv", "ositives/001.mp4", "mp4"]
)
def test_what_is_not_there_is_no_other(name: str) -> None:
    with pytest.raises(ValueError, match="which no video has; expected the path or id of one"):
        Names(VIDEOS).find({"file": name})


def test_a_name_of_two_videos_is_refused_and_an_exact_one_is_not() -> None:
    names = Names(("a.mp4", "clips/a.mp4", "other/a.mp4"))
    assert names.find({"file": "a.mp4"}) == "a.mp4"
    with pytest.raises(ValueError, match="which 3 videos have"):
        names.find({"file": "a"})


def test_a_row_without_a_name_says_so() -> None:
    with pytest.raises(ValueError, match="came neither file nor video_id"):
        Names(VIDEOS).find({"file": " ", "title": "top.mp4"})


def test_cells_are_read_as_words() -> None:
    assert (text_of(None), text_of(["a", 1]), text_of(" x ")) == ("", "a 1", "x")
