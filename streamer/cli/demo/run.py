"""One run of the demo: the worker of production between the embedded broker's topics, and what came out of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager

import msgspec

from streamer import wire
from streamer.assemble import Parts, open_parts, open_worker
from streamer.cli.demo.upload import Upload
from streamer.errors import BrokerError
from streamer.kafka.books import audit_group
from streamer.kafka.embedded import embedded_broker
from streamer.kafka.options import KafkaOptions
from streamer.kafka.reader import follow_topics
from streamer.kafka.sender import send
from streamer.records import TASKS, Clip, Event, Message, Rejected, Verdict
from streamer.report.shown import DeadLetter, Part, Reupload, Shown, Summary
from streamer.settings import Settings
from streamer.worker import Worker

_PATIENCE_SECONDS = 120.0
_LOOK_SECONDS = 60.0
#: librdkafka would complain on stderr of its own broker going away at the end; what matters is raised.
_QUIET: dict[str, str | int | float | bool] = {"log_level": 0}
#: Scores of one video may differ by this when its neighbours in a batch do.
_SAME_SCORE = 1e-5


class Inbox:
    """Verdicts and dead letters as they come out, by event; the worker is watched while one waits for them."""

    def __init__(self, messages: Iterator[Message | None], letters: str, work: Future[None]) -> None:
        self._messages = messages
        self._letters = letters
        self._work = work
        self.verdicts: dict[str, dict[str, Verdict]] = {}
        self.dead_letters: dict[str, DeadLetter] = {}

    def ended(self, event: Event) -> bool:
        """Whether the event has all its verdicts, or a dead letter."""
        return event.event_id in self.dead_letters or set(event.tasks) <= self.verdicts.get(event.event_id, {}).keys()

    def verdicts_on(self, event: Event) -> tuple[Verdict, ...]:
        """What was decided, in the order of the tasks."""
        found = self.verdicts.get(event.event_id, {})
        return tuple(found[task] for task in TASKS if task in found)

    def wait_for(self, events: Sequence[Event], on_end: Callable[[], None] = lambda: None) -> None:
        """Read until all have ended; `on_end` once for each. Raises `BrokerError` when the worker stops working."""
        waiting = [event for event in events if not self.ended(event)]
        patience = time.monotonic() + _PATIENCE_SECONDS
        for message in self._messages:
            if message is not None:
                self._take(message)
            still = [event for event in waiting if not self.ended(event)]
            for _ in range(len(waiting) - len(still)):
                on_end()
            waiting = still
            if not waiting:
                return
            if self._work.done():
                self._work.result()
            if self._work.done() or time.monotonic() > patience:
                raise BrokerError(f"{len(waiting)} of {len(events)} events have no verdict and no dead letter")

    def _take(self, message: Message) -> None:
        if message.position.topic == self._letters:
            event = wire.parse_event(wire.as_new(message))
            if not isinstance(event, Rejected):
                reason, error = message.header("dlq.reason"), message.header("dlq.error")
                self.dead_letters[event.event_id] = DeadLetter(reason or "unknown", error or "")
        elif (verdict := wire.parse_verdict(message)) is not None:
            self.verdicts.setdefault(verdict.event_id, {})[verdict.task] = verdict


def run_demo(settings: Settings, heading: str, uploads: Sequence[Upload], on_end: Callable[[], None]) -> Part:
    """Send an event for each upload, judge all, send one of them again. `on_end` is called for each upload.

    The last clip goes alone, when the others are done, so that its re-upload is compared with its like.
    Raises `EarshotError` when something does not start or stops working.
    """
    alone = next(upload for upload in reversed(uploads) if upload.truth.labels)
    burst = [upload.event for upload in uploads if upload is not alone]
    again = msgspec.structs.replace(alone.event, event_id=f"{alone.event.event_id}-again")
    # The sandbox forks its children from a process of its own, which has to exist before any Kafka client does.
    with open_parts(settings) as parts, embedded_broker(KafkaOptions(group="earshot.demo", client=_QUIET)) as kafka:
        outputs = [*map(kafka.verdict_topic, TASKS), kafka.dead_letter_topic]
        with (
            open_worker(settings.model_copy(update={"kafka": kafka}), parts) as worker,
            _working(worker) as work,
            closing(follow_topics(kafka, outputs)) as messages,
        ):
            inbox = Inbox(messages, kafka.dead_letter_topic, work)
            started = time.monotonic()
            for events in (burst, [alone.event]):
                send(kafka, [wire.event_message(event, kafka.topics.uploaded) for event in events])
                inbox.wait_for(events, on_end)
            wall_seconds = time.monotonic() - started
            send(kafka, [wire.event_message(again, kafka.topics.uploaded)])
            inbox.wait_for([again])
        audit = audit_group(kafka)
        shown = tuple(_shown(upload, inbox, parts) for upload in uploads)
    reupload = _reupload(alone.path.name, inbox.verdicts_on(alone.event), inbox.verdicts_on(again))
    bundle = f"{parts.bundle.name} {parts.bundle.id[:12]}"
    summary = Summary(bundle=bundle, wall_seconds=wall_seconds, audit=audit, reupload=reupload)
    return Part(heading, shown, summary)


@contextmanager
def _working(worker: Worker) -> Iterator[Future[None]]:
    """The worker at work on a thread of its own; it drains when the block ends."""
    with ThreadPoolExecutor(1, "worker") as thread:
        work = thread.submit(worker.run)
        try:
            yield work
        finally:
            worker.stop()
        work.result()


def _shown(upload: Upload, inbox: Inbox, parts: Parts) -> Shown:
    verdicts = inbox.verdicts_on(upload.event)
    return Shown(
        file=upload.path.name,
        event=upload.event,
        verdicts=verdicts,
        clip=_clip(upload, verdicts, parts),
        truth=upload.truth,
        dead_letter=inbox.dead_letters.get(upload.event.event_id),
    )


def _clip(upload: Upload, verdicts: tuple[Verdict, ...], parts: Parts) -> Clip | None:
    """The clip that the verdicts rest on, looked at again: the same content is always looked at in the same places."""
    content_sha256 = verdicts[0].lineage.content_sha256 if verdicts else None
    if content_sha256 is None or verdicts[0].score is None:
        return None
    return parts.sandbox.decode(str(upload.path), parts.pipeline.seed(content_sha256), _LOOK_SECONDS)


def _reupload(file: str, first: tuple[Verdict, ...], again: tuple[Verdict, ...]) -> Reupload:
    pairs = list(zip(first, again, strict=True))
    return Reupload(
        file=file,
        cold_ms=_worked_ms(first[0]),
        cached_ms=_worked_ms(again[0]),
        cache_tier=again[0].lineage.cache_tier,
        same_scores=all(abs((one.score or 0) - (other.score or 0)) <= _SAME_SCORE for one, other in pairs),
    )


def _worked_ms(verdict: Verdict) -> float:
    return sum(spent_ms for stage, spent_ms in verdict.latency_ms.items() if stage not in ("batch", "total"))
