"""What is known of a candidate: how it compares with the current bundle, what it learnt from, what was left out."""

from __future__ import annotations

from typing import Any

import msgspec

from engines.learn.labels import Refused
from engines.learn.overlap import Overlap
from engines.parity import Parity


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One task or slice of the gate: the metric of both bundles, and candidate - current with its 95 % interval.

    slice: the task itself, or `<task>.<part>`. is_protected: it has enough clips of both labels for its fall to count.
    """

    task: str
    slice: str
    name: str
    metric: str
    positives: int
    negatives: int
    current: float
    candidate: float
    difference: float
    low: float
    high: float
    is_protected: bool

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole task."""
        return self.slice == self.task


class GateName(msgspec.Struct, frozen=True, kw_only=True):
    """Which gate it was."""

    name: str
    sha256: str
    clips: int


class Fidelity(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the exported graphs say what the trained network says."""

    is_kept: bool
    tolerance: float
    graphs: dict[str, Parity]


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate was trained on.

    labels: task -> value -> how many people's labels came with the run. clips: by split those that were trained and
    calibrated on. pseudo: task -> how many guesses were trained on. lineage: hashes of all that decides the run.
    """

    labels: dict[str, dict[str, int]]
    clips: dict[str, int]
    pseudo: dict[str, int]
    lineage: dict[str, Any]


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one candidate, made at `made_at` (UTC, ISO 8601)."""

    candidate: str
    current: str
    made_at: str
    gate: GateName
    parity: Fidelity
    lines: tuple[Comparison, ...]
    learnt: Learnt
    refused: tuple[Refused, ...] = ()
    left_out: tuple[Overlap, ...] = ()
