"""The loss of three tasks at once, of which any clip may lack some.

Shape letters: N clips, K tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from engines.spec import TASKS


@dataclass(frozen=True, kw_only=True)
class ObjectiveOptions:
    """balance: 0 counts every clip the same, 1 gives positives and negatives of a task the same weight together.

    smoothing: share of the target that is moved to the middle. tasks: weight of each task.
    """

    balance: float = 0.5
    smoothing: float = 0.0
    tasks: tuple[float, ...] = (1.0, 1.0, 1.0)


def positive_weights(targets_NK: NDArray[np.float32], balance: float) -> Tensor:
    """float32 (K,): what a positive weighs beside a negative; 1 where a task has targets between 0 and 1."""
    weights = []
    for k in range(len(TASKS)):
        known_N = targets_NK[~np.isnan(targets_NK[:, k]), k]
        is_graded = bool(((known_N > 0) & (known_N < 1)).any())
        positives = float(known_N.sum())
        ratio = 1.0 if is_graded or not 0 < positives < len(known_N) else (len(known_N) - positives) / positives
        weights.append(ratio**balance)
    return torch.tensor(weights)


def summed_loss(
    logits_NK: Tensor, targets_NK: Tensor, positive_K: Tensor, known_K: Tensor, options: ObjectiveOptions
) -> Tensor:
    """Weighted mean over tasks of the cross-entropy summed over clips and divided by `known_K`; NaN does not count.

    `known_K` counts the targets of a whole batch: parts of it on several processes then sum to its loss.
    """
    known_NK = ~targets_NK.isnan()
    smooth_NK = targets_NK.nan_to_num() * (1 - options.smoothing) + options.smoothing / 2
    losses_NK = functional.binary_cross_entropy_with_logits(logits_NK, smooth_NK, reduction="none")
    weights_NK = 1 + (positive_K - 1) * targets_NK.nan_to_num()
    per_task_K = (losses_NK * weights_NK * known_NK).sum(0) / known_K.clamp(min=1)
    tasks_K = torch.tensor(options.tasks)
    return (per_task_K * tasks_K).sum() / tasks_K.sum()
