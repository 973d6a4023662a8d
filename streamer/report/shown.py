"""What a report is about: one `Shown` per video, and a `Summary` of the whole run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from streamer.audit import AuditReport
from streamer.records import Clip, Event, Modality, Task, Verdict

#: The order in which a video goes through them; "total" beside them counts queues too.
_STAGES = ("fetch", "recall", "decode", "batch", "embed", "score")


@dataclass(frozen=True, slots=True)
class TrueSpan:
    """Where something is really to be seen or heard."""

    what: str
    modality: Modality
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known to be true of a video: in words, and task by task (True = the task's label applies).

    spans: what each label rests on, where it has a place in time.
    """

    text: str
    labels: Mapping[Task, bool]
    spans: Mapping[Task, tuple[TrueSpan, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Why an event ended without a verdict: a stable code, and a sentence for people. ending: what it ended as."""

    reason: str
    error: str
    ending: str = "dead letter"


@dataclass(frozen=True, slots=True)
class Shown:
    """One video in a report.

    verdicts: one per task asked for; empty for a dead letter.
    clip: what was looked at and listened to; None when nothing was decoded for this verdict.
    drawing: the time line of the clip, where it was drawn already and the clip let go.
    """

    file: str
    event: Event
    verdicts: tuple[Verdict, ...] = ()
    clip: Clip | None = None
    truth: Truth | None = None
    dead_letter: DeadLetter | None = None
    drawing: Element | None = None

    def verdict(self, task: Task) -> Verdict | None:
        """The verdict of a task; None when the task wasn't asked for or the event is a dead letter."""
        return next((verdict for verdict in self.verdicts if verdict.task == task), None)

    @property
    def stages_ms(self) -> dict[str, float]:
        """Milliseconds of each stage on the way to the verdicts, in order; empty for a dead letter."""
        latency_ms = self.verdicts[0].latency_ms if self.verdicts else {}
        known = [stage for stage in _STAGES if stage in latency_ms]
        others = [stage for stage in latency_ms if stage not in {*_STAGES, "total"}]
        return {stage: latency_ms[stage] for stage in (*known, *others)}

    @property
    def spent_ms(self) -> float | None:
        """Milliseconds in all stages; None for a dead letter. Queues between stages are not part of it."""
        return sum(self.stages_ms.values()) if self.verdicts else None


@dataclass(frozen=True, slots=True)
class Reupload:
    """The same content sent a second time: milliseconds in its stages at first, and from the cache.

    Both events are alone in the worker, and the time that a batch waits for company is left out.
    """

    file: str
    cold_ms: float
    cached_ms: float
    cache_tier: str
    same_scores: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """The run as a whole. `wall_seconds` is from the first event submitted to the last one finished."""

    bundle: str
    wall_seconds: float
    audit: AuditReport | None = None
    reupload: Reupload | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Videos that one run judged with one bundle, under a heading of their own."""

    heading: str
    shown: tuple[Shown, ...]
    summary: Summary
