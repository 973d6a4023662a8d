"""What arms cost to run, measured together: what else a machine does between two trainings is no matter then."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import torch

from engines.evaluation.runs import read_runs, write_card
from engines.models.arms import ARMS
from engines.training.arms import Workshop
from engines.training.features import VAL
from engines.training.tuning.judge import BATCH

#: Rounds in each of which every arm judges one batch; the fastest of its passes is the cost of an arm.
ROUNDS = 15


def costs_ms(shop: Workshop, rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds a clip takes each arm from stored features to logits on one thread, in batches of 64.

    Arms take turns, so that a slow moment of the machine is one for all. Weights do not matter and are new ones.
    """
    features = shop.features
    batch = features.batch(features.indices(VAL)[:BATCH])
    models = {arm: shop.model(arm, 0) for arm in ARMS}
    fastest = dict.fromkeys(models, float("inf"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for _ in range(rounds):
                for arm, model in models.items():
                    start = time.perf_counter()
                    model(batch)
                    fastest[arm] = min(fastest[arm], time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return {arm: round(1000 * seconds / len(batch), 4) for arm, seconds in fastest.items()}


def write_costs(out: Path, costs: Mapping[str, float]) -> None:
    """On the cards of all runs in the folder: late fusion costs what its parts do. Boosting has no cost of its own."""
    for arm, seeds in read_runs(out).items():
        for run in seeds.values():
            parts = run.card.lineage.get("parts", [arm])
            if all(part in costs for part in parts):
                cost = round(sum(costs[part] for part in parts), 4)
                write_card(out, msgspec.structs.replace(run.card, ms_per_clip=cost))
