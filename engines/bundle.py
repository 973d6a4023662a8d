"""A bundle: four ONNX graphs, tokenizer, preprocessing, calibration and lineage in one content-addressed folder.

`bundle.json` names the sha256 of every other file, and `id` is the sha256 of `bundle.json` without that field: so
two bundles with one id are the same bytes, and a bundle that loads is the one its manifest speaks of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from engines.calibration import Calibration
from engines.known import Known
from engines.notice import Notice, notice_text
from engines.ort import read_tensors, spec_fault
from engines.runner import RunnerError
from engines.spec import GRAPHS, MARKING, TASKS, GraphSpec, graph_specs
from engines.tokenizer import TextTokenizer

SCHEMA = 1
MANIFEST = "bundle.json"
TOKENIZER = "tokenizer.json"
#: The names of classes by modality, where a bundle's graphs name what they see or hear.
NAMES = "names.json"
NOTICE = "NOTICE"
#: The clips that novelty is measured by, where a bundle keeps any.
KNOWN = "known.safetensors"
SHIPPED = Path(__file__).parent / "bundles"

#: How pixels and samples are made, beyond their sizes: RGB uint8 letterboxed with black, mono float32 in [-1, 1],
#: windows back to back with the last one padded by zeros.
SCHEME = "letterbox-rgb8 mono-f32 tiled/1"


class BundleError(ValueError):
    """Raised when a bundle is not whole, not what its manifest says, or not for this version of Earshot."""


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
        return _digest(msgspec.json.encode(self, order="deterministic"))


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`bundle.json`, without the id that it determines. What is empty by default is left out of both.

    classes: modality -> how many classes its graph tells apart; their names are in `names.json`, in the graph's order.
    priors: modality -> the categories that its graph judges by itself, in the graph's order.
    members: modality -> prior -> the classes that it is made of, as indices; for priors that are made of classes.
    integers: graphs whose convolutions compute in 8 bits (`engines.activations`).
    known: the modalities of which the bundle keeps training clips, in `known.safetensors` (`engines.known`).
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
                for modality in senses:
                    if category not in (known := self.priors.get(modality, ())):
                        raise ValueError(
                            f"category {task}/{category}: {modality} has priors {list(known)}, not this one"
                        )

    @property
    def id(self) -> str:
        """sha256 hex of the content: the manifest names the hash of every file."""
        return _digest(msgspec.json.encode(self, order="deterministic"))

    @property
    def file_names(self) -> list[str]:
        """Of everything in the folder besides the manifest itself."""
        names = [f"{graph}.onnx" for graph in GRAPHS] + [TOKENIZER]
        return names + [NAMES] * bool(self.classes) + [NOTICE] * bool(self.notices) + [KNOWN] * bool(self.known)


class Bundle:
    """A bundle that was found whole. Immutable, safe to share between threads."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """Use `load`; this checks nothing."""
        sizes = manifest.preprocessing
        self.path = path
        self.id = manifest.id
        self.name = manifest.name
        self.licence = manifest.licence
        self.preprocessing = sizes
        self.calibration = manifest.calibration
        self.thresholds = manifest.thresholds
        self.training = manifest.training
        self.embedding_size = manifest.embedding_size
        self.graphs = graph_specs(
            sizes.frame_pixels,
            sizes.window_samples,
            manifest.embedding_size,
            classes=manifest.classes,
            priors={modality: len(names) for modality, names in manifest.priors.items()},
        )
        self.classes = _read_names(path, manifest.classes)
        self.priors = manifest.priors
        self.members = manifest.members
        self.notices = manifest.notices
        self.integers = frozenset(manifest.integers)
        self.tokenizer = TextTokenizer.from_file(path / TOKENIZER, sizes.max_text_tokens)
        #: None: the bundle cannot tell what is new.
        self.known = Known.load(path / KNOWN, manifest.known, manifest.embedding_size) if manifest.known else None
        self._hashes = manifest.files

    @classmethod
    def load(cls, path_or_name: str | Path) -> Bundle:
        """The bundle in a folder, or the shipped one of that name. Raises `BundleError`, naming both sides."""
        path = find(path_or_name)
        manifest = read_manifest(path)
        _check_files(path, manifest)
        try:
            bundle = cls(path, manifest)
            for name, spec in bundle.graphs.items():
                _check_graph(bundle.graph_path(name), spec)
        except (ValueError, RunnerError) as error:
            raise BundleError(f"bundle {path}: {error}") from error
        return bundle

    def graph_path(self, graph: str) -> Path:
        """The ONNX file of one of `GRAPHS`."""
        return self.path / f"{graph}.onnx"

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum((self.path / name).stat().st_size for name in [MANIFEST, *self._hashes])

    def fingerprint(self, graph: str) -> str:
        """sha256 hex of everything that decides this graph's outputs for a given video or text; for cache keys."""
        parts = [self._hashes[f"{graph}.onnx"], self.preprocessing.id]
        if graph == "text":
            parts.append(self._hashes[TOKENIZER])
        return _digest("\n".join(parts).encode())

    @property
    def known_id(self) -> str:
        """sha256 hex of the clips that novelty is measured by; empty where there are none."""
        return self._hashes.get(KNOWN, "")

    def __repr__(self) -> str:
        return f"Bundle({self.name!r}, id={self.id[:12]}, {self.path})"


def find(path_or_name: str | Path) -> Path:
    """A folder as given, or that of the shipped bundle of that name. Raises `BundleError` when there is neither.

    Links are followed once: a registry's `current` may be set to another bundle while this one is being loaded.
    """
    path = Path(path_or_name).resolve()
    if (path / MANIFEST).is_file():
        return path
    if (SHIPPED / path_or_name / MANIFEST).is_file():
        return SHIPPED / path_or_name
    raise BundleError(
        f"bundle {str(path_or_name)!r}: no folder with a {MANIFEST}, and no shipped bundle of that name; "
        f"shipped are {shipped()}"
    )


def shipped() -> list[str]:
    """Names of the bundles that come with Earshot."""
    return sorted(manifest.parent.name for manifest in SHIPPED.glob(f"*/{MANIFEST}"))


def save_manifest(path: Path, manifest: Manifest, names: Mapping[str, Sequence[str]] | None = None) -> str:
    """Write `bundle.json`, `names.json` and `NOTICE`, and return the id. Graphs and tokenizer have to be there.

    `manifest.files` is replaced by what lies in the folder. Raises `ValueError` when `manifest.classes` are not as many
    as the `names`.
    """
    names = names or {}
    if (found := {modality: len(listed) for modality, listed in names.items()}) != manifest.classes:
        raise ValueError(f"manifest: classes {manifest.classes}, came names {found}; expected as many")
    if names:
        (path / NAMES).write_bytes(msgspec.json.format(msgspec.json.encode(names, order="deterministic")) + b"\n")
    if manifest.notices:
        (path / NOTICE).write_text(notice_text(manifest.name, manifest.notices), encoding="utf-8")
    files = {name: _digest((path / name).read_bytes()) for name in manifest.file_names}
    manifest = msgspec.structs.replace(manifest, files=files)
    document = {"id": manifest.id, **msgspec.to_builtins(manifest)}
    (path / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    return manifest.id


def read_manifest(path: Path) -> Manifest:
    """Of a folder. Raises `BundleError` when it has none that this Earshot can use."""
    try:
        document = msgspec.json.decode((path / MANIFEST).read_bytes(), type=dict[str, Any])
        if (schema := document.get("schema")) != SCHEMA:
            raise ValueError(f"came schema {schema!r}, this Earshot reads {SCHEMA}")
        stated = document.pop("id", None)
        manifest = msgspec.convert(document, Manifest)
    except (OSError, ValueError) as error:
        raise BundleError(f"bundle {path}: {MANIFEST}: {error}") from error
    if stated != manifest.id:
        raise BundleError(f"bundle {path}: {MANIFEST} states id {stated}, its content has {manifest.id}")
    if manifest.tasks != TASKS:
        raise BundleError(f"bundle {path}: judges {list(manifest.tasks)}, this Earshot needs {list(TASKS)}")
    if set(manifest.thresholds) != set(TASKS):
        raise BundleError(f"bundle {path}: thresholds of {sorted(manifest.thresholds)}, expected {sorted(TASKS)}")
    return manifest


def _check_files(path: Path, manifest: Manifest) -> None:
    expected = set(manifest.file_names)
    if set(manifest.files) != expected:
        raise BundleError(f"bundle {path}: lists files {sorted(manifest.files)}, expected {sorted(expected)}")
    for name, wanted in manifest.files.items():
        if not (path / name).is_file():
            raise BundleError(f"bundle {path}: {name} is missing, expected a file with sha256 {wanted}")
        if (found := _digest((path / name).read_bytes())) != wanted:
            raise BundleError(f"bundle {path}: {name} has sha256 {found}, {MANIFEST} says {wanted}")


def _read_names(path: Path, counts: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    if not counts:
        return {}
    try:
        names = msgspec.json.decode((path / NAMES).read_bytes(), type=dict[str, tuple[str, ...]])
    except msgspec.MsgspecError as error:
        raise ValueError(f"{NAMES}: {error}") from error
    found = {modality: len(listed) for modality, listed in names.items()}
    if found != counts:
        raise ValueError(f"{NAMES}: has {found} names, {MANIFEST} says {dict(counts)}")
    return names


def _check_graph(path: Path, spec: GraphSpec) -> None:
    if fault := spec_fault(spec, *read_tensors(path)):
        raise ValueError(f"{path.name}: {fault}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
