"""Logits -> calibrated probabilities, per task: sigmoid(logit / temperature + bias) (Platt 1999; Guo et al. 2017).

A category is a named part of a task that a tower judges by itself: its prior, the highest of a video's frames or
windows, has a logit, and that a calibration of its own. In this way what the fusion network learnt and what a tower
knew before can be set against each other.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.spec import TASKS


class TaskCalibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`temperature` > 0 flattens, `bias` shifts."""

    temperature: float = 1.0
    bias: float = 0.0


#: Priors closer to 0 or 1 than this are taken for this; the logits stay within 14.
SUREST = 1e-6


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One entry per task. `categories`: task -> category -> modality -> how its prior is calibrated there.

    bends: task -> points (log odds before, log odds after), both ascending: a line through them that what temperature
    and bias give is put through; beyond its ends it goes on with slope 1.
    """

    tasks: dict[str, TaskCalibration]
    categories: dict[str, dict[str, dict[str, TaskCalibration]]] = {}
    bends: dict[str, tuple[tuple[float, float], ...]] = {}

    def __post_init__(self) -> None:
        if set(self.tasks) != set(TASKS):
            raise ValueError(f"calibration: came tasks {sorted(self.tasks)}, expected {sorted(TASKS)}")
        if not set(self.categories) <= set(TASKS):
            raise ValueError(f"calibration: came categories of {sorted(self.categories)}, expected of {sorted(TASKS)}")
        for name, task in self.tasks.items():
            _check(name, task)
        for task_name, categories in self.categories.items():
            for category, senses in categories.items():
                if not senses:
                    raise ValueError(f"calibration of {task_name}/{category}: came no modality, expected one or more")
                for modality, sense in senses.items():
                    _check(f"{task_name}/{category} by {modality}", sense)

        for name, points in self.bends.items():
            _check_bend(name, points)

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
        z_NK = np.asarray(logits_NK / temperature_K + bias_K, np.float64)
        for name, points in self.bends.items():
            before, after = _line(points)
            z_NK[:, TASKS.index(name)] = np.interp(z_NK[:, TASKS.index(name)], before, after)
        z_NK = np.clip(z_NK, -80, 80)  # beyond this float32 exp overflows
        return np.asarray(1 / (1 + np.exp(-z_NK)), np.float32)

    def category_logits(self, task: str, category: str, priors: Mapping[str, float]) -> dict[str, float]:
        """Modality -> the logit of the task whose score is that of the category there: comparable with the network's.

        priors: modality -> the category's highest prior in [0, 1] among the frames or windows of one video. Modalities
        that the video lacks, or that know nothing of the category, are left out.
        """
        own = self.tasks[task]
        logits = {}
        for modality, sense in self.categories[task][category].items():
            if modality in priors:
                prior = min(max(priors[modality], SUREST), 1 - SUREST)
                calibrated = math.log(prior / (1 - prior)) / sense.temperature + sense.bias
                if task in self.bends:
                    before, after = _line(self.bends[task])
                    calibrated = float(np.interp(calibrated, after, before))
                logits[modality] = (calibrated - own.bias) * own.temperature
        return logits


def _check(name: str, calibration: TaskCalibration) -> None:
    temperature, bias = calibration.temperature, calibration.bias
    if not (temperature > 0 and np.isfinite(temperature) and np.isfinite(bias)):
        raise ValueError(f"calibration of {name}: came {calibration}, expected temperature > 0 and finite numbers")


#: How far a bend is continued beyond its ends, in log odds; no logit comes near.
_BEYOND = 1e4


def _line(points: tuple[tuple[float, float], ...]) -> tuple[list[float], list[float]]:
    (first, start), (last, end) = points[0], points[-1]
    ends = (first - _BEYOND, start - _BEYOND), (last + _BEYOND, end + _BEYOND)
    before, after = zip(ends[0], *points, ends[1], strict=True)
    return list(before), list(after)


def _check_bend(name: str, points: tuple[tuple[float, float], ...]) -> None:
    rising = bool(points) and bool((np.diff(np.array(points, np.float64), axis=0) > 0).all())
    if name not in TASKS or not rising or not np.isfinite(points).all():
        raise ValueError(f"calibration: came bend of {name} {points}, expected ascending finite points of a task")
