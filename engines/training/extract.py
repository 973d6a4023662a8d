"""Videos of a data set -> features of the frozen towers, shard by shard: decoded, encoded, and the pixels deleted.

Decoding is the stream's own, as a command: training looks at exactly what the stream will look at.
"""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from engines.data.clips import Clip
from engines.data.decoding import decode
from engines.data.public.manifest import DATASET_FILE, MANIFEST_FILE, Row, read_dataset, read_rows
from engines.manifest import Preprocessing
from engines.privacy import AudioPrivacy
from engines.training import channel
from engines.training.features import (
    CLIPS,
    HEADER,
    HEARING,
    FeatureHeader,
    read_header,
    read_shard,
    shard_path,
    write_json,
)

#: Clips of one shard: 300 MB of pixels that lie on the disk while it is made.
SHARD_CLIPS = 256
#: Frames or windows that pass a tower together.
TOWER_BATCH = 32
#: Signal to noise of the noisy versions of test clips, in dB.
NOISE_DB = (20, 10, 0)

#: Of GNU's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class FrozenTowers:
    """uint8 (F, 3, H, W) or float32 (F, S) -> (F, P, C); `fingerprint` names the weights.

    audio_privacy: what `audio` has left out already. hearing: the file of tuned layers that are part of `audio`;
    published: the fingerprint without them.
    """

    vision: Callable[[Tensor], Tensor]
    audio: Callable[[Tensor], Tensor]
    fingerprint: str
    audio_privacy: AudioPrivacy = AudioPrivacy.NONE
    hearing: Path | None = None
    published: str | None = None


def fingerprint(*modules: nn.Module) -> str:
    """sha256 hex of the weights of modules, in order."""
    digest = hashlib.sha256()
    for module in modules:
        for name, tensor in module.state_dict().items():
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


class Extractor:
    """Makes the features of one data set; a folder that is half made is continued."""

    def __init__(
        self,
        dataset: Path,
        out: Path,
        towers: FrozenTowers,
        preprocessing: Preprocessing,
        *,
        copies: int = 0,
        noisy: bool = False,
        splits: Container[str] | None = None,
        seen_in: Path | None = None,
        shard_clips: int = SHARD_CLIPS,
    ) -> None:
        """`copies` augmented versions of training sound; `noisy`: also test sound in noise.

        splits: of the clips that are wanted; None: all.
        seen_in: features with another hearing, whose frames are taken over.

        Raises `ValueError` when either folder holds features of something else.
        """
        self._dataset, self._out, self._towers, self._sizes = dataset, out, towers, preprocessing
        self._splits, self._seen_in = splits, seen_in
        self._rows = read_rows(dataset)
        versions = (CLIPS, *(f"augmented_{copy}" for copy in range(copies)))
        versions += tuple(f"noise_{db}db" for db in NOISE_DB) if noisy else ()
        self._header = FeatureHeader(
            towers=towers.fingerprint,
            preprocessing=preprocessing,
            dataset=read_dataset(dataset).sha256,
            clips=len(self._rows),
            shard_clips=shard_clips,
            versions=versions,
            audio_privacy=towers.audio_privacy,
            hearing=towers.hearing is not None,
        )
        if seen_in is not None:
            self._check_seen(seen_in)
        self._check_folder()

    @property
    def shards(self) -> int:
        """How many there are to make, those included that are there already."""
        return -(-len(self._rows) // self._header.shard_clips)

    def run(self, on_shard: Callable[[], None] = lambda: None, *, part: int = 0, parts: int = 1) -> list[str]:
        """Make what is missing of every `parts`-th shard; returns the clips that could not be decoded."""
        rejected: list[str] = []
        for shard in range(part, self.shards, parts):
            missing = [name for name in self._header.versions if not shard_path(self._out, name, shard).exists()]
            if missing:
                rejected += self._make(shard, missing)
            on_shard()
        return rejected

    def _check_seen(self, folder: Path) -> None:
        there, asked = read_header(folder), msgspec.structs.replace(self._header, towers=self._towers.published or "")
        for name in ("towers", "preprocessing", "dataset", "shard_clips"):
            came, wanted = getattr(there, name), getattr(asked, name)
            if came != wanted:
                raise ValueError(f"{folder}: came frames seen with {name} {came}, expected {wanted}; leave it out")

    def _check_folder(self) -> None:
        self._out.mkdir(parents=True, exist_ok=True)
        if (self._out / HEADER).exists():
            there = read_header(self._out)
            for name in ("towers", "preprocessing", "dataset", "shard_clips", "audio_privacy"):
                came, wanted = getattr(there, name), getattr(self._header, name)
                if came != wanted:
                    raise ValueError(
                        f"{self._out}: holds features with {name} {came}, asked for {wanted}; choose another folder"
                    )
            versions = tuple(dict.fromkeys((*there.versions, *self._header.versions)))
            self._header = msgspec.structs.replace(self._header, versions=versions)
        for name in (DATASET_FILE, MANIFEST_FILE):
            shutil.copyfile(self._dataset / name, self._out / name)
        if self._towers.hearing is not None:
            shutil.copyfile(self._towers.hearing, self._out / HEARING)
        write_json(self._out / HEADER, self._header)

    def _make(self, shard: int, versions: Sequence[str]) -> list[str]:
        start = shard * self._header.shard_clips
        numbered = list(enumerate(self._rows))[start : start + self._header.shard_clips]
        numbered = [(n, row) for n, row in numbered if self._splits is None or row.split in self._splits]
        rows = [row for _, row in numbered]
        with tempfile.TemporaryDirectory(dir=self._out, prefix="decoded-") as scratch:
            clips = decode([row.path(self._dataset) for row in rows], Path(scratch), self._sizes)
        for version in versions:
            chosen = [n for n, row in enumerate(rows) if _wanted(version, row)]
            tensors = {"clips": torch.tensor([numbered[n][0] for n in chosen], dtype=torch.int64)}
            if version == CLIPS and self._seen_in is not None:
                tensors |= _seen_before(self._seen_in, shard, tensors["clips"])
            elif version == CLIPS:
                frames = [torch.from_numpy(clips[n].frames_TCHW) for n in chosen]
                seconds = [clips[n].frame_seconds_T for n in chosen]
                tensors |= _stored("vision", self._seen(frames), seconds)
            windows = [torch.from_numpy(self._heard(version, rows[n], clips[n].windows_TS)) for n in chosen]
            tensors |= _stored("audio", self._sounding(windows), [self._middle(clips[n]) for n in chosen])
            path = shard_path(self._out, version, shard)
            save_file(tensors, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
        return [row.clip_id for row, clip in zip(rows, clips, strict=True) if not len(clip.frames_TCHW)]

    def _heard(self, version: str, row: Row, windows_TS: Float32) -> Float32:
        """The sound of that version; which noise a clip gets depends on its id alone."""
        if version == CLIPS or not windows_TS.size:
            return windows_TS
        rng = np.random.default_rng(list(hashlib.sha256(f"{version} {row.clip_id}".encode()).digest()))
        wave_S, rate_hz = windows_TS.reshape(-1), self._sizes.sample_rate_hz
        if version.startswith("noise_"):
            kind = np.random.default_rng(list(hashlib.sha256(row.clip_id.encode()).digest()))
            decibel = float(version.removeprefix("noise_").removesuffix("db"))
            return channel.noisy(wave_S, rate_hz, decibel, kind).reshape(windows_TS.shape)
        return channel.upload(wave_S, rate_hz, rng).reshape(windows_TS.shape)

    def _middle(self, clip: Clip) -> NDArray[np.float64]:
        return clip.window_seconds_T + self._sizes.window_samples / self._sizes.sample_rate_hz / 2

    def _seen(self, frames: list[Tensor]) -> list[Tensor]:
        pixels = self._sizes.frame_pixels
        return _encoded(self._towers.vision, frames, torch.zeros((1, 3, pixels, pixels), dtype=torch.uint8))

    def _sounding(self, windows: list[Tensor]) -> list[Tensor]:
        return _encoded(self._towers.audio, windows, torch.zeros((1, self._sizes.window_samples)))


def _encoded(tower: Callable[[Tensor], Tensor], items: list[Tensor], some: Tensor) -> list[Tensor]:
    """Features (X, P, C) in half precision of each item, and at the end those of nothing."""
    lengths = [len(item) for item in items]
    with torch.inference_mode():
        batches = torch.split(torch.cat([*items, some]), TOWER_BATCH)
        features_FPC = torch.cat([tower(batch) for batch in batches]).to(torch.float16)
    return [*torch.split(features_FPC[:-1], lengths), features_FPC[:0]]


def keep_freed_memory() -> None:
    """Have the C library keep what is freed: fresh pages for every layer cost as much time as its arithmetic.

    Does nothing where the C library is not GNU's.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for parameter in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
            library.mallopt(parameter, 2**30)


def _seen_before(folder: Path, shard: int, clip_N: Tensor) -> dict[str, Tensor]:
    """What features of the same clips hold of frames. Raises `ValueError` where they are not whole, or of others."""
    there = read_shard(folder, CLIPS, shard)
    if not torch.equal(there["clips"], clip_N):
        raise ValueError(f"{folder}: came other clips in shard {shard} than the data set has, expected the same ones")
    return {name: tensor for name, tensor in there.items() if name.startswith("vision_")}


def _wanted(version: str, row: Row) -> bool:
    """Augmented sound is for training, noisy sound for the test."""
    return version == CLIPS or row.split == ("test" if version.startswith("noise_") else "train")


def _stored(modality: str, features: list[Tensor], seconds: list[NDArray[np.float64]]) -> dict[str, Tensor]:
    """Padded to the longest of the shard, at least one place; the last of `features` gives the shape of one place."""
    *items, nothing = features
    longest = max(1, *map(len, features))
    features_NXPC = torch.zeros((len(items), longest, *nothing.shape[1:]), dtype=torch.float16)
    mask_NX = torch.zeros((len(items), longest), dtype=torch.bool)
    seconds_NX = torch.zeros((len(items), longest))
    for n, (item, times) in enumerate(zip(items, seconds, strict=True)):
        X = len(item)
        features_NXPC[n, :X], mask_NX[n, :X] = item, True
        seconds_NX[n, :X] = torch.from_numpy(times.astype(np.float32))
    return {f"{modality}_features": features_NXPC, f"{modality}_mask": mask_NX, f"{modality}_seconds": seconds_NX}
