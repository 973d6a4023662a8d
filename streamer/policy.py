"""The policy as data: which score asks for which action, and how much has to have been seen for a decision. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field, model_validator

from streamer.evidence import Naming
from streamer.options import Options
from streamer.records import Action, Coverage, Lineage, Modality, State, Task


class TaskPolicy(Options):
    """From which calibrated probability on each action is asked for; an action left out is never taken.

    `flag` says which side is bad: clickbait and adult are bad when the score is high, relevance when it is low.
    A `review` of None takes the threshold that the bundle recommends. `categories` are those that count: a score is
    at least that of each; None counts all that the bundle has, an empty list none.
    """

    flag: Literal["above", "below"] = "above"
    review: float | None = Field(default=None, ge=0, le=1)
    restrict: float | None = Field(default=None, ge=0, le=1)
    block: float | None = Field(default=None, ge=0, le=1)
    categories: tuple[str, ...] | None = None

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

    def counted(self, known: Mapping[str, Collection[str]]) -> dict[Task, tuple[str, ...]]:
        """The categories of each task that raise its score, of the `known` ones of a bundle.

        Raises `ValueError` for one that the bundle does not have.
        """
        counted = {}
        for task in Task:
            there, asked = tuple(known.get(task, ())), self.of(task).categories
            if asked is not None and (strange := sorted(set(asked) - set(there))):
                raise ValueError(f"policy.{task}.categories: came {strange}, the bundle has {list(there)}")
            counted[task] = there if asked is None else asked
        return counted


@dataclass(frozen=True, slots=True)
class Judgement:
    """The parts of every verdict that do not depend on the video: who judges, by which policy."""

    policy: PolicyOptions
    thresholds: Mapping[Task, float]  # recommended by the bundle
    lineage: Lineage
    naming: Naming = field(default_factory=Naming)

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
