"""What a bundle says of itself: `bundle.json`.

It names the sha256 of every other file, and a bundle's id is the sha256 of it without that field.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from engines.calibration import Calibration
from engines.notice import Notice
from engines.spec import GRAPHS, MARKING
from engines.taught import TAUGHT, Lesson

SCHEMA = 1
MANIFEST = "bundle.json"
TOKENIZER = "tokenizer.json"
#: The names of classes by modality, where a bundle's graphs name what they see or hear.
NAMES = "names.json"
NOTICE = "NOTICE"
#: The clips that novelty is measured by, where a bundle keeps any.
KNOWN = "known.safetensors"
#: What people taught it, where they did.
HEADS = "taught.safetensors"

#: How pixels and samples are made, beyond their sizes: RGB uint8 letterboxed with black, mono float32 in [-1, 1],
#: windows back to back with the last one padded by zeros.
SCHEME = "letterbox-rgb8 mono-f32 tiled/1"

#: Times `max_frames`: what is looked at in a long video at most. On test clips put after each other, a look in 4 s for
#: 128 s found far more than eight looks did (docs/results/long).
LONG_VIDEO = 4


class Preprocessing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the graphs expect of pixels, samples and words. max_frames: of a video that is not long."""

    frame_pixels: int
    sample_rate_hz: int
    window_samples: int
    max_frames: int
    max_windows: int
    max_text_tokens: int
    scheme: str = SCHEME

    def __post_init__(self) -> None:
        if self.scheme != SCHEME:
            raise ValueError(f"preprocessing: came scheme {self.scheme!r}, this Earshot prepares media as {SCHEME!r}")
        for name in self.__struct_fields__[:-1]:
            if getattr(self, name) < 1:
                raise ValueError(f"preprocessing.{name}: came {getattr(self, name)}, expected 1 or more")

    @property
    def most_frames(self) -> int:
        """Of the longest video; plans are built for as many."""
        return LONG_VIDEO * self.max_frames

    @property
    def id(self) -> str:
        """Names the preprocessing in cache keys and lineage: sha256 hex."""
        return digest(msgspec.json.encode(self, order="deterministic"))


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`bundle.json`, without the id that it determines. What is empty by default is left out of both.

    classes: modality -> how many classes its graph tells apart; their names are in `names.json`, in the graph's order.
    priors: modality -> the categories that its graph judges by itself, in the graph's order.
    members: modality -> prior -> the classes that it is made of, as indices; for priors that are made of classes.
    integers: graphs whose convolutions compute in 8 bits (`engines.activations`).
    known: the modalities of which the bundle keeps training clips, in `known.safetensors` (`engines.known`).
    taught: category -> what it was taught with; its head is in `taught.safetensors` (`engines.taught`).
    """

    name: str
    licence: str
    tasks: tuple[str, ...]
    embedding_size: int
    preprocessing: Preprocessing
    calibration: Calibration
    thresholds: dict[str, float]
    training: dict[str, Any]
    files: dict[str, str]
    schema: int
    classes: dict[str, int] = {}
    priors: dict[str, tuple[str, ...]] = {}
    members: dict[str, dict[str, tuple[int, ...]]] = {}
    notices: tuple[Notice, ...] = ()
    integers: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    taught: dict[str, Lesson] = {}

    def __post_init__(self) -> None:
        if not set(self.integers) <= set(GRAPHS):
            raise ValueError(f"integers: came {list(self.integers)}, expected some of {list(GRAPHS)}")
        for field in ("classes", "priors", "members", "known"):
            if not set(getattr(self, field)) <= set(MARKING):
                raise ValueError(f"{field}: came {sorted(getattr(self, field))}, expected some of {list(MARKING)}")
        for modality, members in self.members.items():
            known, count = self.priors.get(modality, ()), self.classes.get(modality, 0)
            for prior, indices in members.items():
                if prior not in known or not all(0 <= index < count for index in indices):
                    raise ValueError(
                        f"members of {modality}/{prior}: came {list(indices)}, expected a prior of {list(known)} and "
                        f"classes below {count}"
                    )
        for task, categories in self.calibration.categories.items():
            for category, senses in categories.items():
                for sense in senses:
                    there = self._taught_for(task) if sense == TAUGHT else [*self.priors.get(sense, ())]
                    if category not in there:
                        raise ValueError(f"category {task}/{category}: {sense} has {there}, not this one")

        for name, lesson in self.taught.items():
            by = sorted(self.calibration.categories.get(lesson.task, {}).get(name, ()))
            if by != [TAUGHT]:
                raise ValueError(f"taught {name}: came calibration by {by} for {lesson.task}, expected by {TAUGHT}")

    @property
    def id(self) -> str:
        """sha256 hex of the content: the manifest names the hash of every file."""
        return digest(msgspec.json.encode(self, order="deterministic"))

    def _taught_for(self, task: str) -> list[str]:
        return [name for name, lesson in self.taught.items() if lesson.task == task]

    @property
    def file_names(self) -> list[str]:
        """Of everything in the folder besides the manifest itself."""
        names = [f"{graph}.onnx" for graph in GRAPHS] + [TOKENIZER]
        more = {NAMES: self.classes, NOTICE: self.notices, KNOWN: self.known, HEADS: self.taught}
        return names + [name for name, there in more.items() if there]


def digest(content: bytes) -> str:
    """sha256 hex."""
    return hashlib.sha256(content).hexdigest()
