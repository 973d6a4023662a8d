"""What the gate found of a candidate, and whether that speaks against it."""

from __future__ import annotations

import msgspec

from engines.gate import boundaries, errors, extremes, flips, growth, shift
from engines.gate.boundaries import Boundary
from engines.gate.errors import TensorError
from engines.gate.extremes import Extreme
from engines.gate.flips import MOST_FLIPS, Flips
from engines.gate.growth import Growth
from engines.gate.shift import Shift


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle, its id, and what runs it."""

    bundle: str
    bundle_id: str
    engine: str


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What was judged by both: how many, from where, and the seed of all that was left to chance."""

    count: int
    source: str
    seed: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """ok: whether nothing speaks against the candidate; `reasons` is what does, in words.

    tasks, slices: verdicts that come out otherwise, of all inputs and of parts of them. growth is empty where no batch
    was run for it.
    """

    ok: bool = False
    reasons: tuple[str, ...] = ()
    candidate: Side
    reference: Side
    inputs: Inputs
    most_flips: float = MOST_FLIPS
    tasks: tuple[Flips, ...]
    slices: tuple[Flips, ...]
    shift: tuple[Shift, ...]
    errors: tuple[TensorError, ...]
    boundaries: tuple[Boundary, ...]
    extremes: tuple[Extreme, ...]
    growth: tuple[Growth, ...]


def judged(report: Report) -> Report:
    """The report with everything that speaks against the candidate, what users would notice first."""
    reasons = (
        *flips.reasons(report.tasks, report.slices),
        *shift.reasons(report.shift),
        *errors.reasons(report.errors),
        *boundaries.reasons(report.boundaries),
        *extremes.reasons(report.extremes),
        *growth.reasons(report.growth),
    )
    return msgspec.structs.replace(report, ok=not reasons, reasons=reasons)
