"""The order of the verbs; of those that engines run, `judge.py` knows it.

Three steps, so that the worker can give each the threads it needs: `fetch` waits for the network, `perceive` for the
cache or a decoding child, and each of `judges` runs the engines on a batch. Passive: nothing here starts a thread.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime

from streamer.cache.flights import Flights
from streamer.decide import decide_unseen
from streamer.embed import Embedder
from streamer.errors import UndecodableError
from streamer.fetch import Fetcher
from streamer.judge import Judge, Shared, flight_key, wall_clock
from streamer.policy import Judgement
from streamer.recall import Recaller
from streamer.records import Batch, Case, Clip, Content, Event, Fused, Recall, Source, State, Verdict
from streamer.sandbox.host import Sandbox
from streamer.score import Scorer


class Pipeline:
    """From an event to its verdicts. Thread-safe, but for `judges`: each has engines of its own and one thread.

    engines: what each of the judges runs; of one or more.
    """

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        sandbox: Sandbox,
        recaller: Recaller,
        engines: Sequence[tuple[Embedder, Scorer]],
        judgement: Judgement,
        secret: bytes,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = wall_clock,
    ) -> None:
        self._fetcher = fetcher
        self._sandbox = sandbox
        self._recaller = recaller
        self._judgement = judgement
        self._secret = secret
        self._clock = clock
        self._wall = wall
        self._flights: Flights[str, Shared] = Flights()
        self.judges = tuple(
            Judge(embedder, scorer, judgement, recaller, self._flights, clock=clock, wall=wall)
            for embedder, scorer in engines
        )

    def fetch(self, event: Event, *, timeout_seconds: float) -> AbstractContextManager[Content]:
        """The event's video as a regular file of ours, while the block lasts. Raises poison and retryable errors."""
        return self._fetcher.fetch(
            event.uri, sha256=event.sha256, size_bytes=event.size_bytes, timeout_seconds=timeout_seconds
        )

    def perceive(
        self, event: Event, content: Content, *, source: Source | None, received_seconds: float, timeout_seconds: float
    ) -> Case:
        """Recall what is known of the video, or look at it and listen to it.

        Of simultaneous duplicates one is decoded and the others wait for its embeddings. A case with a clip leads: it
        has to reach `judge` or `abandon`. Raises `UndecodableError` (poison) and `SandboxFailedError` (retryable).
        """
        started = self._clock()
        recall = self._recaller.recall(event, content.sha256)
        recalled = self._clock()
        clip = None
        if recall.coverage is None:
            recall, clip = self._share_or_decode(content, recall, timeout_seconds)
        coverage = clip.coverage if clip is not None else recall.coverage
        assert coverage is not None
        return Case(
            event=event,
            content=content,
            recall=recall,
            clip=clip,
            coverage=coverage,
            received_seconds=received_seconds,
            latency_ms={"recall": (recalled - started) * 1000, "decode": (self._clock() - recalled) * 1000},
            source=source,
        )

    def look(self, content: Content, timeout_seconds: float) -> Clip:
        """Decode a video, whatever is known of it. Raises as `perceive` does."""
        return self._sandbox.decode(content.path, self.seed(content.sha256), timeout_seconds)

    def abandon(self, case: Case) -> None:
        """A case that no judge will see: who waits for its embeddings looks at the video itself."""
        if case.clip is not None:
            self._flights.abandon(flight_key(case.recall))

    def judge(self, batch: Batch) -> list[tuple[Verdict, ...]]:
        """As the first judge, for who has one thread only."""
        return self.judges[0].judge(batch)

    def answer(self, batch: Batch) -> list[tuple[Fused, tuple[Verdict, ...]]]:
        """As the first judge, for who has one thread only."""
        return self.judges[0].answer(batch)

    def unseen(
        self,
        event: Event,
        state: State,
        reason: str,
        *,
        content_sha256: str | None,
        source: Source | None,
        latency_ms: dict[str, float],
    ) -> tuple[Verdict, ...]:
        """Verdicts that say why nothing could be judged."""
        return decide_unseen(
            self._judgement,
            event,
            state,
            reason,
            content_sha256=content_sha256,
            latency_ms=latency_ms,
            source=source,
            decided_at=self._wall().isoformat(),
        )

    def _share_or_decode(self, content: Content, recall: Recall, timeout_seconds: float) -> tuple[Recall, Clip | None]:
        key = flight_key(recall)
        flight = self._flights.join(key)
        shared = None if flight.leads else flight.wait(timeout_seconds)
        if shared is not None:
            tokens, coverage = shared
            known = recall.tokens | tokens
            return replace(recall, tokens=known, coverage=coverage, tier="memory"), None
        if not flight.leads:
            raise UndecodableError("timed_out", f"a duplicate of this video was not decoded in {timeout_seconds:.0f} s")
        try:
            return recall, self.look(content, timeout_seconds)
        except BaseException:
            self._flights.abandon(key)
            raise

    def seed(self, content_sha256: str) -> bytes:
        """The same content is always looked at in the same places, and nobody without the secret knows where."""
        return hmac.digest(self._secret, b"earshot sampling plan:" + content_sha256.encode(), hashlib.sha256)
