"""The bars that the arms were set before they were trained, and whether they reach them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from engines.evaluation.arms import FULL, MISSING, SHUFFLED, VL, VLMAE, best_late, in_order, name_of
from engines.evaluation.measures import AP, AUC, RECALL_AT_ALARMS, RECALL_AT_PRECISION, SPEARMAN
from engines.evaluation.slices import Slice, by_sense, everything, without_audio
from engines.evaluation.study import Estimate, Study, Subject

#: Task, metric, and the bars of VLMAE: alone, over VL, over the best late fusion.
BARS = (
    ("adult", RECALL_AT_PRECISION, 0.85, 0.22, 0.08),
    ("clickbait", RECALL_AT_PRECISION, 0.70, 0.13, 0.09),
    ("relevance", SPEARMAN, 0.80, 0.05, 0.03),
)
SPEECH_RECALL = 0.6
#: What VLMAE may lose against VL where there is nothing to hear.
DEAF_LOSS = 0.01


class Outcome(msgspec.Struct, frozen=True):
    """One bar. `verdict` is one of the constants below."""

    goal: str
    bar: str
    came: str
    verdict: str


MET, MET_LOOSELY = "met", "met, but the interval reaches below"
MISSED, MISSED_LOOSELY = "missed", "missed, but the interval reaches it"


def outcomes(study: Study) -> list[Outcome]:
    """Every bar that the arms at hand can be held against."""
    return list(_outcomes(study)) if study.has(VLMAE) else []


def at_least(estimate: Estimate, bar: float) -> str:
    """Whether a value reaches a bar, and whether that could be luck."""
    if estimate.value >= bar:
        return MET if estimate.low >= bar else MET_LOOSELY
    return MISSED_LOOSELY if estimate.high >= bar else MISSED


def no_loss(estimate: Estimate) -> str:
    """Met where the interval includes 0 or is above it."""
    return MET if estimate.high >= 0 else MISSED


def no_gain(estimate: Estimate) -> str:
    """Met where the interval includes 0 or is below it."""
    return MET if estimate.low <= 0 else MISSED


def _outcomes(study: Study) -> Iterator[Outcome]:
    for task, metric, alone, over_vl, over_late in BARS:
        part, late = everything(study.test, task), best_late(study, metric, task)
        estimate = study.estimate(VLMAE, metric, part)
        yield Outcome(
            f"{metric} of VLMAE on {shown(task)}", f">= {alone:.2f}", plain(estimate), at_least(estimate, alone)
        )
        for other, bar, name in ((VL, over_vl, "VL"), (late, over_late, f"the best late fusion ({late and late.arm})")):
            if other is not None and study.has(other):
                gain = study.difference(VLMAE, other, metric, part)
                yield Outcome(f"... over {name}", f">= {bar:+.2f}", signed(gain), at_least(gain, bar))
    yield from _against_others(study)
    yield from _by_sense(study)
    yield from _controls(study)


def _against_others(study: Study) -> Iterator[Outcome]:
    for task, metric, *_ in BARS:
        part = everything(study.test, task)
        if study.has(FULL):
            gain = study.difference(VLMAE, FULL, metric, part)
            yield Outcome(
                f"{metric} on {shown(task)}: not below full self-attention", ">= 0", signed(gain), at_least(gain, 0)
            )
        others = [Subject(arm) for arm in in_order(study.runs) if arm != VLMAE.arm]
        if others:
            best = max(others, key=lambda other: study.value(other, metric, part).value)
            gain = study.difference(VLMAE, best, metric, part)
            came = f"{signed(gain)} over {name_of(best)}"
            yield Outcome(f"{metric} on {shown(task)}: no arm above VLMAE", ">= 0", came, at_least(gain, 0))
    costs = [[run.card.ms_per_clip for run in study.runs.get(one.arm, {}).values()] for one in (VLMAE, FULL)]
    ours, theirs = ([cost for cost in values if cost is not None] for values in costs)
    if ours and theirs:
        verdict = MET if min(ours) < min(theirs) else MISSED
        yield Outcome(
            "less compute than full self-attention", "<", f"{min(ours):.2f} against {min(theirs):.2f} ms", verdict
        )


def _by_sense(study: Study) -> Iterator[Outcome]:
    for part in by_sense(study.test, "adult"):
        if part.key == "adult.speech":
            estimate = study.estimate(VLMAE, RECALL_AT_ALARMS, part)
            yield Outcome(
                "recall of spoken numbers at 5 % false positives",
                f">= {SPEECH_RECALL}",
                plain(estimate),
                at_least(estimate, SPEECH_RECALL),
            )
    if study.has(VL):
        for part, metric in _where_audio_is_nothing(study):
            gain = study.difference(VLMAE, VL, metric, part)
            yield Outcome(
                f"no loss where sound says nothing: {shown(part.task)}, {part.name} ({metric})",
                "interval not below 0",
                signed(gain),
                no_loss(gain),
            )


def _where_audio_is_nothing(study: Study) -> Iterator[tuple[Slice, str]]:
    for task, metric in (("adult", RECALL_AT_ALARMS), ("clickbait", AUC), ("relevance", AUC)):
        names = (f"{task}.vision", f"{task}.vision_brief")
        yield from ((part, metric) for part in by_sense(study.test, task) if part.key in names)
        mute = without_audio(study.test, task)
        if mute is not None:
            yield mute, AP


def _controls(study: Study) -> Iterator[Outcome]:
    for task, metric, *_ in BARS:
        part = everything(study.test, task)
        if study.has(SHUFFLED, VL):
            gain = study.difference(SHUFFLED, VL, metric, part)
            yield Outcome(
                f"{metric} on {shown(task)}: sound of another clip takes the gain over VL away",
                "interval not above 0",
                signed(gain),
                no_gain(gain),
            )
        if study.has(MISSING, VL):
            gain = study.difference(MISSING, VL, metric, part)
            verdict = at_least(gain, -DEAF_LOSS)
            yield Outcome(
                f"{metric} on {shown(task)}: without sound at most 1 point below VL",
                f">= {-DEAF_LOSS}",
                signed(gain),
                verdict,
            )


def shown(task: str) -> str:
    """The task's name in results: what stands in for adult content is called what it is."""
    return "restricted" if task == "adult" else task


def plain(estimate: Estimate) -> str:
    """A value and its interval; no metric is above 1."""
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {min(estimate.high, 1.0):.3f}]"


def signed(estimate: Estimate) -> str:
    """A difference and its interval."""
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"
