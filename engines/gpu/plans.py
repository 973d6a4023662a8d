"""Plans on disk: named by what they were built from and for, and refused when they are anything else.

    | magic, 16 bytes | header length, 4 bytes | JSON header | plan |

A plan is code for one model of GPU and one version of TensorRT: what does not fit is refused with both sides named,
before TensorRT sees a byte of it. Files are written beside their place and moved there, so that none is ever half.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from engines.spec import Precision

_MAGIC = b"earshot plan  1\n"
_LENGTH_BYTES = 4
_MOST_HEADER_BYTES = 1 << 20

Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}(?![\s\S])")]


class PlanError(ValueError):
    """Raised when there is no plan that fits, or a file is not a whole plan."""


class Fit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a plan has to be built from and for, to be used.

    content: fingerprint of the bundle's graph. rewrite: which rules took it into its precision (`fit.REWRITE`).
    """

    content: Hex
    rewrite: int
    graph: str
    precision: Precision
    library: str
    device: str

    def unlike(self, other: Fit) -> list[str]:
        """What differs from another one, in words."""
        return [
            f"{name} {getattr(self, name)} (expected {getattr(other, name)})"
            for name in self.__struct_fields__
            if getattr(self, name) != getattr(other, name)
        ]


class PlanHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file says of its plan.

    buckets: sizes of the free axes, the row axis first, one for each profile of the plan, in its order.
    fixed: axis -> size, of the free axes that the graph itself decides (tokens of a frame).
    layers: how many layers of the plan put out which type. seconds: what building took.
    """

    fit: Fit
    buckets: tuple[tuple[int, ...], ...]
    fixed: dict[str, int]
    layers: dict[str, int]
    seconds: float
    sha256: Hex
    size_bytes: int


class StoredPlan(msgspec.Struct, frozen=True):
    """A whole plan, with what its file says of it."""

    header: PlanHeader
    body: bytes


class PlanStore:
    """A folder of plans, one subfolder for each graph's fingerprint: bundles that share a tower share its plans."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, plan: StoredPlan) -> Path:
        """Write a plan to its place, which what it fits and its buckets decide."""
        header = msgspec.json.encode(plan.header)
        place = self._place(plan.header)
        _write(place, _MAGIC + len(header).to_bytes(_LENGTH_BYTES, "little") + header + plan.body)
        return place

    def save_timings(self, fit: Fit, timings: bytes) -> None:
        """Keep what a compiler has learnt."""
        _write(self._timings(fit), timings)

    def find(self, fit: Fit) -> StoredPlan:
        """The newest plan that fits. Raises `PlanError`: what is there, and what was expected."""
        others = []
        for path in self._of(fit):
            try:
                unlike = read_header(path).fit.unlike(fit)
            except PlanError as error:
                others.append(str(error))
                continue
            if not unlike:
                return read_plan(path)
            others.append(f"{path.name} has {', '.join(unlike)}")
        there = "; ".join(others) or "nothing is there"
        raise PlanError(f"no plan of {fit.graph} in {fit.precision} for {fit.device} and {fit.library}: {there}")

    def timings(self, fit: Fit) -> bytes:
        """What a compiler has learnt of the device that plans fit; empty at first."""
        path = self._timings(fit)
        return path.read_bytes() if path.exists() else b""

    def _timings(self, fit: Fit) -> Path:
        known = hashlib.sha256(f"{fit.library} {fit.device}".encode()).hexdigest()[:12]
        return self.folder / f"timings-{known}.cache"

    def seek(self, fit: Fit) -> PlanHeader | None:
        """What the newest whole plan that fits says of itself; None when there is none."""
        try:
            return self.find(fit).header
        except PlanError:
            return None

    def _of(self, fit: Fit) -> Iterator[Path]:
        """Plans of the graph, newest first."""
        paths = (self.folder / fit.content[:12]).glob(f"{fit.graph}-*.plan")
        yield from sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def _place(self, header: PlanHeader) -> Path:
        named = msgspec.json.encode((header.fit, header.buckets), order="deterministic")
        digest = hashlib.sha256(named).hexdigest()[:12]
        return self.folder / header.fit.content[:12] / f"{header.fit.graph}-{header.fit.precision}-{digest}.plan"


def stored(
    fit: Fit,
    body: bytes,
    *,
    buckets: tuple[tuple[int, ...], ...],
    fixed: Mapping[str, int],
    layers: Mapping[str, int],
    seconds: float,
) -> StoredPlan:
    """A plan with the header that its bytes ask for."""
    return StoredPlan(
        PlanHeader(
            fit=fit,
            buckets=buckets,
            fixed=dict(fixed),
            layers=dict(layers),
            seconds=round(seconds, 3),
            sha256=hashlib.sha256(body).hexdigest(),
            size_bytes=len(body),
        ),
        body,
    )


def read_header(path: Path) -> PlanHeader:
    """What a file says of itself. Raises `PlanError` when it is no plan of this Earshot."""
    with path.open("rb") as file:
        return _header(path, file.read(len(_MAGIC) + _LENGTH_BYTES + _MOST_HEADER_BYTES))[0]


def read_plan(path: Path) -> StoredPlan:
    """A whole plan. Raises `PlanError` when the file is not what its header says."""
    content = path.read_bytes()
    header, start = _header(path, content)
    body = content[start:]
    if len(body) != header.size_bytes:
        raise PlanError(f"{path}: came {len(body)} bytes, its header says {header.size_bytes}: build it again")
    if (found := hashlib.sha256(body).hexdigest()) != header.sha256:
        raise PlanError(f"{path}: came sha256 {found}, its header says {header.sha256}: build it again")
    return StoredPlan(header, body)


def _write(place: Path, content: bytes) -> None:
    """Beside its place first, so that it is there whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=".building-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)  # no secret: who builds is often not who serves
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _header(path: Path, content: bytes) -> tuple[PlanHeader, int]:
    if not content.startswith(_MAGIC):
        raise PlanError(f"{path}: came {content[: len(_MAGIC)]!r}, a plan starts with {_MAGIC!r}: delete it")
    start = len(_MAGIC) + _LENGTH_BYTES
    length = int.from_bytes(content[len(_MAGIC) : start], "little")
    try:
        return msgspec.json.decode(content[start : start + length], type=PlanHeader), start + length
    except msgspec.MsgspecError as error:
        raise PlanError(f"{path}: its header cannot be read ({error}): build it again") from error
