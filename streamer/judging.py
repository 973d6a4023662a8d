"""The engine threads: cases -> batches -> verdicts.

They take turns: one forms a batch, the others judge theirs. So a batch is formed when somebody is free to judge it,
and fills up as long as nobody is.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

import structlog

from streamer.batch import Batcher, BatchOptions
from streamer.metrics import Metrics
from streamer.records import Batch, Case, Verdict
from streamer.threads import Pool

log = structlog.get_logger()

#: How long the thread whose turn it is sleeps when there is nothing to wait for.
_IDLE_SECONDS = 1.0

#: Batches whose time says how long the next one may take.
_RECENT_BATCHES = 16

T = TypeVar("T")

#: Verdicts of every case of a batch, in order; for the batch as a whole it may raise.
JudgeBatch = Callable[[Batch], Sequence[tuple[Verdict, ...]]]


class Judging(Generic[T]):
    """A thread for each of `judges`. `submit` may be used by any thread.

    A case does not wait for company when what is left until its deadline is no more than judging took of late.

    done: is told by an engine thread what became of each case, by its ticket; once.
    """

    def __init__(
        self,
        judges: Sequence[JudgeBatch],
        options: BatchOptions,
        metrics: Metrics,
        clock: Callable[[], float],
        done: Callable[[T, tuple[Verdict, ...] | Exception], None],
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._done = done
        self._max_cases = options.max_cases
        self._cases: queue.SimpleQueue[tuple[T, Case, float]] = queue.SimpleQueue()
        self._turn = threading.Lock()  # of the two below
        self._batcher = Batcher(options, clock)
        self._tickets: list[T] = []
        self._took_seconds: tuple[float, ...] = (
            0.0,
        )  # of the last batches; a new tuple each time, so that no thread sees it change
        threads = Pool("engine", len(judges))
        for judge in judges:
            threads.submit(partial(self._judge_forever, judge))

    def submit(self, ticket: T, case: Case, deadline_seconds: float = math.inf) -> None:
        """Have a case judged, at best before its deadline on the clock; returns at once."""
        self._cases.put((ticket, case, deadline_seconds))

    @property
    def waiting(self) -> int:
        """Cases that are in no batch yet."""
        return self._cases.qsize()

    def _judge_forever(self, judge: JudgeBatch) -> None:
        while True:
            with self._turn:
                tickets, batch = self._next_batch()
            self._metrics.on_batch(batch, self._max_cases)
            started = self._clock()
            self._judge(judge, tickets, batch)
            self._took_seconds = (*self._took_seconds[1 - _RECENT_BATCHES :], self._clock() - started)

    def _next_batch(self) -> tuple[list[T], Batch]:
        batch = None
        while batch is None:
            wait_seconds = self._batcher.seconds_left()
            try:
                ticket, case, deadline_seconds = self._cases.get(
                    timeout=_IDLE_SECONDS if wait_seconds is None else wait_seconds
                )
                self._tickets.append(ticket)
                batch = self._batcher.add(case, deadline_seconds - max(self._took_seconds))
            except queue.Empty:
                batch = self._batcher.take()
        tickets, self._tickets = self._tickets, []
        return tickets, batch

    def _judge(self, judge: JudgeBatch, tickets: Sequence[T], batch: Batch) -> None:
        """Judge a batch; when it fails, each of its cases alone, so that one bad case costs only itself."""
        try:
            with self._metrics.timed("judge"):
                results = judge(batch)
        except Exception as error:
            if len(tickets) == 1:
                self._done(tickets[0], error)
                return
            log.warning("batch_failed", cases=len(tickets), error=f"{type(error).__name__}: {error}")
            for ticket, case, wait_ms in zip(tickets, batch.cases, batch.wait_ms, strict=True):
                self._judge(judge, [ticket], Batch((case,), (wait_ms,)))
            return
        for ticket, verdicts in zip(tickets, results, strict=True):
            self._done(ticket, verdicts)
