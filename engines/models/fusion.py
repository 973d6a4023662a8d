"""VLMAE, the fusion network: vision-language tokens attend to audio tokens through gates that start closed.

The mid-fusion of arXiv 2503.17551 as we read it; the tanh gate is Flamingo's (arXiv 2204.14198, 3.1.2). With the
gate at zero, or without sound, the network is exactly the vision-language network.

Shape letters: N videos, V vision tokens, A audio tokens, L text tokens, T = 1 + L + V vision-language tokens (one
register, then text, then vision), D embedding size, K tasks, M training clips.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.models.layers import Attention, Block, FeedForward, mask_bias, share_of_update, sinusoid
from engines.spec import TASKS

#: How many embeddings of training clips a network keeps, to tell what is unlike all of them.
KNOWN_CLIPS = 512

#: Seconds after which the time embedding no longer tells early from late; an hour.
LONGEST_SECONDS = 3600.0


class FusionInputs(NamedTuple):
    """Tokens of a batch, in the order in which fusion networks take them."""

    vision_NVD: Tensor
    vision_mask_NV: Tensor
    vision_seconds_NV: Tensor
    audio_NAD: Tensor
    audio_mask_NA: Tensor
    audio_seconds_NA: Tensor
    text_NLD: Tensor
    text_mask_NL: Tensor


def without_sound(given: FusionInputs) -> FusionInputs:
    """The same clips as if they had no sound track."""
    return given._replace(audio_mask_NA=torch.zeros_like(given.audio_mask_NA))


class AudioGate(nn.Module):
    """x + tanh(g) attention(norm(x), audio), then x + tanh(g') feed_forward(norm(x)); x where there is no audio."""

    def __init__(self, size: int, heads: int, gate: float = 0.0) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(size), Attention(size, heads)
        self.forward_norm, self.feed_forward = nn.LayerNorm(size), FeedForward(size)
        self.attention_gate = nn.Parameter(torch.full((1,), gate))
        self.forward_gate = nn.Parameter(torch.full((1,), gate))

    def forward(self, x_NTD: Tensor, audio_NAD: Tensor, mask_NA: Tensor) -> Tensor:
        """Tokens (N, T, D)."""
        heard_N11 = _heard(mask_NA, x_NTD)
        update_NTD = self.attention(self.attention_norm(x_NTD), audio_NAD, mask_NA)
        return self._updated(x_NTD, heard_N11 * self.attention_gate.tanh() * update_NTD, heard_N11)

    def traced(self, x_NTD: Tensor, audio_NAD: Tensor, mask_NA: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and the flow (N, T, A): the share of each audio token in each output token."""
        heard_N11 = _heard(mask_NA, x_NTD)
        update_NTD, weights_NTA = self.attention.traced(self.attention_norm(x_NTD), audio_NAD, mask_NA)
        update_NTD = heard_N11 * self.attention_gate.tanh() * update_NTD
        flow_NTA = heard_N11 * share_of_update(x_NTD, update_NTD) * weights_NTA
        return self._updated(x_NTD, update_NTD, heard_N11), flow_NTA

    def _updated(self, x_NTD: Tensor, update_NTD: Tensor, heard_N11: Tensor) -> Tensor:
        x_NTD = x_NTD + update_NTD
        thought_NTD: Tensor = self.feed_forward(self.forward_norm(x_NTD))
        return x_NTD + heard_N11 * self.forward_gate.tanh() * thought_NTD


def _heard(mask_NA: Tensor, x_NTD: Tensor) -> Tensor:
    """(N, 1, 1): 1 where there is any sound."""
    return mask_NA.any(1)[:, None, None].to(x_NTD.dtype)


class TaskPool(nn.Module):
    """Each task's query attends to the tokens; its logit is the weighted sum of what each token says for it."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.query_KD = nn.Parameter(torch.randn(len(TASKS), size))
        self.vote_KD = nn.Parameter(torch.randn(len(TASKS), size) / math.sqrt(size))
        self.bias_K = nn.Parameter(torch.zeros(len(TASKS)))

    def forward(self, x_NTD: Tensor, mask_NT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, K), pooled tokens (N, K, D), and weights (N, K, T)."""
        x_NTD = self.norm(x_NTD)
        scores_NKT = self.query_KD @ x_NTD.transpose(1, 2) / math.sqrt(x_NTD.shape[-1])
        weights_NKT = functional.softmax(scores_NKT + mask_bias(mask_NT)[:, None], dim=-1)
        pooled_NKD = weights_NKT @ x_NTD
        return (pooled_NKD * self.vote_KD).sum(-1) + self.bias_K, pooled_NKD, weights_NKT


@dataclass(frozen=True)
class Flows:
    """The share of each token in each output token: of the audio's own blocks, then step by step through the rest."""

    listened_NAA: Sequence[Tensor]
    before_NTT: Tensor
    steps_NTA_NTT: Sequence[tuple[Tensor, Tensor]]

    def back(self, weights_NKT: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of the tokens that came out -> weights (N, K, T) and (N, K, A) of the tokens that came in."""
        heard_NKA = []
        for heard_NTA, flow_NTT in reversed(self.steps_NTA_NTT):
            weights_NKT = weights_NKT @ flow_NTT
            heard_NKA.append(weights_NKT @ heard_NTA)
            weights_NKT = weights_NKT * (1 - heard_NTA.sum(-1))[:, None]
        audio_NKA = sum(heard_NKA[1:], start=heard_NKA[0])
        for flow_NAA in reversed(self.listened_NAA):
            audio_NKA = audio_NKA @ flow_NAA
        return weights_NKT @ self.before_NTT, audio_NKA


class Fusion(nn.Module):
    """A vision-language block; then an audio gate and another block, `layers - 1` times; then the task pool.

    With `audio_layers` the audio tokens first pass that many blocks of their own. gate: what all gates start at.
    """

    def __init__(self, size: int, heads: int, *, layers: int = 2, audio_layers: int = 0, gate: float = 0.0) -> None:
        super().__init__()
        self.register_1D = nn.Parameter(0.02 * torch.randn(1, size))
        self.kind_3D = nn.Parameter(0.02 * torch.randn(3, size))
        self.time = nn.Linear(size, size, bias=False)
        self.before, self.audio, self.after = Block(size, heads), AudioGate(size, heads, gate), Block(size, heads)
        self.pool = TaskPool(size)
        self.embed = nn.Linear(len(TASKS) * size, size)
        self.known_MD: Tensor
        self.register_buffer("known_MD", torch.zeros(KNOWN_CLIPS, size))
        self.deeper_gates = nn.ModuleList(AudioGate(size, heads, gate) for _ in range(layers - 2))
        self.deeper_blocks = nn.ModuleList(Block(size, heads) for _ in range(layers - 2))
        self.listening = nn.ModuleList(Block(size, heads) for _ in range(audio_layers))

    def forward(
        self,
        vision_NVD: Tensor,
        vision_mask_NV: Tensor,
        vision_seconds_NV: Tensor,
        audio_NAD: Tensor,
        audio_mask_NA: Tensor,
        audio_seconds_NA: Tensor,
        text_NLD: Tensor,
        text_mask_NL: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Outputs of `spec.graph_specs()["fusion"]`: logits, unit-norm embedding, novelty, evidence weights.

        Novelty is the cosine distance to the nearest training clip that the network keeps, in [0, 2].

        The weights follow attention back to the tokens that came in, each step split between what a token kept and
        what it took from others by the norms of the two (attention rollout, arXiv 2005.00928, with measured shares).
        """
        x_NTD, mask_NT = self._seen_and_read(vision_NVD, vision_mask_NV, vision_seconds_NV, text_NLD, text_mask_NL)
        audio_NAD = audio_NAD + self.kind_3D[2] + self._time(audio_seconds_NA)
        x_NTD, flows = self._fuse(x_NTD, mask_NT, audio_NAD, audio_mask_NA)
        logits_NK, pooled_NKD, weights_NKT = self.pool(x_NTD, mask_NT)
        embedding_ND = functional.normalize(self.embed(pooled_NKD.flatten(1)), dim=-1)
        novelty_N = 1 - (embedding_ND @ self.known_MD.T).amax(dim=1)

        seen_NKT, audio_weight_NKA = flows.back(weights_NKT)
        perceived_NKX = torch.cat([seen_NKT[..., 1:], audio_weight_NKA], dim=-1)
        perceived_NKX = perceived_NKX / perceived_NKX.sum(-1, keepdim=True).clamp(min=1e-6)
        L, V, A = text_NLD.shape[1], vision_NVD.shape[1], audio_NAD.shape[1]
        text_weight_NKL, vision_weight_NKV, audio_weight_NKA = torch.split(perceived_NKX, [L, V, A], dim=-1)
        return logits_NK, embedding_ND, novelty_N, vision_weight_NKV, audio_weight_NKA, text_weight_NKL

    def logits(self, given: FusionInputs) -> Tensor:
        """The logits of `forward` alone, (N, K): what training needs, without following where they came from."""
        return self._pooled(given)[0]

    def judged(self, given: FusionInputs) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and embedding (N, D) of `forward`, without following where they came from."""
        logits_NK, pooled_NKD = self._pooled(given)
        return logits_NK, functional.normalize(self.embed(pooled_NKD.flatten(1)), dim=-1)

    def _pooled(self, given: FusionInputs) -> tuple[Tensor, Tensor]:
        x_NTD, mask_NT = self._seen_and_read(
            given.vision_NVD, given.vision_mask_NV, given.vision_seconds_NV, given.text_NLD, given.text_mask_NL
        )
        audio_NAD = given.audio_NAD + self.kind_3D[2] + self._time(given.audio_seconds_NA)
        for block in self._listening:
            audio_NAD = block(audio_NAD, given.audio_mask_NA)
        x_NTD = self.before(x_NTD, mask_NT)
        for gate, block in self._layers:
            x_NTD = block(gate(x_NTD, audio_NAD, given.audio_mask_NA), mask_NT)
        logits_NK, pooled_NKD, _ = self.pool(x_NTD, mask_NT)
        return logits_NK, pooled_NKD

    @property
    def _layers(self) -> list[tuple[AudioGate, Block]]:
        gates = cast("list[AudioGate]", [self.audio, *self.deeper_gates])
        return list(zip(gates, cast("list[Block]", [self.after, *self.deeper_blocks]), strict=True))

    @property
    def _listening(self) -> list[Block]:
        return cast("list[Block]", list(self.listening))

    def _seen_and_read(
        self, vision_NVD: Tensor, mask_NV: Tensor, seconds_NV: Tensor, text_NLD: Tensor, mask_NL: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens (N, T, D) and mask (N, T)."""
        text_NLD = text_NLD + self.kind_3D[0]
        vision_NVD = vision_NVD + self.kind_3D[1] + self._time(seconds_NV)
        # The register is there in every video, so that sound is judged even where there is neither text nor picture.
        register_N1D = self.register_1D.expand(text_NLD.shape[0], 1, -1)
        x_NTD = torch.cat([register_N1D, text_NLD, vision_NVD], dim=1)
        return x_NTD, torch.cat([torch.ones_like(mask_NL[:, :1]), mask_NL, mask_NV], dim=1)

    def _fuse(self, x_NTD: Tensor, mask_NT: Tensor, audio_NAD: Tensor, audio_mask_NA: Tensor) -> tuple[Tensor, Flows]:
        listened = []
        for block in self._listening:
            audio_NAD, flow_NAA = block.traced(audio_NAD, audio_mask_NA)
            listened.append(flow_NAA)
        x_NTD, before_NTT = self.before.traced(x_NTD, mask_NT)
        steps = []
        for gate, block in self._layers:
            x_NTD, heard_NTA = gate.traced(x_NTD, audio_NAD, audio_mask_NA)
            x_NTD, flow_NTT = block.traced(x_NTD, mask_NT)
            steps.append((heard_NTA, flow_NTT))
        return x_NTD, Flows(listened, before_NTT, steps)

    def _time(self, seconds_NT: Tensor) -> Tensor:
        time_NTD: Tensor = self.time(sinusoid(seconds_NT, self.time.in_features, LONGEST_SECONDS))
        return time_NTD
