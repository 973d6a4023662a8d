"""Makes engines that only fail rest, so that they do not fail event after event; a batch now and then tries them.

A batch has failed when none of its cases could be judged, not even alone: one bad case costs only itself and says
nothing of the engines. Where events are so few that it comes alone, it still counts once, however often it is tried
again: what counts is how many batches fail in a row with a video among them that had not failed before.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection

from pydantic import Field

from streamer.breaker import Breaker
from streamer.options import Options


class BrakeOptions(Options):
    """When the engines of a thread rest: after `failed_batches` in a row.

    first_seconds: the first rest; each batch that fails after one doubles it, up to `most_seconds`, spread by a fifth.
    give_up_seconds: engines that judged nothing for that long since they first rested end the process.
    """

    failed_batches: int = Field(default=5, ge=1, le=1000)
    first_seconds: float = Field(default=5.0, gt=0, le=3600)
    most_seconds: float = Field(default=60.0, gt=0, le=3600)
    give_up_seconds: float = Field(default=600.0, gt=0, le=24 * 3600)


class Brake:
    """Of the engines of one thread, which alone calls `enter` and `leave`; anybody may look."""

    def __init__(self, options: BrakeOptions, clock: Callable[[], float], rng: random.Random) -> None:
        self._most_failed = options.failed_batches
        self._clock = clock
        self._breaker = Breaker(
            open_seconds=options.first_seconds,
            max_open_seconds=options.most_seconds,
            overdue_seconds=math.inf,
            clock=clock,
            rng=rng,
        )
        self._failed = 0
        self._contents: set[str] = set()
        self._since_seconds: float | None = None

    @property
    def on(self) -> bool:
        """Whether the engines rest, or have not judged anything since."""
        return self._since_seconds is not None

    @property
    def resting(self) -> bool:
        """Whether not even a batch may try the engines now."""
        return self._breaker.state() == "open"

    @property
    def on_seconds(self) -> float:
        """How long the brake has been on; 0 when it is not."""
        since_seconds = self._since_seconds
        return 0.0 if since_seconds is None else self._clock() - since_seconds

    def enter(self) -> int | None:
        """A ticket for one batch, to be given to `leave`; None while the engines rest."""
        return self._breaker.enter()

    def leave(self, ticket: int, contents: Collection[str], *, judged: bool) -> None:
        """Tell how a batch of videos with these contents went: whether any was judged."""
        if judged:
            self._failed, self._contents, self._since_seconds = 0, set(), None
        elif not self._contents.issuperset(contents):
            self._failed += 1
            self._contents.update(contents)
        if not judged and self._failed >= self._most_failed and self._since_seconds is None:
            self._since_seconds = self._clock()
        self._breaker.leave(ticket, succeeded=not self.on)
