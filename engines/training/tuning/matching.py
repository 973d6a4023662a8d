"""Pre-training by matching: pictures and sounds of training clips to their names, before any label is looked at.

It costs a fraction of training proper, as no fusion network is run, and gives every arm the same start: projections
whose tokens lie where the words for them lie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from engines.training.features import FeatureSet
from engines.training.tuning.hiding import HidingOptions, hidden_batch
from engines.training.tuning.network import Tunable
from engines.training.tuning.rates import rate

#: Epochs of matching are counted from here, so that they hide other things than those of training.
FIRST_EPOCH = 1000


@dataclass(frozen=True, kw_only=True)
class MatchingOptions:
    """How long and how fast; 0 epochs is without."""

    epochs: int = 0
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: float = 0.1
    gradient_norm: float = 1.0


def match(
    model: Tunable,
    features: FeatureSet,
    indices: NDArray[np.int64],
    options: MatchingOptions,
    hiding: HidingOptions,
    *,
    seed: int,
    half: bool,
) -> list[float]:
    """Train projections, text and names in place; the loss of every step. The model must have `things`."""
    assert model.things is not None
    parameters = model.matched_parameters()
    optimiser = torch.optim.AdamW(parameters, options.learning_rate, weight_decay=options.weight_decay, fused=True)
    steps = -(-len(indices) // options.batch_size) * options.epochs
    losses: list[float] = []
    model.train()
    for epoch in range(FIRST_EPOCH, FIRST_EPOCH + options.epochs):
        order = np.random.default_rng([seed, epoch]).permutation(indices).tolist()
        for start in range(0, len(order), options.batch_size):
            clips = order[start : start + options.batch_size]
            example = hidden_batch(features, clips, hiding, seed=seed, epoch=epoch)
            for group in optimiser.param_groups:
                group["lr"] = options.learning_rate * rate(len(losses), steps, options.warm_up)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                tokens = model.media_tokens(example.batch)
                loss = model.things.loss(
                    model.text, tokens, example.batch, clips, example.sounds, reads=model.reads, turn=len(losses)
                )
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(parameters, options.gradient_norm)
            optimiser.step()
            losses.append(float(loss.detach()))
    return losses
