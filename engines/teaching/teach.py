"""A bundle, a pool and what people say of its videos -> the bundle with one category more."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from engines.active.pool import Pool
from engines.active.senses import Float64
from engines.bundle import Bundle, read_manifest, save_manifest
from engines.calibration import TaskCalibration
from engines.manifest import HEADS, Manifest
from engines.rewriting import rewriting
from engines.taught import TAUGHT, Head, Lesson, Taught
from engines.teaching.fit import Examples, folds, held_out, taught
from engines.teaching.material import Material, gather
from engines.teaching.measure import Measured, is_told, measure
from engines.teaching.told import Told
from engines.teaching.wish import Wish
from engines.training.calibrate import calibrate_task


def teach(
    source: Path,
    pool: Pool,
    told: Told,
    wish: Wish,
    out: Path,
    on_start: Callable[[int], Callable[[], None]] = lambda _: lambda: None,
) -> tuple[Manifest, Measured]:
    """Write the bundle with the category into `out`; one of the same name that people taught before is replaced.

    `on_start` is told how many steps there are, and gives what is called after each. Raises `ValueError` when the pool
    is of another bundle, a tower has a category of this name, or labels are too few or cannot be told apart.
    """
    bundle, manifest = Bundle.load(source), read_manifest(source)
    if wish.name in _known_to_towers(manifest):
        raise ValueError(f"category {wish.name}: the bundle's towers know it already; choose another name")
    material = gather(bundle, pool, told, wish.senses)
    examples = Examples.of(material.labelled, material.means, material.label_L)
    rng = np.random.default_rng(wish.seed)
    held_RL, head = held_out(examples, rng, on_start(folds(len(examples.label_L)))), taught(examples, rng)
    calibration = _calibrated(held_RL, material, wish)
    measured = measure(material, head, held_RL, calibration, bundle.thresholds[wish.task])
    with rewriting(source, out) as folder:
        Taught({**bundle.taught.heads, wish.name: head}).save(folder / HEADS)
        save_manifest(folder, _with(manifest, material, wish, head, calibration), bundle.classes)
    return read_manifest(out), measured


def _known_to_towers(manifest: Manifest) -> set[str]:
    return {name for of_task in manifest.calibration.categories.values() for name in of_task} - set(manifest.taught)


def _calibrated(held_RL: Float64, material: Material, wish: Wish) -> TaskCalibration:
    """Temperature and bias under which a head's log odds come to probabilities, where the category has its share.

    Raises `ValueError` where held-out videos of the category score no higher than others.
    """
    refused = (
        f"category {wish.name}: videos that were labelled yes cannot be told from the others by their picture, sound "
        "or words; look at the labels, or give more"
    )
    if not is_told(held_RL, material.label_L):
        raise ValueError(refused)
    labels_RL, heard_RL = np.broadcast_to(material.label_L, held_RL.shape), ~np.isnan(held_RL)
    try:
        found = calibrate_task(held_RL[heard_RL], labels_RL[heard_RL].astype(np.float64))
    except ValueError as error:
        raise ValueError(refused) from error
    if wish.share is None:
        return found
    shift = _log_odds(wish.share) - _log_odds(float(material.label_L.mean()))
    return msgspec.structs.replace(found, bias=round(found.bias + shift, 6))


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def _with(manifest: Manifest, material: Material, wish: Wish, head: Head, calibration: TaskCalibration) -> Manifest:
    lesson = Lesson(
        task=wish.task,
        senses=head.senses,
        labels=material.counts,
        share=float(material.label_L.mean()) if wish.share is None else wish.share,
        of=material.of,
        graphs=material.graphs,
        sha256=material.sha256,
    )
    categories = {
        task: {name: senses for name, senses in of_task.items() if name != wish.name}
        for task, of_task in manifest.calibration.categories.items()
    }
    categories[wish.task] = {**categories.get(wish.task, {}), wish.name: {TAUGHT: calibration}}
    return msgspec.structs.replace(
        manifest,
        calibration=msgspec.structs.replace(manifest.calibration, categories=categories),
        taught={**manifest.taught, wish.name: lesson},
    )
