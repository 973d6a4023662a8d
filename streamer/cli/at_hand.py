"""Media at hand: files and folders of this machine, and URIs, as commands take them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from streamer.settings import Settings

#: What is taken for a video in a folder; FFmpeg decides whether it is one.
ENDINGS = frozenset(
    [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv", ".ts", ".mpg", ".mpeg", ".3gp", ".wmv", ".ogv"]
)


def find_videos(folder: Path) -> list[str]:
    """Paths below the folder, relative to it and in order. Raises `ValueError` when there is none."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: came no folder, expected one of videos")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    if not files:
        raise ValueError(f"{folder}: came no video, expected files that end in {', '.join(sorted(ENDINGS))}")
    return files


def media_of(items: Sequence[str]) -> list[str]:
    """The same with the videos of each folder in its place. Raises `SettingsError` (fatal) for a folder without any."""
    from streamer.errors import SettingsError

    found: list[str] = []
    for item in items:
        if "://" in item or not Path(item).is_dir():
            found.append(item)
            continue
        try:
            found += [str(Path(item) / file) for file in find_videos(Path(item))]
        except ValueError as error:
            raise SettingsError(str(error)) from error
    return found


def uri_of(item: str) -> str:
    """The address of a file, or what is one already."""
    return item if "://" in item else Path(item).resolve().as_uri()


def readable(settings: Settings, uris: Iterable[str]) -> Settings:
    """Settings under which the files that were named may be read; a service reads only under configured roots."""
    parts = [urlsplit(uri) for uri in uris]
    folders = {Path(unquote(part.path)).parent for part in parts if part.scheme == "file"}
    roots = (*settings.fetch.file_roots, *sorted(folders))
    return settings.model_copy(update={"fetch": settings.fetch.model_copy(update={"file_roots": roots})})
