"""A bundle calibrated anew on labelled clips; its graphs stay as they are.

Temperature, bias and threshold of each task with enough labels of both kinds are fitted again; others stay as they
were. Priors are set beside the network by how rare they are among harmless clips (`calibrate_prior`).

Shape letters: M clips, K tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engines.answers import Answers, Choice, answers
from engines.bundle import Bundle, read_manifest, save_manifest
from engines.calibration import Calibration, TaskCalibration
from engines.data.public.manifest import read_dataset, read_rows
from engines.manifest import Manifest
from engines.rewriting import rewriting
from engines.spec import TASKS
from engines.taught import TAUGHT
from engines.training.calibrate import bent, calibrate_prior, calibrate_task, thresholds

#: Labels of each kind without which a task keeps its calibration, and harmless clips without which a prior does.
FEWEST, FEWEST_HARMLESS = 20, 200


def recalibrate(
    source: Path,
    folder: Path,
    out: Path,
    choice: Choice,
    *,
    isotonic: bool = False,
    on_start: Callable[[int], Callable[[], None]] = lambda _: lambda: None,
) -> Manifest:
    """Write the bundle with its new calibration into `out`; the manifest says what it was calibrated on.

    `on_start` is told how many clips there are, and gives what is called after each. Raises `ValueError` when no task
    has enough labels, `BundleError` when the bundle is not whole.
    """
    bundle, manifest, rows = Bundle.load(source), read_manifest(source), choice.of(read_rows(folder))
    on_clip = on_start(len(rows))
    if not rows:
        raise ValueError(f"{folder}: came no clips of {choice}, expected some")
    found = answers(bundle, folder, rows, on_clip)
    labels = {task: [int((found.known(task)[1] == kind).sum()) for kind in (0, 1)] for task in TASKS}
    tasks = [task for task, counts in labels.items() if min(counts) >= FEWEST]
    if not tasks:
        raise ValueError(f"{folder}: came labels {labels} (no, yes), expected {FEWEST} of each for at least one task")
    calibration = with_priors(with_tasks(manifest.calibration, found, tasks, isotonic=isotonic), bundle, found)
    lineage = {"data": read_dataset(folder).sha256, **vars(choice), "labels": {task: labels[task] for task in tasks}}
    with rewriting(source, out) as changed:
        save_manifest(changed, _changed(manifest, calibration, found, tasks, lineage), bundle.classes)
    return read_manifest(out)


def with_tasks(calibration: Calibration, found: Answers, tasks: Sequence[str], *, isotonic: bool) -> Calibration:
    """The calibration with these tasks fitted again, and with a bend where `isotonic`."""
    fitted = calibration.tasks | {task: calibrate_task(*found.known(task)) for task in tasks}
    bends = {task: bend for task, bend in calibration.bends.items() if task not in tasks}
    straight = msgspec.structs.replace(calibration, tasks=fitted, bends=bends)
    return bent(straight, found.logits_MK, found.labels_MK, tasks) if isotonic else straight


def with_priors(calibration: Calibration, bundle: Bundle, found: Answers) -> Calibration:
    """The calibration with each category's priors fitted again where enough harmless clips have them."""
    categories = {
        task: {
            category: {sense: _beside(calibration, bundle, found, task, category, sense) for sense in senses}
            for category, senses in known.items()
        }
        for task, known in calibration.categories.items()
    }
    return msgspec.structs.replace(calibration, categories=categories)


def _beside(
    calibration: Calibration, bundle: Bundle, found: Answers, task: str, category: str, modality: str
) -> TaskCalibration:
    """What people taught is calibrated by what they taught it with."""
    if modality == TAUGHT:
        return calibration.categories[task][category][modality]
    k = TASKS.index(task)
    prior_M = found.priors[modality][:, bundle.priors[modality].index(category)].astype(np.float64)
    harmless_M = (found.labels_MK[:, k] == 0) & ~np.isnan(prior_M)
    if harmless_M.sum() < FEWEST_HARMLESS:
        return calibration.categories[task][category][modality]
    score_M = calibration.scores(found.logits_MK[harmless_M])[:, k].astype(np.float64).clip(1e-12, 1 - 1e-12)
    return calibrate_prior(prior_M[harmless_M], np.log(score_M / (1 - score_M)))


def _changed(
    manifest: Manifest, calibration: Calibration, found: Answers, tasks: Sequence[str], lineage: dict[str, Any]
) -> Manifest:
    chosen = thresholds(calibration.scores(found.logits_MK), found.labels_MK, tasks)
    return msgspec.structs.replace(
        manifest,
        calibration=calibration,
        thresholds=manifest.thresholds | chosen,
        training={**manifest.training, "calibrated": lineage},
    )
