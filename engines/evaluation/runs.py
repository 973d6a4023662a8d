"""What a trained arm said of a data set, as files: `<folder>/<arm>/<seed>.safetensors` and `.json` beside it.

The tensors are logits, float32 (M, K): a row for each clip of the split in the order of the manifest, tasks in the
order of `engines.spec.TASKS`. `val` and `test`; `test.<condition>` is the same test clips under another condition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from engines.spec import TASKS

Float32 = NDArray[np.float32]

VAL, TEST = "val", "test"

#: What is done to the sound of the test clips; the arm is not trained again.
CONDITIONS = ("audio_shuffled", "audio_missing", "noise_20db", "noise_10db", "noise_0db")


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the logits come from.

    dataset: data hash of the data set. parameters: those that were trained. ms_per_clip: wall time of the arm's
    network on stored tower features, a clip, one thread; of all arms measured together. lineage: whatever names the
    run again.
    """

    arm: str
    seed: int
    dataset: str
    parameters: int | None = None
    ms_per_clip: float | None = None
    lineage: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Run:
    """One arm trained with one seed; `conditions` maps names of `CONDITIONS` to test logits."""

    card: Card
    val_MK: Float32
    test_MK: Float32
    conditions: dict[str, Float32] = field(default_factory=dict)


def write_run(folder: Path, run: Run) -> Path:
    """Write both files; returns the safetensors file. Raises `ValueError` for logits of a wrong shape."""
    tensors = {VAL: run.val_MK, TEST: run.test_MK}
    tensors |= {f"{TEST}.{name}": logits_MK for name, logits_MK in run.conditions.items()}
    path = folder / run.card.arm / f"{run.card.seed}.safetensors"
    _check(path, tensors)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array, np.float32) for name, array in tensors.items()}, path)
    write_card(folder, run.card)
    return path


def write_card(folder: Path, card: Card) -> None:
    """Beside the logits that it is of; whole or not at all."""
    path = folder / card.arm / f"{card.seed}.json"
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(card)) + b"\n")
    part.replace(path)


def read_run(path: Path) -> Run:
    """One run by its safetensors file. Raises `ValueError` saying what is wrong with it."""
    try:
        tensors = load_file(path)
        card = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=Card)
    except (OSError, SafetensorError, msgspec.DecodeError) as error:
        raise ValueError(f"{path}: not the logits of a run: {error}") from error
    _check(path, tensors)
    if (path.parent.name, path.stem) != (card.arm, str(card.seed)):
        raise ValueError(f"{path}: came arm {card.arm!r} and seed {card.seed}, expected those of the path")
    conditions = {name: tensors[f"{TEST}.{name}"] for name in CONDITIONS if f"{TEST}.{name}" in tensors}
    return Run(card, tensors[VAL], tensors[TEST], conditions)


def read_runs(folder: Path) -> dict[str, dict[int, Run]]:
    """All runs of a folder: arm -> seed -> run, sorted. Raises `ValueError` when none is there or one is broken."""
    runs: dict[str, dict[int, Run]] = {}
    for path in sorted(folder.glob("*/*.safetensors"), key=lambda path: (path.parent.name, path.stem.zfill(9))):
        run = read_run(path)
        runs.setdefault(run.card.arm, {})[run.card.seed] = run
    if not runs:
        raise ValueError(f"{folder}: came no <arm>/<seed>.safetensors, expected runs of trained arms; train them first")
    hashes = {run.card.dataset for seeds in runs.values() for run in seeds.values()}
    if len(hashes) > 1:
        raise ValueError(f"{folder}: came runs on {len(hashes)} data sets, expected one; train all arms on the same")
    return runs


def _check(path: Path, tensors: dict[str, Float32]) -> None:
    known = {VAL, TEST, *(f"{TEST}.{name}" for name in CONDITIONS)}
    if not {VAL, TEST} <= set(tensors) <= known:
        raise ValueError(f"{path}: came tensors {sorted(tensors)}, expected {VAL}, {TEST} and some of {sorted(known)}")
    for name, array in tensors.items():
        rows = len(tensors[TEST]) if name.startswith(TEST) else len(array)
        if array.shape != (rows, len(TASKS)) or not np.isfinite(array).all():
            raise ValueError(
                f"{path}: {name} came with shape {array.shape}, expected finite logits of shape {(rows, len(TASKS))}"
            )
