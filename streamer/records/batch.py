"""Cases on their way through the engines."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.records.clip import Clip, Content, Coverage
from streamer.records.event import Event, Source
from streamer.records.fused import Fused
from streamer.records.terms import CacheTier, Modality
from streamer.records.tokens import Text, Tokens


@dataclass(frozen=True, slots=True)
class Recall:
    """What the cache knew of a video and its text before anything was computed.

    `fused` is the fusion network's answer; where it is known, nothing has to be computed and `tokens` stays empty.
    `tokens` holds the modalities that need no encoding; zero frames or windows mean that the video has none.
    `coverage` comes with `fused` or with the media tokens; None when the video has to be decoded.
    """

    text: Text
    keys: dict[Modality, str]
    fused_key: str
    fused: Fused | None
    tokens: dict[Modality, Tokens]
    coverage: Coverage | None
    tier: CacheTier


@dataclass(frozen=True, slots=True)
class Case:
    """One event on its way, with all that is known of its video so far.

    `clip` is None when the video need not be looked at again. `received_seconds` is monotonic time.
    """

    event: Event
    content: Content
    recall: Recall
    clip: Clip | None
    coverage: Coverage
    received_seconds: float
    latency_ms: dict[str, float]
    source: Source | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Cases that go through the engines together, oldest first."""

    cases: tuple[Case, ...]
    wait_ms: tuple[float, ...]  # time each case spent waiting for the batch to fill

    def __post_init__(self) -> None:
        if not self.cases or len(self.cases) != len(self.wait_ms):
            raise ValueError(f"Batch: {len(self.cases)} cases with {len(self.wait_ms)} waits; one each, one or more")


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Token embeddings of cases: one mapping per case, in their order; missing modalities have no frames or windows."""

    tokens: tuple[dict[Modality, Tokens], ...]
    engine_ms: float  # wall time in the encoders, for all cases
