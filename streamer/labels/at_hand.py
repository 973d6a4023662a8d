"""The files of requested videos that lie on this machine, only under folders that somebody named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from streamer.records import LabelRequest


def files_at_hand(folders: Sequence[Path]) -> Mapping[str, Path]:
    """Every regular file below the folders, by its name and by its name without the ending; the first of a name counts.

    A link that leads out of its folder is left out.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        root = folder.resolve()
        for path in sorted(root.rglob("*")):
            real = path.resolve()
            if real.is_file() and real.is_relative_to(root):
                found.setdefault(path.name, real)
                found.setdefault(path.stem, real)
    return found


def file_of(request: LabelRequest, files: Mapping[str, Path]) -> Path | None:
    """The file that is called like the video, or like the end of its address."""
    address = unquote((request.uri or "").rpartition("/")[2])
    return files.get(request.video_id) or files.get(address)
