"""One event all by itself, for who judges media at hand: fetch, perceive, judge, with nothing before or behind it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from streamer.errors import EarshotError, UndecodableError
from streamer.pipeline import Pipeline
from streamer.records import Batch, Clip, Event, Fused, State, Verdict


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one event.

    fused: what the verdicts were made of; None where the media could not be decoded. clip: what was looked at and
    listened to; None there, too, and where all is remembered and nobody asked to look again.
    """

    verdicts: tuple[Verdict, ...]
    content_sha256: str
    fused: Fused | None = None
    clip: Clip | None = None


def answer_alone(pipeline: Pipeline, event: Event, timeout_seconds: float, *, look: bool = False) -> Answer:
    """Judge one event in this thread. What cannot be decoded has verdicts that say so.

    look: also where all is remembered. Raises `EarshotError` when the media cannot be fetched or an engine fails.
    """
    started = time.monotonic()
    with pipeline.fetch(event, timeout_seconds=timeout_seconds) as content:
        latency_ms = {"fetch": (time.monotonic() - started) * 1000}
        try:
            case = pipeline.perceive(
                event, content, source=None, received_seconds=started, timeout_seconds=timeout_seconds
            )
        except UndecodableError as error:
            unseen = pipeline.unseen(
                event,
                State.UNDECODABLE,
                f"{error.code}: {error}",
                content_sha256=content.sha256,
                source=None,
                latency_ms=latency_ms,
            )
            return Answer(unseen, content.sha256)
        clip = case.clip
        if clip is None and look:
            with suppress(EarshotError):  # a picture for people, without which the verdict is as good
                clip = pipeline.look(content, timeout_seconds)
    case.latency_ms.update(latency_ms)
    ((fused, verdicts),) = pipeline.answer(Batch((case,), (0.0,)))
    return Answer(verdicts, content.sha256, fused, clip)
