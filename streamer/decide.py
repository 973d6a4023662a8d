"""Scores + policy -> Verdict. Pure: the same case, scores and policy give the same verdict and the same id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from pydantic import Field, model_validator

from streamer.options import Options
from streamer.records import (
    TASKS,
    Action,
    Attention,
    Case,
    Cost,
    Coverage,
    Event,
    Evidence,
    Lineage,
    Modality,
    Scores,
    Source,
    State,
    Task,
    Verdict,
)
from streamer.wire import verdict_id

#: Spans below this share of the attention say nothing to a reviewer.
_LEAST_EVIDENCE_WEIGHT = 0.05
_MOST_EVIDENCE_SPANS = 5


class TaskPolicy(Options):
    """From which calibrated probability on each action is asked for; an action left out is never taken.

    `flag` says which side is bad: clickbait and adult are bad when the score is high, relevance when it is low.
    A `review` of None takes the threshold that the bundle recommends.
    """

    flag: Literal["above", "below"] = "above"
    review: float | None = Field(default=None, ge=0, le=1)
    restrict: float | None = Field(default=None, ge=0, le=1)
    block: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _severe_actions_need_more(self) -> TaskPolicy:
        given = [value for value in (self.review, self.restrict, self.block) if value is not None]
        if given != sorted(given, reverse=self.flag == "below"):
            raise ValueError(
                f"thresholds review={self.review}, restrict={self.restrict}, block={self.block}, flag={self.flag!r}: "
                "a more severe action must need a more extreme score"
            )
        return self


class PolicyOptions(Options):
    """The policy as data. Change `version` with every change: it is part of each verdict's id."""

    version: str = Field(default="default-1", min_length=1, max_length=64)
    clickbait: TaskPolicy = TaskPolicy()
    adult: TaskPolicy = TaskPolicy(block=0.98)
    relevance: TaskPolicy = TaskPolicy(flag="below")
    require: tuple[Modality, ...] = ()
    max_gap_seconds: float | None = Field(default=None, gt=0)
    min_frames: int = Field(default=0, ge=0)
    undecided: Action = Action.REVIEW  # the least action when there is no full decision

    def of(self, task: Task) -> TaskPolicy:
        """The policy of one task."""
        return {Task.CLICKBAIT: self.clickbait, Task.ADULT: self.adult, Task.RELEVANCE: self.relevance}[task]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The parts of every verdict that do not depend on the video: who judges, by which policy."""

    policy: PolicyOptions
    thresholds: Mapping[Task, float]  # recommended by the bundle
    lineage: Lineage

    def threshold(self, task: Task) -> float:
        """The score at which the mildest action begins."""
        policy = self.policy.of(task)
        given = (policy.review, policy.restrict, policy.block)
        if policy.review is None and policy.restrict is None:
            return self.thresholds[task]
        return next(value for value in given if value is not None)

    def action(self, task: Task, score: float) -> Action:
        """The most severe action whose threshold the score reaches."""
        policy = self.policy.of(task)
        ladder = (
            (Action.BLOCK, policy.block),
            (Action.RESTRICT, policy.restrict),
            (Action.REVIEW, self.threshold(task)),
        )
        for action, threshold in ladder:
            if threshold is None:
                continue
            if score >= threshold if policy.flag == "above" else score < threshold:
                return action
        return Action.ALLOW

    def state(self, missing: Sequence[Modality], coverage: Coverage) -> tuple[State, str | None]:
        """Whether enough was seen and heard for a decision, and what was lacking."""
        lacking = [modality for modality in self.policy.require if modality in missing]
        if lacking:
            return State.MISSING_MODALITY, f"the policy requires {', '.join(lacking)}; the video has none"
        if coverage.frames < self.policy.min_frames and Modality.VISION not in missing:
            return State.BELOW_COVERAGE, f"{coverage.frames} frames seen, the policy asks for {self.policy.min_frames}"
        most = self.policy.max_gap_seconds
        if most is not None and coverage.largest_gap_seconds > most:
            return State.BELOW_COVERAGE, f"{coverage.largest_gap_seconds:.1f} s unseen, the policy allows {most:.1f} s"
        return State.DECIDED, None


def decide(
    judgement: Judgement,
    case: Case,
    scores: Scores,
    row: int,
    spans: Mapping[Modality, np.ndarray],
    *,
    latency_ms: dict[str, float],
    engine_ms: float,
    decided_at: str,
) -> tuple[Verdict, ...]:
    """The verdicts on every task of a case; `row` is its place in the batch of `scores`.

    spans: float64 (T, 2) seconds of each frame and window that the attention weights refer to.
    """
    missing = tuple(m for m in (Modality.VISION, Modality.AUDIO) if not len(spans.get(m, ())))
    state, reason = judgement.state(missing, case.coverage)
    verdicts = []
    for task in case.event.tasks:
        k = TASKS.index(task)
        score = float(scores.scores_NK[row, k])
        action = judgement.action(task, score)
        if state is not State.DECIDED:
            action = _more_severe(action, judgement.policy.undecided)
        verdicts.append(
            Verdict(
                verdict_id=_verdict_id(judgement, case.event, case.content.sha256, task),
                video_id=case.event.video_id,
                event_id=case.event.event_id,
                task=task,
                state=state,
                action=action,
                reason=reason,
                logit=float(scores.logits_NK[row, k]),
                score=score,
                threshold=judgement.threshold(task),
                evidence=_evidence(scores.attention[row], k, spans),
                categories={},
                attribution={m: float(scores.attribution_NKM[row, k, i]) for i, m in enumerate(Modality)},
                missing_modalities=missing,
                coverage=case.coverage,
                novelty=None,
                lineage=_lineage(judgement, case.content.sha256, case.recall.tier),
                latency_ms=latency_ms,
                cost=Cost(decode_cpu_ms=case.clip.decode_cpu_ms if case.clip else 0.0, engine_ms=engine_ms),
                source=case.source,
                tenant=case.event.tenant,
                decided_at=decided_at,
                traceparent=case.event.traceparent,
            )
        )
    return tuple(verdicts)


def decide_unseen(
    judgement: Judgement,
    event: Event,
    state: State,
    reason: str,
    *,
    content_sha256: str | None,
    latency_ms: dict[str, float],
    source: Source | None,
    decided_at: str,
) -> tuple[Verdict, ...]:
    """The verdicts on a video that could not be judged at all: "could not decide" is a verdict, not silence."""
    return tuple(
        Verdict(
            verdict_id=_verdict_id(judgement, event, content_sha256, task),
            video_id=event.video_id,
            event_id=event.event_id,
            task=task,
            state=state,
            action=judgement.policy.undecided,
            reason=reason,
            logit=None,
            score=None,
            threshold=judgement.threshold(task),
            evidence=(),
            categories={},
            attribution={},
            missing_modalities=(Modality.VISION, Modality.AUDIO),
            coverage=None,
            novelty=None,
            lineage=_lineage(judgement, content_sha256, "none"),
            latency_ms=latency_ms,
            cost=Cost(),
            source=source,
            tenant=event.tenant,
            decided_at=decided_at,
            traceparent=event.traceparent,
        )
        for task in event.tasks
    )


def _verdict_id(judgement: Judgement, event: Event, content_sha256: str | None, task: Task) -> str:
    return verdict_id(event, content_sha256, judgement.lineage.bundle_id, judgement.policy.version, task)


def _lineage(judgement: Judgement, content_sha256: str | None, tier: str) -> Lineage:
    return msgspec.structs.replace(judgement.lineage, content_sha256=content_sha256, cache_tier=tier)


def _more_severe(left: Action, right: Action) -> Action:
    order = tuple(Action)
    return max(left, right, key=order.index)


def _evidence(attention: Attention, k: int, spans: Mapping[Modality, np.ndarray]) -> tuple[Evidence, ...]:
    """The heaviest spans of the task, heaviest first; the text stands as one item without a span."""
    found = [Evidence(modality=Modality.TEXT, weight=float(attention.text_K[k]))]
    for modality, weights_KT in ((Modality.VISION, attention.vision_KT), (Modality.AUDIO, attention.audio_KT)):
        for weight, (start, end) in zip(weights_KT[k], spans.get(modality, ()), strict=True):
            found.append(
                Evidence(
                    modality=modality,
                    weight=float(weight),
                    start_ms=round(float(start) * 1000),
                    end_ms=round(float(end) * 1000),
                )
            )
    found.sort(key=lambda item: -item.weight)
    return tuple(item for item in found[:_MOST_EVIDENCE_SPANS] if item.weight >= _LEAST_EVIDENCE_WEIGHT)
