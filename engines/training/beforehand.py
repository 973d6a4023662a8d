"""A network that has learnt everything but one task: where a study of labelling for that task can honestly begin.

It is trained as the starter is, on clips that are in no pool, on the other tasks alone.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engines.models.pretrained.words import WordVectors
from engines.spec import TASKS
from engines.training.arms import Workshop
from engines.training.features import TRAIN, VAL, FeatureSet
from engines.training.recipes import STARTER
from engines.training.starter import ARM
from engines.training.tuning.loop import TuneOptions, run_key, tune
from engines.training.tuning.network import Tunable
from engines.training.tuning.state import Epoch, put, trained

#: Half of the clips are seen without their sound, so that the network can begin both with and without hearing.
DEAF = 0.5
EPOCHS, SEED = 6, 1


@dataclass(frozen=True)
class Beforehand:
    """What is learnt before the first label: `task` is hidden; train, val: the clips, by row."""

    task: str
    train: NDArray[np.int64]
    val: NDArray[np.int64]

    @property
    def options(self) -> TuneOptions:
        """As of the recipe `starter`, but for the task that counts nothing and the sound that is hidden more often."""
        weights = tuple(float(task != self.task) for task in TASKS)
        recipe = STARTER.tune
        return replace(
            recipe,
            epochs=EPOCHS,
            objective=replace(recipe.objective, tasks=weights),
            hiding=replace(recipe.hiding, audio=DEAF),
        )

    def view(self, features: FeatureSet) -> FeatureSet:
        """These clips alone are trained and validated on; nothing is known of the hidden task, of any clip."""
        seen = copy.copy(features)
        split: dict[int, str] = dict.fromkeys(self.train.tolist(), TRAIN) | dict.fromkeys(self.val.tolist(), VAL)
        seen.rows = [
            msgspec.structs.replace(
                row,
                split=split.get(n, "test"),
                labels=msgspec.structs.replace(row.labels, **{self.task: None}),
            )
            for n, row in enumerate(features.rows)
        ]
        k = TASKS.index(self.task)
        seen.targets_NK, seen.labels_NK = features.targets_NK.copy(), features.labels_NK.copy()
        seen.targets_NK[:, k] = seen.labels_NK[:, k] = np.nan
        return seen


def begun(
    features: FeatureSet,
    words: WordVectors,
    before: Beforehand,
    path: Path,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> Tunable:
    """The network, in evaluation mode; trained where `path` holds none yet. A training that was stopped goes on.

    Raises `ValueError` when `path` is of other clips, features or options.
    """
    seen = before.view(features)
    shop = Workshop(seen, words, STARTER.sizes(words), before.options)
    model = shop.model(ARM, SEED)
    key = _key(seen, before, model)
    if path.exists():
        with safe_open(path, framework="pt") as file:
            came = (file.metadata() or {}).get("key")
        if came != key:
            raise ValueError(f"{path}: weights of other clips, features or options; remove it, or use another folder")
        put(model, load_file(path))
        model.eval()
        return model
    path.parent.mkdir(parents=True, exist_ok=True)
    state = path.with_suffix(".state")
    tune(model, seen, before.options, seed=SEED, state=state, on_epoch=on_epoch)
    model.things = None  # of no use once the network is trained
    scratch = path.with_suffix(".part")
    save_file({name: one.contiguous() for name, one in trained(model).items()}, scratch, metadata={"key": key})
    scratch.replace(path)
    state.unlink(missing_ok=True)
    return model


def _key(seen: FeatureSet, before: Beforehand, model: Tunable) -> str:
    clips: Sequence[object] = (before.task, before.train.tolist(), before.val.tolist())
    run = run_key(seen, before.options, SEED, model)
    return hashlib.sha256(msgspec.json.encode((run, clips))).hexdigest()
