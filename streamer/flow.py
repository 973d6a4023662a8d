"""The threads between admission and outcome: fetch -> perceive -> judge, each with the threads that it needs.

fetch threads wait for the network, decode threads for a child process, and each engine thread owns its engines.
Whatever happens to an event, exactly one `Outcome` comes out for it.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import structlog
from pydantic import Field

from streamer.batch import BatchOptions
from streamer.brake import BrakeOptions
from streamer.errors import EarshotError, InternalError, UndecodableError
from streamer.judging import Judging
from streamer.metrics import Metrics
from streamer.options import Options
from streamer.pipeline import Pipeline
from streamer.records import Content, Event, Message, Source, State, Verdict
from streamer.threads import Pool

log = structlog.get_logger()


class FlowOptions(Options):
    """Threads of each stage. Decoding is what costs: by default one thread, and so one child, for each core.

    engine_threads: each has engines and memory of its own; None: three on a GPU, else one.
    """

    fetch_threads: int = Field(default=8, ge=1, le=512)
    decode_threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=512)
    engine_threads: int | None = Field(default=None, ge=1, le=16)


@dataclass(slots=True, eq=False)
class Ticket:
    """An admitted event. `settled` is set once by the worker: a later outcome is of no use any more."""

    message: Message
    event: Event
    source: Source
    received_seconds: float
    deadline_seconds: float
    settled: bool = False
    latency_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a ticket: verdicts, or the error that ended it."""

    ticket: Ticket
    result: tuple[Verdict, ...] | EarshotError


class Flow:
    """Takes tickets in and puts outcomes on a queue. `submit` and `outcomes` may be used by any thread."""

    def __init__(
        self,
        pipeline: Pipeline,
        options: FlowOptions,
        batch_options: BatchOptions,
        brake_options: BrakeOptions,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self.outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._pipeline = pipeline
        self._metrics = metrics
        self._clock = clock
        self._fetchers = Pool("fetch", options.fetch_threads)
        self._decoders = Pool("decode", options.decode_threads)
        judges = [judge.judge for judge in pipeline.judges]
        self._judging: Judging[Ticket] = Judging(
            judges, batch_options, metrics, clock, self._end, brake=brake_options, refused=pipeline.abandon
        )

    def submit(self, ticket: Ticket) -> None:
        """Begin with a ticket; returns at once."""
        self._fetchers.submit(lambda: self._fetch(ticket))

    @property
    def most_events(self) -> int | None:
        """How many events engines can do with: any number (None), one batch to be tried with, none while all rest."""
        return self._judging.most_cases

    def check_engines(self) -> None:
        """Raises `EnginesLostError` (fatal) when engines have judged nothing for too long."""
        self._judging.check()

    def note_depths(self) -> None:
        """Tell the metrics how much waits before each stage, and how many engine threads rest."""
        self._metrics.engines_resting.set(self._judging.resting)
        for stage, waiting in (
            ("fetch", self._fetchers.waiting),
            ("decode", self._decoders.waiting),
            ("judge", self._judging.waiting),
        ):
            self._metrics.queue.labels(stage).set(waiting)

    def _fetch(self, ticket: Ticket) -> None:
        with ExitStack() as stack:
            try:
                started = self._clock()
                with self._metrics.timed("fetch"):
                    remaining = self._remaining(ticket)
                    content = stack.enter_context(self._pipeline.fetch(ticket.event, timeout_seconds=remaining))
                self._metrics.fetched.inc(content.size_bytes)
                ticket.latency_ms["fetch"] = (self._clock() - started) * 1000
            except Exception as error:
                self._end(ticket, error)
                return
            held = stack.pop_all()
            self._decoders.submit(lambda: self._perceive(ticket, held, content))

    def _perceive(self, ticket: Ticket, held: ExitStack, content: Content) -> None:
        try:
            with held, self._metrics.timed("perceive"):
                case = self._pipeline.perceive(
                    ticket.event,
                    content,
                    source=ticket.source,
                    received_seconds=ticket.received_seconds,
                    timeout_seconds=self._remaining(ticket),
                )
            case.latency_ms.update(ticket.latency_ms)
            self._judging.submit(ticket, case, ticket.deadline_seconds)
        except UndecodableError as error:
            self._end(ticket, self._undecodable(ticket, error, content))
        except Exception as error:
            self._end(ticket, error)

    def _remaining(self, ticket: Ticket) -> float:
        return max(0.01, ticket.deadline_seconds - self._clock())

    def _undecodable(self, ticket: Ticket, error: UndecodableError, content: Content) -> tuple[Verdict, ...]:
        return self._pipeline.unseen(
            ticket.event,
            State.UNDECODABLE,
            f"{error.code}: {error}",
            content_sha256=content.sha256,
            source=ticket.source,
            latency_ms=dict(ticket.latency_ms),
        )

    def _end(self, ticket: Ticket, result: tuple[Verdict, ...] | Exception) -> None:
        if isinstance(result, Exception) and not isinstance(result, EarshotError):
            log.error("internal_error", position=str(ticket.message.position), exc_info=result)
            place = ticket.message.position
            result = InternalError(f"{type(result).__name__} in Earshot itself; see the log at {place}")
        self.outcomes.put(Outcome(ticket, result))
