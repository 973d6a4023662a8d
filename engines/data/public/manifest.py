"""A dataset folder: `manifest.jsonl` with a row per clip, `dataset.json` with what it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

MANIFEST_FILE = "manifest.jsonl"
DATASET_FILE = "dataset.json"
FORMAT_VERSION = 1

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
#: What decides a label: vision_brief is seen for less than a second, speech is words said, none is nothing at all.
EvidenceSlice = Literal["vision", "vision_brief", "audio", "speech", "both", "text", "none"]
Modality = Literal["vision", "audio"]


class Span(msgspec.Struct, frozen=True):
    """A class that is seen or heard from `start_seconds` to `end_seconds` of the clip."""

    modality: Modality
    thing: str
    start_seconds: float
    end_seconds: float


class Labels(msgspec.Struct, frozen=True):
    """clickbait, adult: 0 or 1. relevance: grade 0..3. None: unknown."""

    clickbait: int | None = None
    adult: int | None = None
    relevance: int | None = None


#: From this grade on, of 0 to 3, a clip counts as relevant.
RELEVANT = 2


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One clip. `file` is relative to the folder; a user's own table has `uri` instead.

    evidence: per task the slice its label belongs to. spans: what makes the clip restricted; seen, heard: all that
    is there. groups: the source of every asset, `kind:name`. title_source: headlines or youtube. hard_negative: the
    kind, where a harmless clip is like a restricted one. event_db: loudness of the events over the bed. pseudo: tasks
    whose label is a model's guess, which is trained on and nothing else.
    """

    clip_id: str
    file: str | None = None
    uri: str | None = None
    split: Split
    title: str = ""
    description: str = ""
    hashtags: tuple[str, ...] = ()
    query: str | None = None
    labels: Labels = Labels()
    tenant: str | None = None
    evidence: dict[str, EvidenceSlice] = {}
    spans: tuple[Span, ...] = ()
    seen: tuple[Span, ...] = ()
    heard: tuple[Span, ...] = ()
    groups: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    title_source: str | None = None
    title_topic: str | None = None
    query_topic: str | None = None
    hard_negative: str | None = None
    has_audio: bool | None = None
    rotated: bool | None = None
    event_db: float | None = None
    seconds: float | None = None
    pseudo: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET  # left out of files: those of old rows stay as they are

    def __post_init__(self) -> None:
        if self.pseudo and self.split != "train":
            raise ValueError(f"{self.clip_id}: came a pseudo-label in split {self.split}, expected it in train alone")

    @property
    def fields(self) -> dict[str, str]:
        """The text as the tokenizer reads it."""
        return {
            "title": self.title,
            "description": self.description,
            "hashtags": " ".join(self.hashtags),
            "query": self.query or "",
        }

    @property
    def kinds(self) -> frozenset[str]:
        """Of its sources: photo, sesa, title, ..."""
        return frozenset(group.partition(":")[0] for group in self.groups)

    def path(self, folder: Path) -> Path:
        """Of a composed clip, or of a local file that a user's own table names. Raises `ValueError` for another uri."""
        if self.file is not None:
            return folder / self.file
        path = folder / str(self.uri).removeprefix("file://")
        if not path.is_file():
            raise ValueError(f"{self.clip_id}: came uri {self.uri!r}, expected a file at hand; download it first")
        return path


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder holds. `sha256` is that of the manifest; `made_with` says how it came to be."""

    sha256: str
    clips: int
    format_version: int = FORMAT_VERSION
    made_with: dict[str, Any] = {}
    licences: dict[str, str] = {}


def write_dataset(folder: Path, rows: Sequence[Row], *, made_with: dict[str, Any], licences: dict[str, str]) -> Dataset:
    """Write both files; the manifest last, so that a folder with a manifest is whole."""
    content = msgspec.json.Encoder().encode_lines(rows)
    dataset = Dataset(
        sha256=hashlib.sha256(content).hexdigest(), clips=len(rows), made_with=made_with, licences=licences
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DATASET_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(dataset), indent=2) + b"\n")
    part = folder / f"{MANIFEST_FILE}.part"
    part.write_bytes(content)
    part.replace(folder / MANIFEST_FILE)
    return dataset


def read_dataset(folder: Path) -> Dataset:
    """Raises `ValueError` when it is missing, of another format, or the manifest is not the one it was made with."""
    try:
        dataset = msgspec.json.decode((folder / DATASET_FILE).read_bytes(), type=Dataset)
    except (OSError, msgspec.MsgspecError) as error:
        raise ValueError(f"{folder / DATASET_FILE}: not a dataset: {error}") from error
    if dataset.format_version != FORMAT_VERSION:
        raise ValueError(f"{folder}: format {dataset.format_version}, expected {FORMAT_VERSION}; compose it again")
    try:
        came = hashlib.sha256((folder / MANIFEST_FILE).read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"{folder / MANIFEST_FILE}: {error}") from error
    if came != dataset.sha256:
        raise ValueError(f"{folder}: manifest has sha256 {came[:12]}, {DATASET_FILE} says {dataset.sha256[:12]}")
    return dataset


def read_rows(folder: Path) -> list[Row]:
    """The rows of a dataset. Raises `ValueError` naming the line that is none."""
    rows = []
    with (folder / MANIFEST_FILE).open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                rows.append(msgspec.json.decode(line, type=Row))
            except msgspec.MsgspecError as error:
                raise ValueError(f"{folder / MANIFEST_FILE}, line {number}: {error}") from error
    return rows
