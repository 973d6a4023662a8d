"""A batch of cases -> their verdicts, through engines that belong to one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from streamer.cache.flights import Flights
from streamer.decide import decide
from streamer.embed import Embedder
from streamer.policy import Judgement
from streamer.recall import Recaller
from streamer.records import Batch, Case, Coverage, Embeddings, Fused, Modality, Recall, Tokens, Verdict
from streamer.score import Scorer

#: Media tokens and coverage of a video that another event is having embedded right now.
Shared = tuple[dict[Modality, Tokens], Coverage]


def wall_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class Judge:
    """Embeds, scores, decides and remembers. One thread each; what is remembered and who waits may be shared."""

    def __init__(
        self,
        embedder: Embedder,
        scorer: Scorer,
        judgement: Judgement,
        recaller: Recaller,
        flights: Flights[str, Shared],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = wall_clock,
    ) -> None:
        self._embedder = embedder
        self._scorer = scorer
        self._judgement = judgement
        self._recaller = recaller
        self._flights = flights
        self._clock = clock
        self._wall = wall

    def judge(self, batch: Batch) -> list[tuple[Verdict, ...]]:
        """The verdicts of every case, in order.

        For the batch as a whole it raises `EngineFailedError` (retryable), and `EnginesLostError` (fatal) where the
        process has to be started again.
        """
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

    def _embed(self, cases: Sequence[Case]) -> Embeddings:
        """Embed, and hand the tokens of each decoded video to those who wait for it; or the lead, when it failed."""
        leading = [(n, case) for n, case in enumerate(cases) if case.clip is not None]
        try:
            embeddings = self._embedder.embed(cases)
            self._recaller.keep_tokens(cases, embeddings)
        except BaseException:
            for _, case in leading:
                self._flights.abandon(flight_key(case.recall))
            raise
        for n, case in leading:
            media: dict[Modality, Tokens] = {
                modality: tokens for modality, tokens in embeddings.tokens[n].items() if modality is not Modality.TEXT
            }
            self._flights.resolve(flight_key(case.recall), (media, case.coverage))
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


def flight_key(recall: Recall) -> str:
    """The video, as the sampling plan looks at it: who has the same key waits for the same tokens."""
    return recall.keys[Modality.VISION]
