"""Arms times seeds: each trained, judged on validation and test clips under every condition, and stored.

`<out>/<arm>/<seed>.safetensors` and `.json` hold the logits (see `engines.evaluation.runs`); `weights/` and `curves/`
beside them what was trained and how it went. A run that is there is not made again; one that was stopped goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from engines.evaluation.runs import Card, Run, read_run, write_run
from engines.models.arms import ARMS
from engines.models.pretrained.words import WordVectors
from engines.models.starter import StarterSizes
from engines.training.curves import write_epochs
from engines.training.features import TEST, VAL, FeatureSet
from engines.training.tuning.judge import conditions, logits
from engines.training.tuning.lineage import lineage
from engines.training.tuning.loop import TuneOptions, tune
from engines.training.tuning.network import Tunable
from engines.training.tuning.processes import Processes
from engines.training.tuning.state import Epoch, Progress, trained


@dataclass(frozen=True)
class Workshop:
    """What arms are made from: features, frozen words, sizes, and how to train."""

    features: FeatureSet
    words: WordVectors
    sizes: StarterSizes
    options: TuneOptions

    def model(self, arm: str, seed: int) -> Tunable:
        """A new arm with weights drawn from the seed. Raises `ValueError` for a name that is none of `ARMS`."""
        if arm not in ARMS:
            raise ValueError(f"came arm {arm!r}, expected one of {sorted(ARMS)}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Tunable(arm, self.sizes, self.words, self.features)


def train_arm(
    shop: Workshop,
    arm: str,
    seed: int,
    out: Path,
    *,
    processes: Processes | None = None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> Run:
    """The run of that arm and seed; made where it is not there yet. Only the first process writes."""
    path = out / arm / f"{seed}.safetensors"
    if path.exists():
        return read_run(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    model, start = shop.model(arm, seed), time.monotonic()
    state = path.with_suffix(".state")
    progress = tune(model, shop.features, shop.options, seed=seed, state=state, processes=processes, on_epoch=on_epoch)
    run = _judged(shop, arm, seed, model, progress, time.monotonic() - start)
    if processes is None or processes.rank == 0:
        _store(out, run, model, progress)
        state.unlink(missing_ok=True)
    return run


def _judged(shop: Workshop, arm: str, seed: int, model: Tunable, progress: Progress, seconds: float) -> Run:
    features = shop.features
    val, test = features.indices(VAL), features.indices(TEST)
    card = Card(
        arm=arm,
        seed=seed,
        dataset=features.header.dataset,
        parameters=sum(parameter.numel() for parameter in model.own_parameters()),
        lineage=lineage(features, shop.sizes, shop.options, progress, seed, seconds),
    )
    hears = "audio" in ARMS[arm].reads
    return Run(
        card,
        logits(model, features, val),
        logits(model, features, test),
        {name: logits(model, features, test, name) for name in (conditions(features) if hears else ())},
    )


def _store(out: Path, run: Run, model: Tunable, progress: Progress) -> None:
    folder = out / run.card.arm
    for name in ("weights", "curves"):
        (folder / name).mkdir(exist_ok=True)
    model.things = None  # of no use once the arm is trained
    weights = {name: tensor.contiguous() for name, tensor in trained(model).items()}
    save_file(weights, folder / "weights" / f"{run.card.seed}.safetensors")
    write_epochs(folder / "curves" / str(run.card.seed), progress.history)
    write_run(out, run)
