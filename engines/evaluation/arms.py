"""The arms of the comparison: how tables call them, and which of them are compared with which."""

from __future__ import annotations

from collections.abc import Iterable

from engines.evaluation.study import Study, Subject

#: In the order of the tables; an arm that is not named here comes last, under its own name.
NAMES = {
    "text": "text",
    "vision": "vision",
    "audio": "audio",
    "audio_text": "audio + text",
    "vl": "vision + text (VL)",
    "late_average": "late: mean of VL and audio",
    "late_average_text": "late: mean of VL and audio + text",
    "late_stacked": "late: learned stacking",
    "late_boosted": "late: gradient boosting on pooled features",
    "concat": "concatenation",
    "mbt": "bottleneck tokens (MBT)",
    "full": "full self-attention",
    "vlmae": "gated cross-attention (VLMAE)",
}

CONDITION_NAMES = {
    "audio_shuffled": "sound of another clip",
    "audio_missing": "no sound",
    "noise_20db": "noise at 20 dB",
    "noise_10db": "noise at 10 dB",
    "noise_0db": "noise at 0 dB",
}

VL, VLMAE, FULL = Subject("vl"), Subject("vlmae"), Subject("full")
SHUFFLED, MISSING = Subject("vlmae", "audio_shuffled"), Subject("vlmae", "audio_missing")
LATE = "late_"


def name_of(subject: Subject) -> str:
    """For people."""
    arm = NAMES.get(subject.arm, subject.arm)
    return f"{arm}, {CONDITION_NAMES[subject.condition]}" if subject.condition else arm


def in_order(arms: Iterable[str]) -> list[str]:
    """As the tables have them."""
    places = {arm: place for place, arm in enumerate(NAMES)}
    return sorted(arms, key=lambda arm: (places.get(arm, len(places)), arm))


def best_late(study: Study, metric: str, task: str) -> Subject | None:
    """The late fusion that is best on validation clips."""
    late = [arm for arm in in_order(study.runs) if arm.startswith(LATE)]
    return Subject(max(late, key=lambda arm: study.on_validation(arm, metric, task))) if late else None
