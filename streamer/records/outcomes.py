"""What came of a unit of assignment: what experiments are judged by."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from streamer.records.terms import Instant, Name


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one unit of assignment in one stretch of time. A later record of the same id replaces an earlier.

    unit: a viewer or a video; an identifier that names nobody. values: counts and sums of the stretch by name; what
    ends in `_before` is of a time before the experiment. arm: None where verdicts or a table know it. observed_at: when
    the stretch was over.
    """

    outcome_id: Name
    unit: Annotated[Name, Meta(description="What was assigned; an identifier that names nobody.")]
    values: Annotated[dict[Name, Annotated[float, Meta(ge=-1e15, le=1e15)]], Meta(min_length=1, max_length=64)]
    observed_at: Instant
    arm: Name | None = None
    experiment: Name | None = None
    tenant: Name | None = None
