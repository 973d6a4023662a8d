"""The engine threads: cases -> batches -> verdicts.

They take turns: one forms a batch, the others judge theirs. So a batch is formed when somebody is free to judge it,
and fills up as long as nobody is. Engines that only fail rest (`brake.py`); where all do, nobody waits for them.
"""

from __future__ import annotations

import math
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

import structlog

from streamer.batch import Batcher, BatchOptions
from streamer.brake import Brake, BrakeOptions
from streamer.errors import EnginesLostError, EnginesRestingError, FatalError, RetryableError
from streamer.metrics import Metrics
from streamer.records import Batch, Case, Verdict
from streamer.threads import Pool

log = structlog.get_logger()

#: How long the thread whose turn it is sleeps when there is nothing to wait for.
_IDLE_SECONDS = 1.0

#: How long a thread whose engines rest sleeps before it looks whether that is over.
_LOOK_SECONDS = 0.05

#: Batches whose time says how long the next one may take.
_RECENT_BATCHES = 16

T = TypeVar("T")

#: Verdicts of every case of a batch, in order; for the batch as a whole it may raise.
JudgeBatch = Callable[[Batch], Sequence[tuple[Verdict, ...]]]


class Judging(Generic[T]):
    """A thread for each of `judges`. `submit` may be used by any thread.

    A case does not wait for company when what is left until its deadline is no more than judging took of late.

    done: is told by an engine thread what became of each case, by its ticket; once.
    refused: is told before that of each case that no judge has seen.
    """

    def __init__(
        self,
        judges: Sequence[JudgeBatch],
        options: BatchOptions,
        metrics: Metrics,
        clock: Callable[[], float],
        done: Callable[[T, tuple[Verdict, ...] | Exception], None],
        *,
        brake: BrakeOptions | None = None,
        refused: Callable[[Case], None] | None = None,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._done = done
        self._refused = refused
        self._give_up_seconds = (brake := brake or BrakeOptions()).give_up_seconds
        self._max_cases = options.max_cases
        self._cases: queue.SimpleQueue[tuple[T, Case, float]] = queue.SimpleQueue()
        self._turn = threading.Lock()  # of the two below
        self._batcher = Batcher(options, clock)
        self._tickets: list[T] = []
        self._took_seconds: tuple[float, ...] = (
            0.0,
        )  # of the last batches; a new tuple each time, so that no thread sees it change
        rng = random.Random()  # noqa: S311  spreads trials, protects nothing
        self._brakes = [Brake(brake, clock, rng) for _ in judges]
        threads = Pool("engine", len(judges))
        for judge, own in zip(judges, self._brakes, strict=True):
            threads.submit(partial(self._judge_forever, judge, own))

    def submit(self, ticket: T, case: Case, deadline_seconds: float = math.inf) -> None:
        """Have a case judged, at best before its deadline on the clock; returns at once."""
        self._cases.put((ticket, case, deadline_seconds))

    @property
    def waiting(self) -> int:
        """Cases that are in no batch yet."""
        return self._cases.qsize()

    @property
    def resting(self) -> int:
        """Threads whose engines rest or are on trial."""
        return sum(brake.on for brake in self._brakes)

    @property
    def most_cases(self) -> int | None:
        """How many cases are wanted: any number (None), one batch to try engines with, or none while all rest."""
        if self.resting < len(self._brakes):
            return None
        return 0 if self._all_rest() else self._max_cases

    def check(self) -> None:
        """Raises `EnginesLostError` (fatal) when engines have judged nothing for too long."""
        seconds = max(brake.on_seconds for brake in self._brakes)
        if seconds >= self._give_up_seconds:
            raise EnginesLostError(
                f"engines of {self.resting} of {len(self._brakes)} threads only fail, for {seconds:.0f} s now "
                f"(brake.give_up_seconds is {self._give_up_seconds:g}); `engines_rest` in the log says how"
            )

    def _all_rest(self) -> bool:
        return all(brake.resting for brake in self._brakes)

    def _judge_forever(self, judge: JudgeBatch, brake: Brake) -> None:
        entered: int | None = None
        while True:
            with self._turn:
                entered = brake.enter() if entered is None else entered
                if entered is not None:
                    tickets, batch = self._next_batch()
                elif self._all_rest():
                    self._refuse_waiting()
            if entered is None:
                time.sleep(_LOOK_SECONDS)
                continue
            self._metrics.on_batch(batch, self._max_cases)
            started = self._clock()
            failed = self._judge(judge, tickets, batch, trial=brake.on)
            self._took_seconds = (*self._took_seconds[1 - _RECENT_BATCHES :], self._clock() - started)
            if fresh := [case for case in batch.cases if case.recall.fused is None]:
                self._note(brake, entered, fresh, [error for case, error in failed if case.recall.fused is None])
                entered = None  # what is remembered needs no engines, and says nothing of them

    def _note(self, brake: Brake, entered: int, fresh: Sequence[Case], errors: Sequence[Exception]) -> None:
        was_on = brake.on
        brake.leave(entered, {case.content.sha256 for case in fresh}, judged=len(errors) < len(fresh))
        if brake.on and not was_on:
            log.error("engines_rest", threads_that_rest=self.resting, of=len(self._brakes), error=_words(errors[-1]))
        elif was_on and not brake.on:
            log.warning("engines_work_again", threads_that_rest=self.resting, of=len(self._brakes))

    def _refuse_waiting(self) -> None:
        """Nobody judges what waits, and it has no say in when somebody will: it comes again, and not as another try."""
        while True:
            try:
                ticket, case, _ = self._cases.get_nowait()
            except queue.Empty:
                return
            if self._refused is not None:
                self._refused(case)
            self._done(ticket, EnginesRestingError("engines rest, as they have failed too often"))

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

    def _judge(
        self, judge: JudgeBatch, tickets: Sequence[T], batch: Batch, *, trial: bool
    ) -> list[tuple[Case, Exception]]:
        """Judge a batch; when it fails, each of its cases alone, so that one bad case costs only itself.

        trial: the engines have failed too often before, which is not held against these cases. Gives the cases that
        were not judged, each with its error.
        """
        try:
            with self._metrics.timed("judge"):
                results = judge(batch)
        except Exception as error:
            if len(tickets) == 1 or isinstance(error, FatalError):
                for ticket in tickets:
                    self._done(ticket, _on_trial(error) if trial else error)
                return [(case, error) for case in batch.cases]
            log.warning("batch_failed", cases=len(tickets), error=_words(error))
            singles = zip(tickets, batch.cases, batch.wait_ms, strict=True)
            return [
                failure
                for ticket, case, wait_ms in singles
                for failure in self._judge(judge, [ticket], Batch((case,), (wait_ms,)), trial=trial)
            ]
        for ticket, verdicts in zip(tickets, results, strict=True):
            self._done(ticket, verdicts)
        return []


def _on_trial(error: Exception) -> Exception:
    if not isinstance(error, RetryableError):
        return error
    return EnginesRestingError(f"engines that have failed too often failed on this, too: {error}")


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
