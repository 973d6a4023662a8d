"""A bundle: four ONNX graphs, tokenizer, preprocessing, calibration and lineage in one content-addressed folder.

`bundle.json` names the sha256 of every other file, and `id` is the sha256 of `bundle.json` without that field: so
two bundles with one id are the same bytes, and a bundle that loads is the one its manifest speaks of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from engines.known import Known
from engines.manifest import HEADS, KNOWN, MANIFEST, NAMES, NOTICE, SCHEMA, TOKENIZER, Manifest, digest
from engines.notice import notice_text
from engines.ort import read_tensors, spec_fault
from engines.runner import RunnerError
from engines.spec import GRAPHS, TASKS, GraphSpec, graph_specs
from engines.taught import Taught
from engines.tokenizer import TextTokenizer

SHIPPED = Path(__file__).parent / "bundles"


class BundleError(ValueError):
    """Raised when a bundle is not whole, not what its manifest says, or not for this version of Earshot."""


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
        senses = {name: lesson.senses for name, lesson in manifest.taught.items()}
        self.lessons = manifest.taught
        self.taught = Taught.load(path / HEADS, senses, manifest.embedding_size) if senses else Taught({})
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
        return digest("\n".join(parts).encode())

    @property
    def views_id(self) -> str:
        """sha256 hex of everything that decides what each sense alone makes of a video."""
        return digest("\n".join(self.fingerprint(graph) for graph in GRAPHS if graph != "fusion").encode())

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
    files = {name: digest((path / name).read_bytes()) for name in manifest.file_names}
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
        if (found := digest((path / name).read_bytes())) != wanted:
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
