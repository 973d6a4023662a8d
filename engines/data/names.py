"""How people call a video in a table: by its id or path, its name, or its name without ending."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

#: Columns that name the video; one of them must be there.
COLUMNS = ("file", "video_id")
#: What ends a name is a kind of file where it has a letter; ids may have numbers behind a dot.
_ENDING = re.compile(r"\.\w*[A-Za-z]\w*")


class Names:
    """Of videos that are there, by path or id."""

    def __init__(self, videos: Collection[str]) -> None:
        self._known = frozenset(videos)
        self._called: dict[str, list[str]] = {}
        for video in videos:
            for name in {*_short(video)}:
                self._called.setdefault(name, []).append(video)

    def find(self, cells: Mapping[str, Any]) -> str:
        """The video that a row is about. Raises `ValueError` when it names none, or more than one."""
        names = [text for column in COLUMNS if (text := text_of(cells.get(column)))]
        if not names:
            raise ValueError(f"came neither {' nor '.join(COLUMNS)}, expected the name of a video")
        for name in names:
            if name in self._known:
                return name
        found = {video for name in names for video in self._meant(name)}
        if len(found) != 1:
            known = f"which {len(found)} videos have: {', '.join(sorted(found)[:3])}" if found else "which no video has"
            raise ValueError(f"came the name {names[0][:80]!r}, {known}; expected the path or id of one")
        return found.pop()

    def _meant(self, name: str) -> list[str]:
        """Videos of a short name; of a longer one those whose path ends with it, or it with theirs."""
        if "/" not in name:
            return self._called.get(name, [])
        own = PurePosixPath(name)
        near = {video for short in _short(own.name) for video in self._called.get(short, [])}
        return [video for video in near if _ends(name, video) or _ends(video, name)]


def text_of(cell: Any) -> str:
    """What a cell says; a list as words in a row, nothing as no text."""
    if isinstance(cell, list):
        return " ".join(map(str, cell))
    return "" if cell is None else str(cell).strip()


def _short(video: str) -> Iterator[str]:
    name = PurePosixPath(video).name
    yield name
    if _ENDING.fullmatch(PurePosixPath(name).suffix):
        yield PurePosixPath(name).stem


def _ends(path: str, other: str) -> bool:
    """Whether a path ends with another, which may lack the ending of its file."""
    suffix = PurePosixPath(path).suffix
    bare = path.removesuffix(suffix) if _ENDING.fullmatch(suffix) else path
    return f"/{path}".endswith(f"/{other}") or f"/{bare}".endswith(f"/{other}")
