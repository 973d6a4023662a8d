"""The starter's fusion network: words, sights and sounds grounded in each other, then VLMAE, then single moments.

What words and sights make of each other, and what single frames say, belongs to the vision-language network; what words
and sounds make of each other passes a gate, as what single windows say does. With the gates at zero, or without sound,
this is exactly the vision-language network.

Shape letters: N videos, V vision tokens, A audio tokens, L text tokens, D embedding size, K tasks, X tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.models.fusion import Fusion, FusionInputs
from engines.models.grounding import Grounded, Grounding
from engines.models.moments import Moments, shared_out

#: The time embedding starts at this share of its usual size, so that tokens say what they are before when they are.
TIMELESS = 0.1
#: All gates at the start: half open. Gates that start closed keep a pretrained network as it is, but here there is
#: none, and what lies behind them learns only as far as they are open: after 700 steps they were still below 0.1.
AJAR = 0.55


class GroundedFusion(nn.Module):
    """`Fusion` over grounded tokens; the same inputs and outputs."""

    def __init__(self, size: int, heads: int, *, layers: int = 2, audio_layers: int = 0) -> None:
        super().__init__()
        self.sights, self.sounds = Grounding(size, heads), Grounding(size, heads)
        self.gate = nn.Parameter(torch.full((1,), AJAR))
        self.fusion = Fusion(size, heads, layers=layers, audio_layers=audio_layers, gate=AJAR)
        self.fusion.time.weight.data.mul_(TIMELESS)
        self.seen_moments, self.heard_moments = Moments(size), Moments(size)

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
        """Outputs of `spec.graph_specs()["fusion"]`, as of `Fusion`."""
        seen = self.sights.traced(text_NLD, text_mask_NL, vision_NVD, vision_mask_NV)
        heard = self.sounds.traced(text_NLD, text_mask_NL, audio_NAD, audio_mask_NA)
        heard_NLD = self.gate.tanh() * heard.text_NLD
        logits_NK, embedding_ND, novelty_N, vision_NKV, audio_NKA, text_NKL = self.fusion(
            vision_NVD + seen.media_NMD,
            vision_mask_NV,
            vision_seconds_NV,
            audio_NAD + heard.media_NMD,
            audio_mask_NA,
            audio_seconds_NA,
            text_NLD + seen.text_NLD + heard_NLD,
            text_mask_NL,
        )
        by_sight_NK, sights_NKV = self.seen_moments(vision_NVD, vision_mask_NV)
        by_sound_NK, sounds_NKA = self.heard_moments(audio_NAD, audio_mask_NA)
        fused, by_sight, by_sound = shared_out([logits_NK, by_sight_NK, by_sound_NK])
        looked_NKV, listened_NKA, read_NKL = _traced(
            (vision_NKV, audio_NKA, text_NKL),
            seen,
            heard,
            _shares(text_NLD, seen.text_NLD, heard_NLD),
            _shares(vision_NVD, seen.media_NMD),
            _shares(audio_NAD, heard.media_NMD),
        )
        return (
            logits_NK + by_sight_NK + by_sound_NK,
            embedding_ND,
            novelty_N,
            fused * looked_NKV + by_sight * sights_NKV,
            fused * listened_NKA + by_sound * sounds_NKA,
            fused * read_NKL,
        )

    def logits(self, given: FusionInputs) -> Tensor:
        """The logits of `forward` alone, (N, K): what training needs, without following where they came from."""
        return self._moments(given) + self.fusion.logits(self._grounded(given))

    def judged(self, given: FusionInputs) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and embedding (N, D) of `forward`, without following where they came from."""
        logits_NK, embedding_ND = self.fusion.judged(self._grounded(given))
        return self._moments(given) + logits_NK, embedding_ND

    def _grounded(self, given: FusionInputs) -> FusionInputs:
        seen_NLD, seen_NVD = self.sights(given.text_NLD, given.text_mask_NL, given.vision_NVD, given.vision_mask_NV)
        heard_NLD, heard_NAD = self.sounds(given.text_NLD, given.text_mask_NL, given.audio_NAD, given.audio_mask_NA)
        return given._replace(
            vision_NVD=given.vision_NVD + seen_NVD,
            audio_NAD=given.audio_NAD + heard_NAD,
            text_NLD=given.text_NLD + seen_NLD + self.gate.tanh() * heard_NLD,
        )

    def _moments(self, given: FusionInputs) -> Tensor:
        by_sight_NK: Tensor = self.seen_moments(given.vision_NVD, given.vision_mask_NV)[0]
        by_sound_NK: Tensor = self.heard_moments(given.audio_NAD, given.audio_mask_NA)[0]
        return by_sight_NK + by_sound_NK


def _traced(
    weights: tuple[Tensor, Tensor, Tensor],
    seen: Grounded,
    heard: Grounded,
    of_text: list[Tensor],
    of_sights: list[Tensor],
    of_sounds: list[Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights of grounded tokens (N, K, V), (N, K, A), (N, K, L), given back to those whose answers they hold."""
    vision_NKV, audio_NKA, text_NKL = weights
    own_NL, of_sights_NL, of_sounds_NL = of_text
    own_NV, to_words_NV = of_sights
    own_NA, to_words_NA = of_sounds
    return (
        vision_NKV * own_NV + (text_NKL * of_sights_NL) @ seen.text_weight_NLM,
        audio_NKA * own_NA + (text_NKL * of_sounds_NL) @ heard.text_weight_NLM,
        text_NKL * own_NL
        + (vision_NKV * to_words_NV) @ seen.media_weight_NML
        + (audio_NKA * to_words_NA) @ heard.media_weight_NML,
    )


def _shares(token_NXD: Tensor, *updates_NXD: Tensor) -> list[Tensor]:
    """(N, 1, X) each, by norms: how much of a token is its own, and how much each update. A zero is all its own."""
    sizes_NX = [part_NXD.square().sum(-1).sqrt() for part_NXD in (token_NXD, *updates_NXD)]
    total_NX = torch.stack(sizes_NX).sum(0).clamp(min=1e-6)
    given_N1X = [(size_NX / total_NX)[:, None] for size_NX in sizes_NX[1:]]
    return [1 - torch.stack(given_N1X).sum(0), *given_N1X]
