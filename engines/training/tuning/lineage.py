"""What names a training run again: code, packages, machine, features, options."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import torch

from engines.models.pretrained.hearing import read_learnt_from
from engines.models.starter import StarterSizes
from engines.training.features import TEST, TRAIN, VAL, FeatureSet
from engines.training.tuning.loop import TuneOptions
from engines.training.tuning.state import Progress

PACKAGES = ("earshot", "numpy", "safetensors", "tokenizers", "torch")


def lineage(
    features: FeatureSet, sizes: StarterSizes, options: TuneOptions, progress: Progress, seed: int, seconds: float
) -> dict[str, Any]:
    """Ready for JSON. `seconds` is the wall time of training."""
    return {
        "seed": seed,
        "data": {
            "sha256": features.header.dataset,
            "towers": features.header.towers,
            "hearing": None if features.hearing is None else read_learnt_from(features.hearing),
            "versions": list(features.versions),
            "without": list(features.without),
            "clips": {split: len(features.indices(split)) for split in (TRAIN, VAL, TEST)},
        },
        "sizes": msgspec.to_builtins(sizes),
        "options": msgspec.to_builtins(options),
        "best_epoch": progress.best_epoch,
        "history": msgspec.to_builtins(progress.history),
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "code": code_version(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def code_version() -> str | None:
    """The commit that the code is of, with `+` where files differ from it; None outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return None
    folder = Path(__file__).parent
    head = subprocess.run([git, "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    changed = subprocess.run([git, "diff", "--quiet", "HEAD", "--", "."], cwd=folder.parents[1], check=False)  # noqa: S603
    return head.stdout.strip() + ("+" if changed.returncode else "") if head.returncode == 0 else None
