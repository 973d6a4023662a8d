"""The only place that knows the order of the verbs.

Three steps, so that the worker can give each the threads it needs: `fetch` waits for the network, `perceive` for the
cache or a decoding child, `judge` runs the engines on a batch. Passive: nothing here starts a thread.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime

from streamer.cache.flights import Flights
from streamer.decide import decide, decide_unseen
from streamer.embed import Embedder
from streamer.errors import UndecodableError
from streamer.fetch import Fetcher
from streamer.policy import Judgement
from streamer.recall import Recaller
from streamer.records import (
    Batch,
    Case,
    Clip,
    Content,
    Coverage,
    Embeddings,
    Event,
    Fused,
    Modality,
    Recall,
    Source,
    State,
    Tokens,
    Verdict,
)
from streamer.sandbox.host import Sandbox
from streamer.score import Scorer

#: Media tokens and coverage of a video that another event is having embedded right now.
Shared = tuple[dict[Modality, Tokens], Coverage]


def wall_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class Pipeline:
    """From an event to its verdicts. `fetch` and `perceive` are thread-safe; `judge` belongs to one thread."""

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        sandbox: Sandbox,
        recaller: Recaller,
        embedder: Embedder,
        scorer: Scorer,
        judgement: Judgement,
        secret: bytes,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = wall_clock,
    ) -> None:
        self._fetcher = fetcher
        self._sandbox = sandbox
        self._recaller = recaller
        self._embedder = embedder
        self._scorer = scorer
        self._judgement = judgement
        self._secret = secret
        self._clock = clock
        self._wall = wall
        self._flights: Flights[str, Shared] = Flights()

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
        has to reach `judge`. Raises `UndecodableError` (poison) and `SandboxFailedError` (retryable).
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

    def judge(self, batch: Batch) -> list[tuple[Verdict, ...]]:
        """The verdicts of every case, in order. Raises `EngineFailedError` (retryable) for the batch as a whole."""
        return [verdicts for _, verdicts in self.answer(batch)]

    def answer(self, batch: Batch) -> list[tuple[Fused, tuple[Verdict, ...]]]:
        """As `judge`, with what the fusion network said of each case: its embedding is among that."""
        started = self._clock()
        fresh = [case for case in batch.cases if case.recall.fused is None]
        embeddings = self._embed(fresh)
        embedded = self._clock()
        fusion = self._scorer.fuse(embeddings)
        self._recaller.keep_fused(fresh, fusion)
        stages = {"embed": (embedded - started) * 1000, "score": (self._clock() - embedded) * 1000}
        engine_ms = (embeddings.engine_ms + fusion.engine_ms) / max(1, len(fresh))
        computed = iter(fusion.cases)
        answers = []
        for case, wait_ms in zip(batch.cases, batch.wait_ms, strict=True):
            known = case.recall.fused
            fused, cost_ms = (next(computed), engine_ms) if known is None else (known, 0.0)
            answers.append((fused, self._decide(case, fused, stages | {"batch": wait_ms}, cost_ms)))
        return answers

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
        key = _flight_key(recall)
        flight = self._flights.join(key)
        shared = None if flight.leads else flight.wait(timeout_seconds)
        if shared is not None:
            tokens, coverage = shared
            known = recall.tokens | tokens
            return replace(recall, tokens=known, coverage=coverage, tier="memory"), None
        if not flight.leads:
            raise UndecodableError("timed_out", f"a duplicate of this video was not decoded in {timeout_seconds:.0f} s")
        try:
            return recall, self._sandbox.decode(content.path, self.seed(content.sha256), timeout_seconds)
        except BaseException:
            self._flights.abandon(key)
            raise

    def seed(self, content_sha256: str) -> bytes:
        """The same content is always looked at in the same places, and nobody without the secret knows where."""
        return hmac.digest(self._secret, b"earshot sampling plan:" + content_sha256.encode(), hashlib.sha256)

    def _embed(self, cases: Sequence[Case]) -> Embeddings:
        """Embed, and hand the tokens of each decoded video to those who wait for it; or the lead, when it failed."""
        leading = [(n, case) for n, case in enumerate(cases) if case.clip is not None]
        try:
            embeddings = self._embedder.embed(cases)
            self._recaller.keep_tokens(cases, embeddings)
        except BaseException:
            for _, case in leading:
                self._flights.abandon(_flight_key(case.recall))
            raise
        for n, case in leading:
            media: dict[Modality, Tokens] = {
                modality: tokens for modality, tokens in embeddings.tokens[n].items() if modality is not Modality.TEXT
            }
            self._flights.resolve(_flight_key(case.recall), (media, case.coverage))
        return embeddings

    def _decide(self, case: Case, fused: Fused, stages: dict[str, float], engine_ms: float) -> tuple[Verdict, ...]:
        total_ms = (self._clock() - case.received_seconds) * 1000
        return decide(
            self._judgement,
            case,
            self._scorer.score(fused),
            latency_ms=case.latency_ms | stages | {"total": total_ms},
            engine_ms=engine_ms,
            decided_at=self._wall().isoformat(),
        )


def _flight_key(recall: Recall) -> str:
    return recall.keys[Modality.VISION]
