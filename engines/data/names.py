"""How people call a video in a table: by its path, its name, or its name without ending."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

#: Columns that name the video; one of them must be there.
COLUMNS = ("file", "video_id")


class Names:
    """Of videos that are there, by path or id."""

    def __init__(self, videos: Collection[str]) -> None:
        self._videos: dict[str, list[str]] = {}
        for video in videos:
            path = PurePosixPath(video)
            for name in {video, path.name, path.stem, str(path.with_suffix("")) if path.name else video}:
                self._videos.setdefault(name, []).append(video)

    def find(self, cells: Mapping[str, Any]) -> str:
        """The video that a row is about. Raises `ValueError` when it names none, or more than one."""
        name = next((text for column in COLUMNS if (text := text_of(cells.get(column)))), "")
        if not name:
            raise ValueError(f"came neither {' nor '.join(COLUMNS)}, expected the name of a video")
        found = self._videos.get(name, self._videos.get(PurePosixPath(name).name, []))
        if len(found) != 1:
            known = "which no video has" if not found else f"which {len(found)} videos have: {', '.join(found[:3])}"
            raise ValueError(f"came the name {name[:80]!r}, {known}; expected a path relative to the folder")
        return found[0]


def text_of(cell: Any) -> str:
    """What a cell says; a list as words in a row, nothing as no text."""
    if isinstance(cell, list):
        return " ".join(map(str, cell))
    return "" if cell is None else str(cell).strip()
