"""Tuning the last layers of YAMNet on clips in which several things sound at once: what is heard in each is the target.

Shape letters: N clips, W windows, Q tokens of a clip, C features of a token, Y things.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from engines.evaluation.metrics import weighted_area_under_roc
from engines.models.pretrained import WINDOW_FEATURES
from engines.models.pretrained.hearing import Hearing
from engines.training.features import CLIPS, drawn_version
from engines.training.sound_maps import SoundMaps
from engines.training.tuning.rates import rate


@dataclass(frozen=True, kw_only=True)
class HearingOptions:
    """learning_rate: of what names things; layers_rate: of the layers of YAMNet. Taken as they first were: on a quarter
    of the training sounds, by source, they found more shots than the published layers; no others were compared.

    hidden: share of channels of the map that a clip is without. rough: share of clips with augmented sound, where
    there is any. positive: what a thing that is heard weighs beside one that is not.
    """

    epochs: int = 6
    batch_size: int = 48
    learning_rate: float = 1e-3
    layers_rate: float = 2e-4
    weight_decay: float = 0.05
    warm_up: float = 0.05
    hidden: float = 0.1
    rough: float = 0.4
    positive: float = 4.0
    seed: int = 1


class Listener(nn.Module):
    """Hearing, and a layer that says what is heard in a clip: where it sounds loudest, and where it was listened to."""

    def __init__(self, hearing: Hearing, things: int) -> None:
        super().__init__()
        self.hearing = hearing
        self.norm = nn.LayerNorm(WINDOW_FEATURES)
        self.where = nn.Linear(WINDOW_FEATURES, things)
        self.what = nn.Linear(WINDOW_FEATURES, things)

    def forward(self, maps_NWCHW: Tensor, mask_NW: Tensor) -> Tensor:
        """Logits (N, Y)."""
        features_FPC = self.norm(self.hearing(maps_NWCHW[mask_NW]))
        (N, W), P = mask_NW.shape, features_FPC.shape[1]
        features_NWPC = features_FPC.new_zeros((N, W, P, WINDOW_FEATURES)).index_put((mask_NW,), features_FPC)
        features_NQC, mask_NQ1 = features_NWPC.flatten(1, 2), mask_NW.repeat_interleave(P, 1)[..., None]
        what_NQY = self.what(features_NQC)
        share_NQY = self.where(features_NQC).masked_fill(~mask_NQ1, -torch.inf).softmax(1)
        loudest_NY = what_NQY.masked_fill(~mask_NQ1, -torch.inf).amax(1)
        logits_NY: Tensor = (share_NQY * what_NQY).sum(1) + loudest_NY
        return logits_NY


def tune_hearing(
    hearing: Hearing,
    maps: SoundMaps,
    options: HearingOptions,
    *,
    layers: bool = True,
    on_epoch: Callable[[], None] = lambda: None,
) -> list[float]:
    """Train in place; the mean area under the ROC curve over things on validation clips after each epoch.

    `layers` False trains what names things alone: what the layers as they are let be heard.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        listener = Listener(hearing, len(maps.things))
    hearing.requires_grad_(layers)
    namers = [part for name, part in listener.named_parameters() if not name.startswith("hearing.")]
    rates = [options.learning_rate, options.layers_rate]
    groups = [{"params": namers}, {"params": list(hearing.parameters()) if layers else []}]
    optimiser = torch.optim.AdamW(groups, weight_decay=options.weight_decay)
    steps, history = -(-len(maps.train) // options.batch_size), []
    for epoch in range(options.epochs):
        rng = np.random.default_rng([options.seed, epoch])
        order = rng.permutation(maps.train).tolist()
        for step in range(steps):
            share = rate(epoch * steps + step, options.epochs * steps, options.warm_up)
            for group, full in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = full * share
            clips = order[step * options.batch_size : (step + 1) * options.batch_size]
            loss = _loss(listener, maps, clips, rng, options)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        history.append(round(named_apart(listener, maps, maps.val), 4))
        on_epoch()
    hearing.requires_grad_(False)
    return history


def named_apart(listener: Listener, maps: SoundMaps, indices: NDArray[np.int64], batch: int = 64) -> float:
    """Area under the ROC curve, mean over things that some of these clips have and some have not."""
    logits = []
    with torch.inference_mode():
        for start in range(0, len(indices), batch):
            chosen = indices[start : start + batch].tolist()
            logits.append(listener(*maps.batch(chosen, [CLIPS] * len(chosen))).double().numpy())
    logits_NY, targets_NY = np.concatenate(logits), maps.targets(indices).astype(np.float64)
    every_1N = np.ones((1, len(indices)))
    areas = [
        float(weighted_area_under_roc(targets_N, logits_N, every_1N)[0])
        for targets_N, logits_N in zip(targets_NY.T, logits_NY.T, strict=True)
        if 0 < targets_N.sum() < len(targets_N)
    ]
    return float(np.mean(areas))


def _loss(
    listener: Listener, maps: SoundMaps, clips: Sequence[int], rng: np.random.Generator, options: HearingOptions
) -> Tensor:
    versions = [drawn_version(maps, index, rng, options.rough) for index in clips]
    maps_NWCHW, mask_NW = maps.batch(clips, versions)
    kept = rng.random((len(clips), 1, maps_NWCHW.shape[2], 1, 1), np.float32) >= options.hidden
    maps_NWCHW = maps_NWCHW * torch.from_numpy(kept.astype(np.float32) / (1 - options.hidden))
    targets_NY = torch.from_numpy(maps.targets(clips))
    weight = torch.full((len(maps.things),), options.positive)
    return functional.binary_cross_entropy_with_logits(listener(maps_NWCHW, mask_NW), targets_NY, pos_weight=weight)
