"""A head trained so that no single clip of the training set can be told from it: DP-SGD (arXiv 1607.00133).

Per-clip gradients are clipped and noise is added by opacus, whose accountant (Renyi differential privacy, arXiv
1908.10530) gives epsilon. What is protected is the presence of one clip, not that of a person with many.

Shape letters: N clips, X values of one, K tasks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from engines.evaluation.metrics import average_precision
from engines.models.pretrained.words import WordVectors
from engines.spec import SEGMENTS, TASKS
from engines.training.features import FeatureSet

#: Clips that are read from the store at a time.
READ = 64


@dataclass(frozen=True, kw_only=True)
class HeadOptions:
    """Of `train_head`, with and without privacy. `clip`: the largest norm of one clip's gradient.

    delta: the chance that the promise of epsilon does not hold; has to be far below one clip in the training set.
    """

    epochs: int = 30
    batch: int = 512
    learning_rate: float = 5e-3
    clip: float = 1.0
    delta: float = 1e-5


@dataclass(frozen=True)
class Price:
    """Average precision on test clips by task, mean over seeds with its standard error; epsilon None: no privacy."""

    epsilon: float | None
    delta: float | None
    precision: dict[str, float]
    error: dict[str, float]


def clip_values(features: FeatureSet, words: WordVectors, indices: NDArray[np.int64]) -> Tensor:
    """float32 (N, X): mean of the frames, mean and maximum of the sound, mean of each text field, each of norm 1.

    Norms are taken clip by clip, as statistics of the training set would have to be private too.
    """
    rows = []
    for start in range(0, len(indices), READ):
        batch = features.batch(indices[start : start + READ])
        seen_NX, _ = _mean_and_most(batch.vision_NFPC.mean(2), batch.vision_mask_NF)
        heard_NX, loudest_NX = _mean_and_most(batch.audio_NWPC.amax(2), batch.audio_mask_NW)
        parts = [seen_NX, heard_NX, loudest_NX]
        for segment in range(len(SEGMENTS)):
            mask_NL = batch.text_mask_NL & (batch.segments_NL == segment)
            parts.append(words(batch.ids_NL, mask_NL).sum(1))
        rows.append(torch.cat([nn.functional.normalize(part, dim=1) for part in parts], dim=1))
    return torch.cat(rows)


def train_head(
    values_NX: Tensor, targets_NK: Tensor, epsilon: float | None, options: HeadOptions, seed: int
) -> tuple[nn.Module, float | None]:
    """A linear head, and the epsilon that was spent; NaN targets count for nothing. `epsilon` None: ordinary training.

    The noise is drawn by torch's generator, so that runs can be repeated; it is not cryptographic.
    """
    torch.manual_seed(seed)
    head: Any = nn.Linear(values_NX.shape[1], targets_NK.shape[1])
    nn.init.zeros_(head.weight)
    optimizer: Any = torch.optim.Adam(head.parameters(), options.learning_rate)
    loader: Any = DataLoader(TensorDataset(values_NX, targets_NK), options.batch, shuffle=True)
    engine = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # opacus tells of its generator; torch of opacus' hooks
        if epsilon is not None:
            from opacus import PrivacyEngine  # type: ignore[import-untyped]

            engine = PrivacyEngine(accountant="rdp")
            head, optimizer, loader = engine.make_private_with_epsilon(
                module=head,
                optimizer=optimizer,
                data_loader=loader,
                target_epsilon=epsilon,
                target_delta=options.delta,
                epochs=options.epochs,
                max_grad_norm=options.clip,
                loss_reduction="sum",
            )
        for _ in range(options.epochs):
            for some_NX, goals_NK in loader:
                optimizer.zero_grad()
                torch.autograd.backward(_loss(head(some_NX), goals_NK))
                optimizer.step()
    spent = float(engine.get_epsilon(options.delta)) if engine is not None else None
    return head.eval(), spent


def price(
    features: FeatureSet,
    words: WordVectors,
    epsilons: Sequence[float],
    seeds: int,
    options: HeadOptions | None = None,
    on_head: Callable[[], None] = lambda: None,
) -> list[Price]:
    """The same head without privacy and at each epsilon. Raises `ValueError` for an epsilon that is not positive."""
    if any(epsilon <= 0 for epsilon in epsilons):
        raise ValueError(f"epsilon: came {list(epsilons)}, expected more than 0")
    options = options or HeadOptions()
    train, test = features.indices("train"), features.indices("test")
    values_NX, tested_NX = clip_values(features, words, train), clip_values(features, words, test)
    targets_NK = torch.from_numpy(features.targets_NK[train])
    prices = []
    for epsilon in (None, *epsilons):
        found = []
        for seed in range(seeds):
            head, spent = train_head(values_NX, targets_NK, epsilon, options, seed)
            with torch.no_grad():
                scores_NK = head(tested_NX).numpy()
            found.append([_precision(features.labels_NK[test, k], scores_NK[:, k]) for k in range(len(TASKS))])
            on_head()
        mean_K, spread_K = np.mean(found, 0), np.std(found, 0, ddof=1) if seeds > 1 else np.zeros(len(TASKS))
        prices.append(
            Price(
                spent,
                None if epsilon is None else options.delta,
                dict(zip(TASKS, mean_K.tolist(), strict=True)),
                dict(zip(TASKS, (spread_K / np.sqrt(seeds)).tolist(), strict=True)),
            )
        )
    return prices


def _loss(logits_NK: Tensor, targets_NK: Tensor) -> Tensor:
    known_NK = ~targets_NK.isnan()
    losses_NK = nn.functional.binary_cross_entropy_with_logits(logits_NK, targets_NK.nan_to_num(), reduction="none")
    return (losses_NK * known_NK).sum()


def _mean_and_most(values_NXC: Tensor, mask_NX: Tensor) -> tuple[Tensor, Tensor]:
    """Over what is there; 0 where nothing is."""
    shown_NXC = values_NXC * mask_NX[..., None]
    mean_NC = shown_NXC.sum(1) / mask_NX.sum(1, keepdim=True).clamp(min=1)
    most_NC = values_NXC.masked_fill(~mask_NX[..., None], -torch.inf).amax(1)
    return mean_NC, most_NC.masked_fill(~mask_NX.any(1)[:, None], 0.0)


def _precision(labels_N: NDArray[np.float32], scores_N: NDArray[np.float32]) -> float:
    known_N = ~np.isnan(labels_N)
    return average_precision(labels_N[known_N], scores_N[known_N])
