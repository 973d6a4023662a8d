"""Two bundles on the clips of a gate: each task and slice, and the paired difference with its interval.

Shape letters: N gate clips, K tasks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from engines.evaluation import slices
from engines.evaluation.measures import AP, SPEARMAN
from engines.evaluation.resampling import REPLICATES, Resampling
from engines.evaluation.runs import Card, Run
from engines.evaluation.slices import Slice
from engines.evaluation.study import Study, Subject
from engines.evaluation.truth import Truth
from engines.learn.gate import Gate
from engines.learn.report import Comparison
from engines.spec import TASKS

#: Clips of each label below which a slice is shown and not held against a candidate: single clips would decide.
FEWEST = 10
CURRENT, CANDIDATE = Subject("current"), Subject("candidate")

Float32 = NDArray[np.float32]


def compare(
    gate: Gate, current_NK: Float32, candidate_NK: Float32, *, replicates: int = REPLICATES
) -> list[Comparison]:
    """Logits in the order of the gate's rows. The bootstrap draws source groups, the same for both bundles."""
    truth = Truth.of(gate.rows, "test")
    runs = {
        subject.arm: {0: Run(Card(arm=subject.arm, seed=0, dataset=gate.sha256), logits_NK, logits_NK)}
        for subject, logits_NK in ((CURRENT, current_NK), (CANDIDATE, candidate_NK))
    }
    study = Study(runs, truth, truth, Resampling(truth.groups, replicates=replicates))
    return [_compared(study, part, metric) for part, metric in _parts(truth)]


def _parts(truth: Truth) -> Iterator[tuple[Slice, str]]:
    """Every task whole, then its slices; of relevance, which is graded, the whole by the order of grades."""
    for task in TASKS:
        whole = slices.everything(truth, task)
        if not slices.measurable(truth, whole):
            continue
        yield Slice(task, "all", task, whole.chosen_N), SPEARMAN if task == "relevance" else AP
        found = [*slices.by_sense(truth, task), *([mute] if (mute := slices.without_audio(truth, task)) else [])]
        found += [part for part in slices.by_title_source(truth) if part.task == task]
        found += [part for part in slices.same_source(truth) if part.task == task]
        yield from ((part, AP) for part in [*found, *slices.by_tenant(truth, task)])


def _compared(study: Study, part: Slice, metric: str) -> Comparison:
    positives, negatives = slices.counts(study.test, part)
    # A bundle that says the same of every clip has no rank correlation; it is none.
    current, candidate = (float(np.nan_to_num(study.value(one, metric, part).value)) for one in (CURRENT, CANDIDATE))
    gap = study.difference(CANDIDATE, CURRENT, metric, part)
    reach = float(np.nan_to_num(gap.high - gap.value, nan=1.0))
    difference = candidate - current
    return Comparison(
        task=part.task,
        slice=part.key,
        name=part.name,
        metric=metric,
        positives=positives,
        negatives=negatives,
        current=current,
        candidate=candidate,
        difference=difference,
        low=difference - reach,
        high=difference + reach,
        is_protected=min(positives, negatives) >= FEWEST,
    )
