"""A plain trainer: cross-entropy of three tasks, naming and pointing beside it, AdamW, one warm-up, one cosine.

Shape letters: as in `engines.training.episodes`; P tokens of a frame or window, D embedding size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.data.world.things import HEARD, SEEN
from engines.models.network import Network
from engines.spec import SEGMENTS
from engines.tokenizer import TextTokenizer
from engines.training.episodes import Episode, EpisodeSource
from engines.training.naming import Naming, naming_loss


@dataclass(frozen=True, kw_only=True)
class TrainerOptions:
    """How long and how fast."""

    steps: int = 1300
    batch_size: int = 48
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warm_up: float = 0.05
    gradient_norm: float = 1.0
    naming_weight: float = 0.3
    pointing_weight: float = 0.05


def train(
    network: Network,
    naming: Naming,
    source: EpisodeSource,
    options: TrainerOptions,
    *,
    seed: int,
    on_step: Callable[[int, float], None] = lambda *_: None,
) -> list[float]:
    """Train in place and return the loss of every step; `on_step(step, loss)` is called after each."""
    generator = torch.Generator().manual_seed(seed)
    parameters = [*network.parameters(), *naming.parameters()]
    decayed = [parameter for parameter in parameters if parameter.ndim > 1]
    others = [parameter for parameter in parameters if parameter.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=options.learning_rate,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, options))
    losses = []
    network.train()
    for step in range(options.steps):
        episode = augment(source.draw(options.batch_size), generator)
        logits_NK, named, pointed = forward(network, naming, episode, segment=step % len(SEGMENTS))
        loss = masked_loss(logits_NK, episode.labels_NK)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss + options.naming_weight * named + options.pointing_weight * pointed)
        nn.utils.clip_grad_norm_(parameters, options.gradient_norm)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        on_step(step + 1, losses[-1])
    network.eval()
    return losses


def world_naming(tokenizer: TextTokenizer, size: int) -> Naming:
    """Naming over everything that there is to see, then everything that there is to hear."""
    return Naming(tokenizer, [*SEEN, *HEARD], size)


def rate(step: int, options: TrainerOptions) -> float:
    """Linear warm-up, then a cosine to zero (SGDR without restarts, arXiv 1608.03983), as a share of the peak."""
    warm_up = max(1, round(options.warm_up * options.steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm_up) / max(1, options.steps - warm_up))


def forward(network: Network, naming: Naming, episode: Episode, segment: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (N, K), naming loss, pointing loss. Only frames and windows that are there pass the batch norm."""
    vision_NFPD = _tokens(network.vision, episode.frames_NFCHW, episode.frame_mask_NF)
    audio_NWPD = _tokens(network.audio.tokens, episode.mels_NWBT, episode.window_mask_NW)
    text_NLD = network.text(episode.ids_NL, episode.segments_NL, episode.text_mask_NL)
    logits_NK, _, _, vision_weight_NKV, audio_weight_NKA, _ = network.fusion(
        *_flatten(vision_NFPD, episode.frame_mask_NF, episode.frame_seconds_NF),
        *_flatten(audio_NWPD, episode.window_mask_NW, episode.window_seconds_NW),
        text_NLD,
        episode.text_mask_NL,
    )
    seen_NFY = naming(network.text, vision_NFPD, segment)[..., : len(SEEN)]
    heard_NWY = naming(network.text, audio_NWPD, segment)[..., len(SEEN) :]
    named = naming_loss(seen_NFY, episode.seen_NFY, episode.frame_mask_NF)
    named = named + naming_loss(heard_NWY, episode.heard_NWY, episode.window_mask_NW)
    pointed = pointing_loss(vision_weight_NKV, episode.frame_reasons_NKF)
    pointed = pointed + pointing_loss(audio_weight_NKA, episode.window_reasons_NKW)
    return logits_NK, named, pointed


def pointing_loss(weights_NKV: Tensor, reasons_NKX: Tensor) -> Tensor:
    """-log of the share of a modality's evidence weight that lies where the reason for the label lies."""
    weights_NKX = weights_NKV.reshape(*reasons_NKX.shape, -1).sum(-1)
    share_NK = (weights_NKX * reasons_NKX).sum(-1) / weights_NKX.sum(-1).clamp(min=1e-6)
    asked_NK = reasons_NKX.any(-1)
    return -(share_NK.clamp(min=1e-4).log() * asked_NK).sum() / asked_NK.sum().clamp(min=1)


def masked_loss(logits_NK: Tensor, labels_NK: Tensor) -> Tensor:
    """Mean over tasks of the mean binary cross-entropy over labels that are not NaN."""
    known_NK = ~labels_NK.isnan()
    losses_NK = functional.binary_cross_entropy_with_logits(logits_NK, labels_NK.nan_to_num(), reduction="none")
    per_task_K = (losses_NK * known_NK).sum(0) / known_NK.sum(0).clamp(min=1)
    return per_task_K.mean()


def augment(episode: Episode, generator: torch.Generator) -> Episode:
    """Mirror pictures, change brightness and contrast, change loudness: nothing that changes a label."""
    N = len(episode.labels_NK)
    frames_NFCHW = episode.frames_NFCHW.to(torch.float32)
    mirrored_N = torch.rand(N, generator=generator) < 0.5
    frames_NFCHW[mirrored_N] = frames_NFCHW[mirrored_N].flip(-1)
    contrast_N1111 = 0.85 + 0.3 * torch.rand((N, 1, 1, 1, 1), generator=generator)
    light_N1111 = 30 * torch.rand((N, 1, 1, 1, 1), generator=generator) - 15
    frames_NFCHW = ((frames_NFCHW - 128) * contrast_N1111 + 128 + light_N1111).clamp(0, 255)
    loudness_N111 = 0.8 * torch.rand((N, 1, 1, 1), generator=generator) - 0.4
    return Episode(
        **{
            **{name: getattr(episode, name) for name in episode.__slots__},
            "frames_NFCHW": frames_NFCHW,
            "mels_NWBT": episode.mels_NWBT + loudness_N111,
        }
    )


def _tokens(tower: Callable[[Tensor], Tensor], values_NXy: Tensor, mask_NX: Tensor) -> Tensor:
    tokens_XPD = tower(values_NXy[mask_NX])
    tokens_NXPD = tokens_XPD.new_zeros((*mask_NX.shape, *tokens_XPD.shape[1:]))
    tokens_NXPD[mask_NX] = tokens_XPD
    return tokens_NXPD


def _flatten(tokens_NXPD: Tensor, mask_NX: Tensor, seconds_NX: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    P = tokens_NXPD.shape[2]
    return tokens_NXPD.flatten(1, 2), mask_NX.repeat_interleave(P, 1), seconds_NX.repeat_interleave(P, 1)
