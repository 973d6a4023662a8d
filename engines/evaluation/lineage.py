"""What results were made with, so that they can be made again."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from engines.data.public.manifest import Dataset
from engines.evaluation.resampling import SPREAD
from engines.evaluation.runs import Run
from engines.evaluation.settings import Differences

PACKAGES = ("earshot", "matplotlib", "numpy", "onnxruntime", "scikit-learn", "torch")


class Lineage(msgspec.Struct, frozen=True):
    """data: sha256 of the manifest; made_with: how it came to be. seeds: by arm.

    train_seconds, epochs: of all runs together, and of each; where they say so. unlike: settings that not all arms were
    trained with, their values, and the arms of each.
    """

    command: str
    data: str
    made_with: dict[str, Any]
    seeds: dict[str, list[int]]
    replicates: int
    spread: float
    machine: str
    cores: int
    python: str
    packages: dict[str, str]
    train_seconds: float | None
    epochs: list[int]
    evaluate_seconds: float
    unlike: Differences


def lineage(
    command: str,
    dataset: Dataset,
    runs: Mapping[str, Mapping[int, Run]],
    unlike: Differences,
    replicates: int,
    evaluate_seconds: float,
) -> Lineage:
    """Of this process on this machine; nothing in it names the machine or its user."""
    times = [run.card.lineage.get("seconds") for seeds in runs.values() for run in seeds.values()]
    options = [run.card.lineage.get("options") or {} for seeds in runs.values() for run in seeds.values()]
    known = [float(seconds) for seconds in times if seconds is not None]
    return Lineage(
        command=command,
        data=dataset.sha256,
        made_with=dataset.made_with,
        seeds={arm: sorted(seeds) for arm, seeds in runs.items()},
        replicates=replicates,
        spread=SPREAD,
        machine=_processor(),
        cores=os.cpu_count() or 1,
        python=platform.python_version(),
        packages={name: found for name in PACKAGES if (found := _version(name)) is not None},
        train_seconds=round(sum(known), 1) if known else None,
        epochs=sorted({int(option["epochs"]) for option in options if "epochs" in option}),
        evaluate_seconds=round(evaluate_seconds, 1),
        unlike=unlike,
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name where the system tells it, else its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {platform.system()}"
