"""What an outcome means: verdicts, another try later, or a dead letter. Exactly one of them for every event."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from streamer import wire
from streamer.errors import EarshotError, MalformedEventError, RetryableError
from streamer.flow import Outcome, Ticket
from streamer.metrics import Metrics
from streamer.options import Options
from streamer.outbox import MOST_MESSAGE_BYTES, Outbox, size_bytes
from streamer.pipeline import Pipeline
from streamer.records import Message, Outgoing, Rejected, State, Verdict


class RetryOptions(Options):
    """How often a retryable failure is tried again, and how long it waits: doubling from `first` up to `most`."""

    max_attempts: int = Field(default=5, ge=1, le=100)
    first_seconds: float = Field(default=2.0, gt=0, le=3600)
    most_seconds: float = Field(default=60.0, gt=0, le=24 * 3600)

    def wait_seconds(self, attempt: int) -> float:
        """How long to wait after that attempt has failed; the first is 1."""
        return min(self.most_seconds, self.first_seconds * 2.0 ** min(attempt - 1, 40))


class Settlement:
    """Turns outcomes into records to publish, and counts them."""

    def __init__(
        self,
        outbox: Outbox,
        pipeline: Pipeline,
        options: RetryOptions,
        metrics: Metrics,
        unix_ms: Callable[[], int],
    ) -> None:
        self._outbox = outbox
        self._pipeline = pipeline
        self._options = options
        self._metrics = metrics
        self._unix_ms = unix_ms

    def of_rejected(self, rejected: Rejected) -> tuple[Outgoing, ...]:
        """A message that is no event: a dead letter."""
        return self._dead_letter(rejected.message, rejected.reason, rejected.error)

    def of_bulky(self, message: Message) -> tuple[Outgoing, ...]:
        """A message too large to go any further: a dead letter without it."""
        error = f"came {size_bytes(message)} bytes with headers, expected at most {MOST_MESSAGE_BYTES}"
        return self._dead_letter(message, MalformedEventError.reason, error)

    def of_expired(self, ticket: Ticket, deadline_seconds: float) -> tuple[Outgoing, ...]:
        """An event whose time is up: verdicts that say so, so that it does not hold up its partition."""
        reason = f"not judged within its deadline of {deadline_seconds:g} s"
        verdicts = self._pipeline.unseen(
            ticket.event,
            State.EXPIRED,
            reason,
            content_sha256=None,
            source=ticket.source,
            latency_ms=dict(ticket.latency_ms),
        )
        return self._verdicts(ticket, verdicts)

    def of_outcome(self, outcome: Outcome) -> tuple[Outgoing, ...]:
        """The records that end the event, or that bring it back later."""
        ticket, result = outcome.ticket, outcome.result
        if not isinstance(result, EarshotError):
            return self._verdicts(ticket, result)
        attempt = wire.attempt_of(ticket.message)
        if not isinstance(result, RetryableError):
            return self._dead_letter(ticket.message, result.reason, str(result))
        if result.counts and attempt >= self._options.max_attempts:
            error = f"failed {attempt} times, last with {result.reason}: {result}"
            return self._dead_letter(ticket.message, "retries_exhausted", error)
        self._metrics.events.labels("retry").inc()
        self._metrics.retries.labels(result.reason).inc()
        not_before_ms = self._unix_ms() + int(self._options.wait_seconds(attempt) * 1000)
        coming = attempt + result.counts
        return self._outbox.retry(ticket.message, result.reason, attempt=coming, not_before_ms=not_before_ms)

    def _verdicts(self, ticket: Ticket, verdicts: tuple[Verdict, ...]) -> tuple[Outgoing, ...]:
        self._metrics.events.labels("verdict").inc()
        self._metrics.on_verdicts(verdicts)
        self._metrics.age.observe(max(0.0, (self._unix_ms() - ticket.message.timestamp_ms) / 1000))
        return self._outbox.verdicts(verdicts)

    def _dead_letter(self, message: Message, reason: str, error: str) -> tuple[Outgoing, ...]:
        self._metrics.events.labels("dead_letter").inc()
        self._metrics.dead_letters.labels(reason).inc()
        return self._outbox.dead_letter(message, reason, error)
