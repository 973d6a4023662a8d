"""Logits -> calibrated probabilities, per task: sigmoid(logit / temperature + bias) (Platt 1999; Guo et al. 2017)."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.spec import TASKS


class TaskCalibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`temperature` > 0 flattens, `bias` shifts."""

    temperature: float = 1.0
    bias: float = 0.0


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry per task."""

    tasks: dict[str, TaskCalibration]

    def __post_init__(self) -> None:
        if set(self.tasks) != set(TASKS):
            raise ValueError(f"calibration: came tasks {sorted(self.tasks)}, expected {sorted(TASKS)}")
        for name, task in self.tasks.items():
            if not (task.temperature > 0 and np.isfinite(task.temperature) and np.isfinite(task.bias)):
                raise ValueError(f"calibration of {name}: came {task}, expected temperature > 0 and finite numbers")

    @classmethod
    def identity(cls) -> Calibration:
        """Scores are the plain sigmoid of the logits."""
        return cls(tasks={name: TaskCalibration() for name in TASKS})

    @property
    def id(self) -> str:
        """Names the calibration in a verdict's lineage: sha256 hex."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    def scores(self, logits_NK: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (N, K) probabilities in [0, 1], tasks in the order of `TASKS`."""
        temperature_K = np.array([self.tasks[name].temperature for name in TASKS])
        bias_K = np.array([self.tasks[name].bias for name in TASKS])
        z_NK = np.clip(logits_NK / temperature_K + bias_K, -80, 80)  # beyond this float32 exp overflows
        return np.asarray(1 / (1 + np.exp(-z_NK)), np.float32)
