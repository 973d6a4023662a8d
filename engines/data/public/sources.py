"""The raw photos, sounds and titles that clips are composed from: tables that name them, tars that hold them."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from engines.data.public.topics import DIGITS, LEFT_OUT, ORDER, SAME_AS, WAKE_WORD

Kind = Literal["photo", "sound", "title"]
SESA = "sesa"


@dataclass(frozen=True, slots=True)
class Asset:
    """One photo, sound or title. `group`: what must not cross splits; assets of one group come from one source.

    member: name in the set's tar; of a title its text. seconds: length of a sound. fixed_split: set by the source.
    spoken: the digit that is said. sensational: of a title, the real label of its publisher.
    """

    kind: Kind
    source: str
    member: str
    label: str
    group: str
    seconds: float = 0.0
    fixed_split: str | None = None
    spoken: str = ""
    sensational: bool = False

    @property
    def id(self) -> str:
        return f"{self.source}/{self.member}"


Read = Callable[[Mapping[str, str]], Asset | None]


@dataclass(frozen=True)
class SourceSet:
    """One collection. media: its tar; None for titles. settled: what learns from it may be shipped."""

    name: str
    table: str
    media: str | None
    read: Read
    licence: str
    settled: bool = True
    needed: bool = field(default=False)


def _photo(row: Mapping[str, str]) -> Asset | None:
    label = SAME_AS.get(row["label"], row["label"])
    return None if label in LEFT_OUT else Asset("photo", "photos", row["file"], label, f"photo:{row['group']}")


def _sound(source: str, label: str | None = None, seconds: float = 5.0) -> Read:
    def read(row: Mapping[str, str]) -> Asset:
        group = f"{source}:{row.get('group') or row['file']}"
        length = float(row.get("seconds") or seconds)
        return Asset("sound", source, row["file"], label or row["label"], group, length, row.get("split"))

    return read


def _digit(row: Mapping[str, str]) -> Asset:
    speaker = f"speaker:{row['speaker']}"
    return Asset("sound", "fsdd", row["file"], DIGITS, speaker, float(row["seconds"]), spoken=row["digit"])


def _headline(row: Mapping[str, str]) -> Asset:
    text = row["headline"]
    return Asset("title", "headlines", text, "", f"title:{plain(text)}", sensational=row["clickbait"] == "1")


def _youtube(row: Mapping[str, str]) -> Asset:
    text = row["video_title"]
    return Asset("title", "youtube", text, "", f"channel:{row['channel_id']}", sensational=row["clickbait"] == "1")


SETS: tuple[SourceSet, ...] = (
    SourceSet("photos", "images/caltech101.csv", "images/caltech101_max224.tar", _photo, "CC BY 4.0", needed=True),
    SourceSet("esc10", "audio/esc10.csv", "audio/esc10_ogg.tar", _sound("esc10"), "CC BY 3.0", needed=True),
    SourceSet(
        *("donateacry", "audio/donateacry.csv", "audio/donateacry_opus.tar"),
        *(_sound("donateacry", "baby_cry"), "ODbL 1.0 / DbCL 1.0"),
    ),
    SourceSet("fsdd", "audio/fsdd.csv", "audio/fsdd_flac.tar", _digit, "CC BY-SA 4.0"),
    SourceSet(
        *("wakewords", "audio/wakewords.csv", "audio/wakewords_opus.tar"),
        *(_sound("wakewords", WAKE_WORD), "Apache-2.0"),
    ),
    SourceSet(
        *("orders", "audio/speech_orders.csv", "audio/speech_orders_opus.tar"),
        *(_sound("orders", ORDER), "Apache-2.0"),
    ),
    SourceSet(
        *("instruments", "audio/instrument_phrases.csv", "audio/instrument_phrases_opus.tar"),
        *(_sound("instruments", seconds=4.0), "CC BY-SA 3.0, not to be passed on as samples"),
    ),
    SourceSet(SESA, "audio/sesa.csv", "audio/sesa_flac.tar", _sound(SESA), "not settled", settled=False),
    SourceSet("headlines", "text/headlines_32k.csv.gz", None, _headline, "MIT", needed=True),
    SourceSet("youtube", "text/youtube_clickbait.csv.gz", None, _youtube, "MIT"),
)


def plain(text: str) -> str:
    """A text without what does not tell texts apart: case, accents' encoding, punctuation, spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(letter if letter.isalnum() else " " for letter in folded).split())


def find_sets(data: Path, without: frozenset[str] = frozenset()) -> tuple[SourceSet, ...]:
    """The sets that are in a folder. Raises `ValueError` for unknown names and for a missing set that is needed."""
    names = {one.name for one in SETS}
    if without - names:
        came, known = ", ".join(sorted(without - names)), ", ".join(sorted(names))
        raise ValueError(f"--without {came}: no such set; known are {known}")
    found = []
    for one in SETS:
        files = [data / name for name in (one.table, one.media) if name is not None]
        missing = [path for path in files if not path.is_file()]
        if one.name not in without and not missing:
            found.append(one)
        elif one.needed:
            why = f"no {missing[0]}" if missing else "left out by --without"
            raise ValueError(f"{data}: clips cannot be composed without the set {one.name}: {why}")
    return tuple(found)


def read_assets(data: Path, sets: tuple[SourceSet, ...]) -> list[Asset]:
    """Every asset of these sets, in the order of the tables. A title that occurs twice is read once."""
    assets, titles = [], set[str]()
    for one in sets:
        for number, row in enumerate(_rows(data / one.table), start=2):
            try:
                asset = one.read(row)
            except (KeyError, ValueError) as error:
                raise ValueError(f"{data / one.table}, line {number}: {type(error).__name__} {error}") from error
            if asset is None or (asset.kind == "title" and plain(asset.member) in titles):
                continue
            if asset.kind == "title":
                titles.add(plain(asset.member))
            assets.append(asset)
    return assets


def _rows(table: Path) -> Iterator[dict[str, str]]:
    content = table.read_bytes()
    text = (gzip.decompress(content) if table.suffix == ".gz" else content).decode("utf-8")
    yield from csv.DictReader(io.StringIO(text, newline=""))


class Media:
    """The bytes of photos and sounds, read from the tars by name. Not to be shared between processes."""

    def __init__(self, data: Path) -> None:
        self._tars = {one.name: data / one.media for one in SETS if one.media is not None}

    def content(self, source: str, member: str) -> bytes:
        """The file as it was published. Raises `ValueError` when the tar has none of that name."""
        path = self._tars[source]
        try:
            offset, size = _index(path)[member]
        except KeyError as error:
            raise ValueError(f"{path}: holds no {member}, which its table names") from error
        with path.open("rb") as tar:
            tar.seek(offset)
            return tar.read(size)


@cache
def _index(tar: Path) -> dict[str, tuple[int, int]]:
    with tarfile.open(tar, "r:") as archive:
        return {entry.name: (entry.offset_data, entry.size) for entry in archive if entry.isfile()}
