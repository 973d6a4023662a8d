"""All that is found out about arms, as data: what tables, plots and `results.json` are made from.

Shape letters: M clips of a split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.evaluation import slices
from engines.evaluation.arms import MISSING, SHUFFLED, VL, VLMAE, best_late, in_order
from engines.evaluation.goals import Outcome, outcomes
from engines.evaluation.measures import AP, AUC, NDCG, RECALL_AT_ALARMS, RECALL_AT_PRECISION, SPEARMAN
from engines.evaluation.metrics import brier, calibration_error
from engines.evaluation.probabilities import calibrated
from engines.evaluation.slices import Slice, by_sense, by_title_source, everything, same_source, without_audio
from engines.evaluation.study import Estimate, Study, Subject
from engines.spec import TASKS

#: Task and metric of the columns that have intervals.
HEADLINE = (
    ("adult", AP),
    ("adult", RECALL_AT_PRECISION),
    ("clickbait", AP),
    ("clickbait", RECALL_AT_PRECISION),
    ("relevance", AP),
    ("relevance", SPEARMAN),
    ("relevance", NDCG),
)


class Measured(msgspec.Struct, frozen=True):
    """One metric of one task."""

    task: str
    metric: str
    estimate: Estimate


class ArmFound(msgspec.Struct, frozen=True):
    """One arm under one condition; under conditions only VLMAE has intervals.

    Without a condition also how well its scores are calibrated, by task.
    """

    arm: str
    condition: str
    seeds: int
    measured: list[Measured]
    calibration_error: dict[str, float] = {}
    brier: dict[str, float] = {}
    parameters: int | None = None
    ms_per_clip: float | None = None


class Gain(msgspec.Struct, frozen=True):
    """first - second."""

    name: str
    first: Subject
    second: Subject
    measured: Measured


class SliceFound(msgspec.Struct, frozen=True):
    """One metric on a part of the clips, by arm; `gain` is that of VLMAE over VL."""

    kind: str
    key: str
    name: str
    task: str
    metric: str
    positives: int
    negatives: int
    fewest_sources: str
    by_arm: dict[str, float]
    gain: Estimate | None


class Findings(msgspec.Struct, frozen=True):
    """What `results.json` holds beside the lineage. clips: of the test split; positives: of them, by task."""

    clips: int
    positives: dict[str, int]
    arms: list[ArmFound]
    gains: list[Gain]
    slices: list[SliceFound]
    goals: list[Outcome]


def find(study: Study, on_step: Callable[[], None] = lambda: None) -> Findings:
    """Measure everything; `on_step` is called `steps(study)` times."""
    arms = []
    for subject in _subjects(study):
        arms.append(_arm(study, subject))
        on_step()
    labels = {task: study.test.labels(task) for task in TASKS}
    findings = Findings(
        clips=len(study.test.rows),
        positives={task: int((labels_M == 1).sum()) for task, labels_M in labels.items()},
        arms=arms,
        gains=list(_gains(study)),
        slices=[_slice(study, kind, metric, part) for kind, metric, part in _parts(study)],
        goals=outcomes(study),
    )
    on_step()
    return findings


def steps(study: Study) -> int:
    """How often `find` says that it got on."""
    return len(_subjects(study)) + 1


def _subjects(study: Study) -> list[Subject]:
    return [subject for arm in in_order(study.runs) for subject in (Subject(arm), *study.conditions(arm))]


def _arm(study: Study, subject: Subject) -> ArmFound:
    runs = study.runs[subject.arm]
    estimate = study.value if subject.condition and subject.arm != VLMAE.arm else study.estimate
    measured = [
        Measured(task, metric, estimate(subject, metric, everything(study.test, task))) for task, metric in HEADLINE
    ]
    if subject.condition:
        return ArmFound(subject.arm, subject.condition, len(runs), measured)
    card = next(iter(runs.values())).card
    costs = [run.card.ms_per_clip for run in runs.values() if run.card.ms_per_clip is not None]
    return ArmFound(
        subject.arm,
        "",
        len(runs),
        measured,
        {task: _over_seeds(study, subject.arm, task, calibration_error) for task in TASKS},
        {task: _over_seeds(study, subject.arm, task, brier) for task in TASKS},
        card.parameters,
        float(np.median(costs)) if costs else None,
    )


def _over_seeds(
    study: Study, arm: str, task: str, metric: Callable[[NDArray[np.float32], NDArray[np.float64]], float]
) -> float:
    pairs = [calibrated(study, arm, seed, task) for seed in study.runs[arm]]
    return float(np.mean([metric(*pair) for pair in pairs if pair is not None] or [np.nan]))


def _gains(study: Study) -> Iterator[Gain]:
    """VLMAE over each other arm, and the controls over VL."""
    for task, metric in HEADLINE:
        others = [Subject(arm) for arm in in_order(study.runs) if arm != VLMAE.arm]
        pairs = [(f"over {other.arm}", VLMAE, other) for other in others]
        late = best_late(study, metric, task)
        pairs += [("over the best late fusion", VLMAE, late)] if late else []
        pairs += [(f"{one.condition} over vl", one, VL) for one in (SHUFFLED, MISSING)]
        pairs += [(f"{one.arm} over vl", one, VL) for one in others if one != VL]
        for name, first, second in pairs:
            if study.has(first, second):
                estimate = study.difference(first, second, metric, everything(study.test, task))
                yield Gain(name, first, second, Measured(task, metric, estimate))


def _parts(study: Study) -> Iterator[tuple[str, str, Slice]]:
    test = study.test
    for task in TASKS:
        metric = RECALL_AT_ALARMS if task == "adult" else AUC
        yield from (("sense", metric, part) for part in by_sense(test, task))
        mute = without_audio(test, task)
        if mute is not None:
            yield "mute", AP, mute
    yield from (("source", AUC, part) for part in same_source(test))
    yield from (("title", metric, part) for part in by_title_source(test) for metric in (AP, RECALL_AT_PRECISION))


def _slice(study: Study, kind: str, metric: str, part: Slice) -> SliceFound:
    positives, negatives = slices.counts(study.test, part)
    subjects = [Subject(arm) for arm in in_order(study.runs)]
    return SliceFound(
        kind,
        part.key,
        part.name,
        part.task,
        metric,
        positives,
        negatives,
        slices.fewest_sources(study.test, part),
        {subject.arm: study.value(subject, metric, part).value for subject in subjects},
        study.difference(VLMAE, VL, metric, part) if study.has(VLMAE, VL) else None,
    )
