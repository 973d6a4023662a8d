"""The worker: polls, admits, settles, publishes. Its own thread never works on a video.

The order that keeps the promises: all work of an event is done, then its outputs and the offsets of a contiguous
prefix leave together, and only then is the event forgotten. Shutdown is a list: take nothing more, finish or give up
within the drain time, publish what is done, leave the group.
"""

from __future__ import annotations

import heapq
import math
import queue
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog
from pydantic import Field

from streamer import wire
from streamer.admin import Health
from streamer.commit import Committer
from streamer.errors import FatalError
from streamer.flow import Flow, Ticket
from streamer.metrics import Metrics
from streamer.offsets import Partition
from streamer.options import Options
from streamer.outbox import is_bulky
from streamer.records import Event, Message, Outgoing, Position, Rejected
from streamer.settle import Settlement
from streamer.shutdown import watchdog
from streamer.stream import Stream

log = structlog.get_logger()

_POLL_SECONDS = 0.05
_MOST_POLLED = 64
#: Retries that wait in memory for their time; beyond that the retry topic is paused.
_MOST_DEFERRED = 256
#: A pause ends when this share of the limits is free of work: each one throws away what the client has prefetched.
_RESUME_SHARE = 0.75
#: How long the way out may take for a worker that was told to leave at once.
_LEAVE_SECONDS = 3.0


class WorkerOptions(Options):
    """Limits of one worker. An event without a deadline of its own gets `deadline_seconds`.

    When the loop does not turn for `stuck_seconds` the process ends itself; several times
    `kafka.publish_timeout_seconds` is right.
    """

    max_in_flight_events: int = Field(default=64, ge=1, le=100_000)
    max_in_flight_bytes: int = Field(default=512 * 2**20, ge=2**20)
    max_uncommitted_events: int = Field(default=5_000, ge=1)
    deadline_seconds: float = Field(default=120.0, gt=0, le=24 * 3600)
    drain_seconds: float = Field(default=45.0, ge=0, le=3600)
    stuck_seconds: float = Field(default=120.0, ge=5, le=24 * 3600)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Monotonic seconds for deadlines; Unix milliseconds for times that other processes wrote."""

    monotonic: Callable[[], float]
    unix_ms: Callable[[], int]


class Worker:
    """One consumer of the group. `run` blocks; `stop` may be called from a signal handler or another thread.

    `event_bytes` is the most that one event may hold in memory; times the events in flight it stays within bounds.
    """

    def __init__(
        self,
        *,
        stream: Stream,
        flow: Flow,
        settlement: Settlement,
        committer: Committer,
        options: WorkerOptions,
        event_bytes: int,
        event_topic: str,
        retry_topic: str,
        metrics: Metrics,
        health: Health,
        clocks: Clocks,
    ) -> None:
        self._stream = stream
        self._flow = flow
        self._settlement = settlement
        self._committer = committer
        self._options = options
        self._most_in_flight = max(1, min(options.max_in_flight_events, options.max_in_flight_bytes // event_bytes))
        self._event_bytes = event_bytes
        self._topics = {event_topic, retry_topic}
        self._retry_topic = retry_topic
        self._metrics = metrics
        self._health = health
        self._clocks = clocks
        self._stops = 0
        self._publishes = True  # until the worker fails, or has to leave at once
        self._leave_seconds = math.inf
        self._paused = False
        self._working: set[Ticket] = set()  # somebody may still hold memory for these
        self._open: dict[Position, Ticket] = {}  # these have no outcome yet
        self._deadlines: list[tuple[float, int, Ticket]] = []
        self._deferred: list[tuple[int, int, Message]] = []
        self._serial = 0
        self._lost: FatalError | None = None  # why this process cannot go on

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Work until told to stop, or until `until` says that it is enough; then drain and leave.

        Raises `BrokerError` (fatal) when Kafka refuses to go on, `EnginesLostError` (fatal) when engines only fail;
        what was not committed comes again.
        """
        with watchdog(self._why_leave_at_once):
            self._stream.open(self)
            try:
                while not self._stops and not until():
                    self._turn()
                self._drain()
            except BaseException:
                self._publishes = False
                raise
            finally:
                self._stream.close()

    def stop(self) -> None:
        """Drain and return; called a second time: leave at once, what is unfinished comes again."""
        self._stops += 1
        if self._stops > 1:
            self._publishes = False
            self._leave_seconds = min(self._leave_seconds, self._clocks.monotonic() + _LEAVE_SECONDS)

    def _why_leave_at_once(self) -> str | None:
        if self._clocks.monotonic() >= self._leave_seconds:
            return "told to stop twice, and a call to Kafka does not return"
        if self._health.stalled(self._options.stuck_seconds):
            return f"no turn of the poll loop for {self._options.stuck_seconds:g} s"
        return None

    @property
    def idle(self) -> bool:
        """Whether nothing is in flight and nothing waits for its commit."""
        return not self._open and not self._committer and not self._deferred

    def on_revoked(self, partitions: Collection[Partition]) -> None:
        """See `Ownership`: publish what has finished, then forget the rest."""
        self._take_outcomes()
        if self._publishes:
            self._committer.publish_all()
        self.on_lost(partitions)

    def on_lost(self, partitions: Collection[Partition]) -> None:
        """See `Ownership`: whoever has the partitions now does the work again."""
        for position in self._committer.drop(partitions):
            ticket = self._open.pop(position, None)
            if ticket is not None:
                ticket.settled = True
        gone = set(partitions)
        self._deferred = [item for item in self._deferred if _partition(item[2]) not in gone]
        heapq.heapify(self._deferred)

    def _turn(self) -> None:
        self._check_engines()
        self._update_pauses()
        room = self._most_wanted() - len(self._working)
        for message in self._stream.poll(_POLL_SECONDS, max(1, min(room, _MOST_POLLED))):
            self._admit(message)
        self._admit_due()
        self._take_outcomes()
        self._expire()
        self._committer.turn()
        self._report()

    def _admit(self, message: Message) -> None:
        if message.position.topic != self._retry_topic:
            message = wire.as_new(message)  # retry headers count only where nobody but a worker writes
        if not self._committer.start(message.position):
            return
        if message.position.topic != self._retry_topic and is_bulky(message):
            self._committer.finish(message.position, self._settlement.of_bulky(message))
            return
        if wire.not_before_ms_of(message) > self._clocks.unix_ms():
            self._serial += 1
            heapq.heappush(self._deferred, (wire.not_before_ms_of(message), self._serial, message))
            return
        self._begin(message)

    def _admit_due(self) -> None:
        now_ms = self._clocks.unix_ms()
        while self._deferred and self._deferred[0][0] <= now_ms and len(self._working) < self._most_wanted():
            self._begin(heapq.heappop(self._deferred)[2])

    def _begin(self, message: Message) -> None:
        event = wire.parse_event(message)
        if isinstance(event, Rejected):
            self._committer.finish(message.position, self._settlement.of_rejected(event))
            return
        now = self._clocks.monotonic()
        deadline = now + min(self._options.deadline_seconds, self._of_use_seconds(event, message))
        ticket = Ticket(message, event, wire.source_of(message), now, deadline)
        self._serial += 1
        heapq.heappush(self._deadlines, (deadline, self._serial, ticket))
        self._open[message.position] = ticket
        self._working.add(ticket)
        self._flow.submit(ticket)

    def _of_use_seconds(self, event: Event, message: Message) -> float:
        """How long a verdict will still be of use; an event's own deadline counts from its record's time."""
        if event.deadline_seconds is None:
            return math.inf
        age_seconds = (self._clocks.unix_ms() - wire.first_seen_ms_of(message)) / 1000
        return max(0.0, event.deadline_seconds - max(0.0, age_seconds))

    def _take_outcomes(self) -> None:
        while True:
            try:
                outcome = self._flow.outcomes.get_nowait()
            except queue.Empty:
                return
            self._working.discard(outcome.ticket)
            if isinstance(outcome.result, FatalError):
                self._lost = outcome.result
            elif not outcome.ticket.settled:
                self._settle(outcome.ticket, self._settlement.of_outcome(outcome))

    def _expire(self) -> None:
        now = self._clocks.monotonic()
        while self._deadlines and (self._deadlines[0][0] <= now or self._deadlines[0][2].settled):
            _, _, ticket = heapq.heappop(self._deadlines)
            if not ticket.settled:
                allowed_seconds = ticket.deadline_seconds - ticket.received_seconds
                self._settle(ticket, self._settlement.of_expired(ticket, allowed_seconds))

    def _settle(self, ticket: Ticket, outputs: tuple[Outgoing, ...]) -> None:
        ticket.settled = True
        self._open.pop(ticket.message.position, None)
        self._committer.finish(ticket.message.position, outputs)

    def _check_engines(self) -> None:
        """Raises `EnginesLostError` (fatal), outside any callback of the stream."""
        if self._lost is not None:
            raise self._lost
        self._flow.check_engines()

    def _most_wanted(self) -> int:
        """How many events may be in flight: while engines rest none, and then one batch to try them with."""
        most = self._flow.most_events
        return self._most_in_flight if most is None else min(most, self._most_in_flight)

    def _update_pauses(self) -> None:
        share = _RESUME_SHARE if self._paused else 1.0
        self._paused = (
            len(self._working) >= self._most_wanted() * share
            or len(self._committer) >= self._options.max_uncommitted_events * share
        )
        if self._paused:
            self._stream.pause(self._topics)
        else:
            self._stream.pause({self._retry_topic} if len(self._deferred) >= _MOST_DEFERRED else ())

    def _drain(self) -> None:
        """Finish what is in flight, or give it up when the time is over; what was given up comes again."""
        self._health.draining = True
        self._stream.pause(self._topics)
        deadline = self._clocks.monotonic() + self._options.drain_seconds
        log.info("draining", in_flight=len(self._open), seconds=self._options.drain_seconds)
        while self._open and self._lost is None and self._stops < 2 and self._clocks.monotonic() < deadline:
            for message in self._stream.poll(_POLL_SECONDS, 1):
                log.debug("left_for_others", position=str(message.position))
            self._take_outcomes()
            self._expire()
            self._committer.turn()
            self._report()
        if self._publishes:
            self._take_outcomes()
            self._committer.publish_all()
        log.info("drained", given_up=len(self._open), uncommitted=len(self._committer))

    def _report(self) -> None:
        self._health.last_turn_seconds = self._clocks.monotonic()
        self._health.assigned = self._stream.assigned()
        self._health.engines_work = self._flow.most_events is None
        self._metrics.in_flight.set(len(self._open))
        self._metrics.in_flight_bytes.set(len(self._working) * self._event_bytes)
        self._metrics.uncommitted.set(len(self._committer))
        self._metrics.paused.set(self._paused)
        self._flow.note_depths()


def _partition(message: Message) -> Partition:
    return message.position.topic, message.position.partition
