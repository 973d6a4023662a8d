"""Arms: the networks that the fusion network is compared with, each reading the same tokens as it does.

Every arm takes the eight inputs of `spec.graph_specs()["fusion"]` and gives logits (N, K).

Shape letters: N videos, V vision tokens, A audio tokens, L text tokens, T tokens of all kinds, B bottleneck tokens,
D embedding size, K tasks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.models.fusion import LONGEST_SECONDS, FusionInputs, TaskPool
from engines.models.grounded import TIMELESS, GroundedFusion
from engines.models.grounding import Grounding
from engines.models.layers import Block, mask_bias, sinusoid
from engines.models.moments import Moments
from engines.spec import TASKS

MODALITIES = ("vision", "audio", "text")

#: Tokens through which the streams of `Bottleneck` speak with each other; four in arXiv 2107.00135.
BOTTLENECK_TOKENS = 4


class Marked(nn.Module):
    """Adds to each token how it answers the others, what kind it is and, of vision and audio, its time; hears moments.

    As `GroundedFusion` does; an arm that does not read text or a medium grounds nothing in it.
    """

    def __init__(self, size: int, heads: int, reads: tuple[str, ...]) -> None:
        super().__init__()
        self.sights = Grounding(size, heads) if {"text", "vision"} <= {*reads} else None
        self.sounds = Grounding(size, heads) if {"text", "audio"} <= {*reads} else None
        self.kind_3D = nn.Parameter(0.02 * torch.randn(3, size))
        self.time = nn.Linear(size, size, bias=False)
        self.time.weight.data.mul_(TIMELESS)
        self.seen = Moments(size) if "vision" in reads else None
        self.heard = Moments(size) if "audio" in reads else None

    def moments(self, inputs: FusionInputs) -> Tensor:
        """Logits (N, K), or their broadcast (1, K): what single frames and windows say."""
        logits_NK = torch.zeros((1, len(TASKS)))
        if self.seen is not None:
            logits_NK = logits_NK + self.seen(inputs.vision_NVD, inputs.vision_mask_NV)[0]
        if self.heard is not None:
            logits_NK = logits_NK + self.heard(inputs.audio_NAD, inputs.audio_mask_NA)[0]
        return logits_NK

    def forward(self, inputs: FusionInputs) -> dict[str, tuple[Tensor, Tensor]]:
        """Tokens (N, X, D) and mask (N, X) by modality."""
        inputs = self._grounded(inputs)
        vision_NVD = inputs.vision_NVD + self.kind_3D[0] + self._time(inputs.vision_seconds_NV)
        audio_NAD = inputs.audio_NAD + self.kind_3D[1] + self._time(inputs.audio_seconds_NA)
        return {
            "vision": (vision_NVD, inputs.vision_mask_NV),
            "audio": (audio_NAD, inputs.audio_mask_NA),
            "text": (inputs.text_NLD + self.kind_3D[2], inputs.text_mask_NL),
        }

    def _grounded(self, inputs: FusionInputs) -> FusionInputs:
        text_NLD, text_mask_NL = inputs.text_NLD, inputs.text_mask_NL
        if self.sights is not None:
            seen_NLD, seen_NVD = self.sights(text_NLD, text_mask_NL, inputs.vision_NVD, inputs.vision_mask_NV)
            inputs = inputs._replace(text_NLD=inputs.text_NLD + seen_NLD, vision_NVD=inputs.vision_NVD + seen_NVD)
        if self.sounds is not None:
            heard_NLD, heard_NAD = self.sounds(text_NLD, text_mask_NL, inputs.audio_NAD, inputs.audio_mask_NA)
            inputs = inputs._replace(text_NLD=inputs.text_NLD + heard_NLD, audio_NAD=inputs.audio_NAD + heard_NAD)
        return inputs

    def _time(self, seconds_NX: Tensor) -> Tensor:
        time_NXD: Tensor = self.time(sinusoid(seconds_NX, self.time.in_features, LONGEST_SECONDS))
        return time_NXD


class Joint(nn.Module):
    """Full self-attention over a register and all tokens of some modalities, then the task pool.

    With all three it is the most that attention can do, at the highest cost; with vision and text it is the
    vision-language network that the fusion network is without sound.
    """

    def __init__(self, size: int, heads: int, layers: int, keep: tuple[str, ...] = MODALITIES) -> None:
        super().__init__()
        self.keep = keep
        self.register_1D = nn.Parameter(0.02 * torch.randn(1, size))
        self.marked = Marked(size, heads, keep)
        self.blocks = nn.ModuleList(Block(size, heads) for _ in range(layers))
        self.pool = TaskPool(size)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits (N, K)."""
        given = FusionInputs(*inputs)
        tokens = self.marked(given)
        x_NTD, mask_NT = with_register(self.register_1D, [tokens[name] for name in self.keep])
        for block in self.blocks:
            x_NTD = block(x_NTD, mask_NT)
        logits_NK: Tensor = self.pool(x_NTD, mask_NT)[0] + self.marked.moments(given)
        return logits_NK


class Concatenation(nn.Module):
    """Each modality pooled by itself, by one query for each task; a perceptron over what comes of the three."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.marked = Marked(size, heads, MODALITIES)
        self.norms = nn.ModuleDict({name: nn.LayerNorm(size) for name in MODALITIES})
        self.queries = nn.ParameterDict({name: torch.randn(len(TASKS), size) for name in MODALITIES})
        wide = len(MODALITIES) * len(TASKS) * size
        self.perceptron = nn.Sequential(
            nn.LayerNorm(wide), nn.Linear(wide, 2 * size), nn.GELU(), nn.Linear(2 * size, size), nn.GELU()
        )
        self.logits = nn.Linear(size, len(TASKS))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits (N, K)."""
        given = FusionInputs(*inputs)
        tokens = self.marked(given)
        pooled_NX = torch.cat([self._pooled(name, *tokens[name]) for name in MODALITIES], dim=1)
        logits_NK: Tensor = self.logits(self.perceptron(pooled_NX)) + self.marked.moments(given)
        return logits_NK

    def _pooled(self, name: str, x_NTD: Tensor, mask_NT: Tensor) -> Tensor:
        """(N, K D); zeros where the modality is missing."""
        x_NTD = self.norms[name](x_NTD)
        scores_NKT = self.queries[name] @ x_NTD.transpose(1, 2) / math.sqrt(x_NTD.shape[-1])
        weights_NKT = functional.softmax(scores_NKT + mask_bias(mask_NT)[:, None], dim=-1)
        there_N1 = mask_NT.any(1, keepdim=True).to(x_NTD.dtype)
        return (weights_NKT @ x_NTD).flatten(1) * there_N1


class Bottleneck(nn.Module):
    """Two streams, vision with text and audio, that from the second layer on speak through a few tokens only.

    Attention bottlenecks with mid fusion (arXiv 2107.00135, 3.2.2 and 3.3): each stream attends to its own tokens
    and the shared ones, and the shared ones go on as the mean of what the streams made of them.
    """

    def __init__(self, size: int, heads: int, layers: int) -> None:
        super().__init__()
        self.registers_2D = nn.Parameter(0.02 * torch.randn(2, size))
        self.shared_BD = nn.Parameter(0.02 * torch.randn(BOTTLENECK_TOKENS, size))
        self.marked = Marked(size, heads, MODALITIES)
        self.streams = nn.ModuleList(
            nn.ModuleList(Block(size, heads) for _ in range(layers)) for _ in ("vision and text", "audio")
        )
        self.pool = TaskPool(size)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits (N, K)."""
        given = FusionInputs(*inputs)
        tokens = self.marked(given)
        x_NTD, x_mask_NT = with_register(self.registers_2D[:1], [tokens["text"], tokens["vision"]])
        y_NSD, y_mask_NS = with_register(self.registers_2D[1:], [tokens["audio"]])
        shared_NBD = self.shared_BD.expand(len(x_NTD), -1, -1)
        for layer, (x_block, y_block) in enumerate(zip(*self.streams, strict=True)):
            if layer == 0:
                x_NTD, y_NSD = x_block(x_NTD, x_mask_NT), y_block(y_NSD, y_mask_NS)
            else:
                x_NTD, of_x_NBD = self._speak(x_block, x_NTD, x_mask_NT, shared_NBD)
                y_NSD, of_y_NBD = self._speak(y_block, y_NSD, y_mask_NS, shared_NBD)
                shared_NBD = (of_x_NBD + of_y_NBD) / 2
        shared_mask_NB = torch.ones_like(x_mask_NT[:, :1]).expand(-1, BOTTLENECK_TOKENS)
        all_NTD = torch.cat([x_NTD, y_NSD, shared_NBD], dim=1)
        mask_NT = torch.cat([x_mask_NT, y_mask_NS, shared_mask_NB], dim=1)
        logits_NK: Tensor = self.pool(all_NTD, mask_NT)[0] + self.marked.moments(given)
        return logits_NK

    def _speak(self, block: nn.Module, x_NTD: Tensor, mask_NT: Tensor, shared_NBD: Tensor) -> tuple[Tensor, Tensor]:
        open_NB = torch.ones_like(mask_NT[:, :1]).expand(-1, shared_NBD.shape[1])
        both_NTD = block(torch.cat([x_NTD, shared_NBD], dim=1), torch.cat([mask_NT, open_NB], dim=1))
        return both_NTD[:, : x_NTD.shape[1]], both_NTD[:, x_NTD.shape[1] :]


class Vlmae(nn.Module):
    """The fusion network, reduced to its logits."""

    def __init__(self, fusion: GroundedFusion) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits (N, K)."""
        return self.fusion.logits(FusionInputs(*inputs))


def with_register(register_1D: Tensor, parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Tokens and masks one after another, behind a token that every video has."""
    N = len(parts[0][0])
    x_NTD = torch.cat([register_1D.expand(N, 1, -1), *(tokens_NXD for tokens_NXD, _ in parts)], dim=1)
    open_N1 = torch.ones_like(parts[0][1][:, :1])
    return x_NTD, torch.cat([open_N1, *(mask_NX for _, mask_NX in parts)], dim=1)


class Arm(NamedTuple):
    """How an arm's network is made, and which modalities it reads."""

    build: Callable[[int, int, int, int], nn.Module]
    reads: tuple[str, ...]


def _joint(*keep: str) -> Arm:
    return Arm(lambda size, heads, layers, _: Joint(size, heads, layers, keep), keep)


#: By name. `build(size, heads, layers, audio_layers)`: blocks that tokens pass, blocks that audio passes before.
ARMS: Mapping[str, Arm] = {
    "text": _joint("text"),
    "vision": _joint("vision"),
    "audio": _joint("audio"),
    "vl": _joint("text", "vision"),
    "audio_text": _joint("text", "audio"),
    "concat": Arm(lambda size, heads, *_: Concatenation(size, heads), MODALITIES),
    "mbt": Arm(lambda size, heads, layers, _: Bottleneck(size, heads, layers), MODALITIES),
    "vlmae": Arm(lambda size, heads, layers, audio_layers: _vlmae(size, heads, layers, audio_layers), MODALITIES),
    "full": _joint("text", "vision", "audio"),
}


def _vlmae(size: int, heads: int, layers: int, audio_layers: int) -> nn.Module:
    return Vlmae(GroundedFusion(size, heads, layers=layers, audio_layers=audio_layers))
