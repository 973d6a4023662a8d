"""What a choice of --audio-privacy costs the verdicts: the same arm trained with the same seeds on what each keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from engines.evaluation.compare import open_study
from engines.evaluation.measures import AP, RECALL_AT_PRECISION, SPEARMAN
from engines.evaluation.resampling import REPLICATES
from engines.evaluation.slices import everything
from engines.evaluation.study import Estimate, Study, Subject
from engines.privacy import AudioPrivacy

#: What is compared: a metric of a task.
COMPARED = (
    ("adult", AP),
    ("adult", RECALL_AT_PRECISION),
    ("clickbait", AP),
    ("clickbait", RECALL_AT_PRECISION),
    ("relevance", SPEARMAN),
)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Of one choice: the metric, and how far it is from that of runs that keep everything, seed by seed."""

    audio_privacy: str
    task: str
    metric: str
    value: Estimate
    difference: Estimate


def compare(
    kept: Path, runs: Mapping[AudioPrivacy, Path], dataset: Path, *, arm: str, replicates: int = REPLICATES
) -> list[Kept]:
    """Compare folders of runs with those that keep everything, on the test clips.

    Raises `ValueError` when an arm was not trained in a folder, or not with a seed that both have.
    """
    whole = open_study(kept, dataset, replicates)
    studies = {choice: open_study(folder, dataset, replicates) for choice, folder in runs.items()}
    for folder, study in ((kept, whole), *((runs[choice], study) for choice, study in studies.items())):
        if arm not in study.runs:
            raise ValueError(f"{folder}: came runs of {sorted(study.runs)}, expected {arm}")
    both = Study(
        {"none": whole.runs[arm], **{str(choice): study.runs[arm] for choice, study in studies.items()}},
        whole.val,
        whole.test,
        whole.resampling,
    )
    return [
        Kept(
            audio_privacy=str(choice),
            task=task,
            metric=metric,
            value=both.estimate(Subject(str(choice)), metric, everything(both.test, task)),
            difference=both.difference(Subject(str(choice)), Subject("none"), metric, everything(both.test, task)),
        )
        for choice in studies
        for task, metric in COMPARED
    ]
