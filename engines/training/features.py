"""What the frozen towers make of a data set, kept so that training reads numbers instead of videos.

A folder of features holds `features.json` (what it was made from), the manifest of its data set, and for each version
of the clips shards of safetensors: `clips` is what was uploaded, `augmented_<k>` is the sound of training clips after
a rough journey, `noise_<n>db` that of test clips in noise.

Shape letters: N clips, X frames or windows of a clip, F frames, W windows, P tokens of each, C features of a token,
L text tokens, K tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from engines.data.public.manifest import RELEVANT, read_rows
from engines.manifest import Preprocessing
from engines.privacy import AudioPrivacy
from engines.spec import TASKS
from engines.tokenizer import TextTokenizer

HEADER = "features.json"
#: Tuned last layers of YAMNet, as `earshot hearing` writes them.
HEARING = "hearing.safetensors"
SCHEMA = 1
#: The version of the clips that holds frames as well as sound.
CLIPS = "clips"
MEDIA = ("vision", "audio")
TRAIN, VAL, TEST = "train", "val", "test"
HIGHEST_GRADE = 3

Store = Mapping[str, Tensor]


class FeatureHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What decides every feature: a folder made from anything else cannot be continued.

    hearing: sound was heard with the tuned layers in the folder's `HEARING`.
    """

    towers: str
    preprocessing: Preprocessing
    dataset: str
    clips: int
    shard_clips: int
    versions: tuple[str, ...]
    audio_privacy: AudioPrivacy = AudioPrivacy.NONE
    hearing: bool = False
    schema: int = SCHEMA


@dataclass(frozen=True)
class FeatureBatch:
    """Features of some clips, padded to the longest: float32 but for masks (bool) and ids (int64).

    places_NFP: int64, which places of its frame the vision features are; None: all.
    """

    vision_NFPC: Tensor
    vision_mask_NF: Tensor
    vision_seconds_NF: Tensor
    audio_NWPC: Tensor
    audio_mask_NW: Tensor
    audio_seconds_NW: Tensor
    ids_NL: Tensor
    segments_NL: Tensor
    text_mask_NL: Tensor
    places_NFP: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids_NL)


class FeatureSet:
    """Features of a data set, mapped into memory; clips are numbered as in the rows.

    targets_NK: what training aims at, 0, 1 or NaN, and of relevance grade / 3. grades_N: 0 to 3 or NaN. labels_NK: 0, 1
    or NaN; a clip is relevant from grade 2 on. All float32.
    """

    def __init__(self, folder: Path, tokenizer: TextTokenizer, *, without: Sequence[str] = ()) -> None:
        """`without`: kinds of sources; clips that have one are in no split but `test`.

        Raises `ValueError` when the folder holds no whole set of features.
        """
        self.folder = folder
        self.without = tuple(without)
        self.header = read_header(folder)
        self.rows = read_rows(folder)
        if len(self.rows) != self.header.clips:
            raise ValueError(f"{folder}: came {len(self.rows)} rows, {HEADER} says {self.header.clips}; extract again")
        self._shards = {name: read_shards(folder, self.header, name) for name in self.header.versions}
        self._places = {name: located(shards) for name, shards in self._shards.items()}
        values = [[getattr(row.labels, task) for task in TASKS] for row in self.rows]
        self.targets_NK = np.array([[np.nan if item is None else item for item in row] for row in values], np.float32)
        self.labels_NK = self.targets_NK.copy()
        k = TASKS.index("relevance")
        self.grades_N = self.targets_NK[:, k].copy()
        known_N = ~np.isnan(self.grades_N)
        self.labels_NK[known_N, k] = self.grades_N[known_N] >= RELEVANT
        self.targets_NK[:, k] /= HIGHEST_GRADE
        self.tokenizer = tokenizer
        self._text = [self._encoded(row.fields) for row in self.rows]

    @property
    def hearing(self) -> Path | None:
        """The tuned layers that sound was heard with."""
        return self.folder / HEARING if self.header.hearing else None

    @property
    def versions(self) -> tuple[str, ...]:
        """Names of what `batch` can take sound from."""
        return self.header.versions

    def indices(self, split: str) -> NDArray[np.int64]:
        """The clips of a split, in the order of the rows."""
        chosen = [n for n, row in enumerate(self.rows) if row.split == split]
        if split != TEST:
            chosen = [n for n in chosen if self.rows[n].kinds.isdisjoint(self.without)]
        return np.array(chosen, np.int64)

    @property
    def feature_shapes(self) -> dict[str, tuple[int, int]]:
        """Places of a frame and of a window, and features of each."""
        store = self._shards[CLIPS][0]
        return {name: (store[f"{name}_features"].shape[2], store[f"{name}_features"].shape[3]) for name in MEDIA}

    def has(self, version: str, index: int) -> bool:
        """Whether that version has this clip."""
        return version in self._places and index in self._places[version]

    def batch(
        self,
        indices: Sequence[int] | NDArray[np.int64],
        sound: Sequence[tuple[str, int]] | None = None,
        text: Sequence[Mapping[str, str]] | None = None,
    ) -> FeatureBatch:
        """Features of these clips. `sound`: for each the version and the clip that its sound is of; `text`: its fields.

        None: what was uploaded with it.
        """
        chosen = [int(index) for index in indices]
        sound = sound if sound is not None else [(CLIPS, index) for index in chosen]
        vision = [self.stored(CLIPS, index, "vision") for index in chosen]
        audio = [self.stored(version, index, "audio") for version, index in sound]
        words = [self._text[index] for index in chosen] if text is None else [self._encoded(fields) for fields in text]
        ids_NL = torch.nn.utils.rnn.pad_sequence([ids_L for ids_L, _ in words], batch_first=True)
        segments_NL = torch.nn.utils.rnn.pad_sequence([segments_L for _, segments_L in words], batch_first=True)
        lengths_N = torch.tensor([len(ids_L) for ids_L, _ in words])
        text_mask_NL = torch.arange(ids_NL.shape[1]) < lengths_N[:, None]
        return FeatureBatch(*padded(vision), *padded(audio), ids_NL, segments_NL, text_mask_NL)

    def _encoded(self, fields: Mapping[str, str]) -> tuple[Tensor, Tensor]:
        ids_L, segments_L = self.tokenizer.encode(fields)
        return torch.from_numpy(ids_L), torch.from_numpy(segments_L)

    def stored(self, version: str, index: int, modality: str) -> tuple[Tensor, Tensor]:
        """Features (X, P, C) in half precision and seconds (X,) of what is there."""
        shard, row = self._places[version][index]
        store = self._shards[version][shard]
        there = int(store[f"{modality}_mask"][row].sum())
        return store[f"{modality}_features"][row, :there], store[f"{modality}_seconds"][row, :there]


class Versions(Protocol):
    """What has clips in several versions: `FeatureSet`, and maps of sound."""

    @property
    def versions(self) -> tuple[str, ...]:
        """Their names."""

    def has(self, version: str, index: int) -> bool:
        """Whether that version has this clip."""


def drawn_version(of: Versions, index: int, rng: np.random.Generator, rough: float) -> str:
    """One of the augmented versions of a clip in a share of `rough`, where it has any; else as it was uploaded."""
    rougher = [name for name in of.versions if name.startswith("augmented_") and of.has(name, index)]
    draw, which = rng.random(), rng.random()
    return rougher[int(which * len(rougher))] if rougher and draw < rough else CLIPS


def read_shards(folder: Path, header: FeatureHeader, version: str) -> list[Store]:
    """All of a version, mapped into memory. Raises `ValueError` when one is not there, or broken."""
    return [read_shard(folder, version, shard) for shard in range(-(-header.clips // header.shard_clips))]


def read_shard(folder: Path, version: str, shard: int) -> Store:
    """One. Raises `ValueError` when it is not there, or broken."""
    try:
        return load_file(shard_path(folder, version, shard))
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{folder}: version {version!r} is not whole ({error}); extract again") from error


def located(shards: Sequence[Store]) -> dict[int, tuple[int, int]]:
    """Clip -> its shard, and its row there."""
    return {
        index: (shard, row) for shard, store in enumerate(shards) for row, index in enumerate(store["clips"].tolist())
    }


def shard_path(folder: Path, version: str, shard: int) -> Path:
    """Where a shard lies."""
    return folder / f"{version}-{shard:05d}.safetensors"


def read_header(folder: Path) -> FeatureHeader:
    """Raises `ValueError` when there is none that this version can read."""
    try:
        return msgspec.json.decode((folder / HEADER).read_bytes(), type=FeatureHeader)
    except (OSError, msgspec.MsgspecError) as error:
        raise ValueError(f"{folder}: no features here ({error}); make them by `earshot dataset features`") from error


def write_json(path: Path, value: Any) -> None:
    """Whole or not at all."""
    scratch = path.with_suffix(".part")
    scratch.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    scratch.replace(path)


def padded(items: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Features (N, X, P, C), mask (N, X), seconds (N, X), with at least one place."""
    longest = max(1, *(len(features_XPC) for features_XPC, _ in items))
    features_NXPC = torch.zeros((len(items), longest, *items[0][0].shape[1:]))
    mask_NX = torch.zeros((len(items), longest), dtype=torch.bool)
    seconds_NX = torch.zeros((len(items), longest))
    for n, (features_XPC, seconds_X) in enumerate(items):
        X = len(features_XPC)
        features_NXPC[n, :X], mask_NX[n, :X], seconds_NX[n, :X] = features_XPC, True, seconds_X
    return features_NXPC, mask_NX, seconds_NX
