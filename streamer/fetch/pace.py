"""How long a fetch may still wait for its next bytes: a phase, a minimum rate and a deadline. Pure."""

from __future__ import annotations

from collections.abc import Callable

from streamer.errors import FetchFailedError


class Pace:
    """One fetch against the clock. Serves one thread.

    Begins in no phase, under the deadline alone. `begin` starts a phase with a limit of its own; `begin_body` starts
    looking at the rate: every `min_bytes_per_second * window_seconds` bytes may take `window_seconds`, so that
    neither a trickle nor a standstill after a fast start holds a worker for long.
    """

    def __init__(
        self,
        subject: str,
        *,
        timeout_seconds: float,
        min_bytes_per_second: int,
        window_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._subject = subject
        self._clock = clock
        self._min_bytes_per_second = min_bytes_per_second
        self._window_seconds = window_seconds
        self._deadline = clock() + timeout_seconds
        self._end = self._deadline
        self._limit = self._total = f"{timeout_seconds:g} s in total"
        self._in_body = False
        self._window_bytes = 0
        self.received_bytes = 0

    @property
    def window_bytes(self) -> int:
        """Bytes that have to come within one window of the body."""
        return max(1, int(self._min_bytes_per_second * self._window_seconds))

    def begin(self, phase: str, seconds: float) -> None:
        """The phase has to be over within that time, whatever trickles in meanwhile."""
        self._until(seconds, f"{seconds:g} s for {phase}")

    def begin_body(self) -> None:
        """From here on it is bytes that count."""
        self._in_body = True
        self._begin_window()

    def received(self, size_bytes: int) -> None:
        """Counts bytes of the body."""
        self.received_bytes += size_bytes
        self._window_bytes += size_bytes
        if self._in_body and self._window_bytes >= self.window_bytes:
            self._begin_window()

    def remaining_seconds(self) -> float:
        """How long to wait now, more than 0. Raises `FetchFailedError` (retryable) when the time is over."""
        remaining_seconds = self._end - self._clock()
        if remaining_seconds <= 0:
            raise self.late()
        return remaining_seconds

    def late(self) -> FetchFailedError:
        """What to raise when the time is over."""
        return FetchFailedError(
            f"{self._subject}: too slow, {self.received_bytes} bytes came; expected no more than {self._limit}"
        )

    def _begin_window(self) -> None:
        self._window_bytes = 0
        self._until(self._window_seconds, f"{self._window_seconds:g} s for every {self.window_bytes} bytes")

    def _until(self, seconds: float, limit: str) -> None:
        end = self._clock() + seconds
        self._end, self._limit = min((end, limit), (self._deadline, self._total))
