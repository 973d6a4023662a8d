"""The starter network: pretrained backbones that stay as they are, and what is trained on top of them.

Shape letters: F frames or windows, C features of a token, P tokens of a frame or window, N videos, L text tokens,
D embedding size, I most probable classes, R priors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.models.grounded import GroundedFusion
from engines.models.layers import Block, sinusoid
from engines.models.pretrained import (
    FRAME_FEATURES,
    FRAME_PIXELS,
    FRAME_TOKENS,
    SAMPLE_RATE_HZ,
    SOUND_CLASSES,
    WINDOW_FEATURES,
    WINDOW_SAMPLES,
    WINDOW_TOKENS,
)
from engines.models.pretrained.efficientnet_lite import EfficientNetLite0
from engines.models.pretrained.hearing import Hearing
from engines.models.pretrained.open_nsfw import OpenNsfw
from engines.models.pretrained.words import WordVectors
from engines.models.pretrained.yamnet import Yamnet
from engines.privacy import AudioPrivacy
from engines.privacy.sound import Stored, audio_privacy
from engines.spec import MARKED_CLASSES, SEGMENTS, GraphSpec, graph_specs

#: ImageNet classes that are weapons made to hurt people. Left out: tanks and warplanes (parades, museums), bows,
#: knives and axes (sport, kitchen, wood), holsters and vests (clothes).
WEAPONS = MappingProxyType(
    {413: "assault rifle", 471: "cannon", 657: "missile", 744: "missile", 763: "revolver", 764: "rifle"}
)
#: AudioSet classes of weapons going off. Left out: fireworks, firecrackers, bursts and booms (celebrations, thunder),
#: and "Explosion", which YAMNet gives more than 0.5 in 29 % of SESA's everyday sounds; without it the prior ranks both
#: shots and explosions better above them (AUC 0.954 and 0.922 against 0.832 and 0.793).
SHOTS = MappingProxyType(
    {421: "Gunshot, gunfire", 422: "Machine gun", 423: "Fusillade", 424: "Artillery fire", 425: "Cap gun"}
)
#: The categories that each modality judges by itself, in the order of `priors_FR`.
PRIORS = MappingProxyType({"vision": ("sexual", "violent"), "audio": ("violent",)})
#: Sizes of order and field, at the start, beside what a word means: about 1.
QUIET = 0.1
#: Values of a window token: YAMNet's embedding, then tanh of its logits.
SOUND_FEATURES = WINDOW_FEATURES + SOUND_CLASSES


@dataclass(frozen=True, kw_only=True)
class StarterSizes:
    """Everything that decides the shapes of a starter network's parameters, and what its audio tower leaves out.

    hearing: tokens of sound come of last layers that are tuned (`pretrained.hearing`).
    """

    vocabulary_size: int
    word_features: int
    embedding_size: int = 192
    heads: int = 4
    layers: int = 2
    audio_layers: int = 0
    frame_pixels: int = FRAME_PIXELS
    window_samples: int = WINDOW_SAMPLES
    sample_rate_hz: int = SAMPLE_RATE_HZ
    audio_privacy: AudioPrivacy = AudioPrivacy.NONE
    hearing: bool = False


class Projection(nn.Module):
    """Features of unlike sizes -> tokens: normed, mixed, and told which place of the frame or window they are."""

    def __init__(self, features: int, size: int, places: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.linear = nn.Linear(features, size)
        self.position_PD = nn.Parameter(0.02 * torch.randn(places, size))

    def forward(self, features_FPC: Tensor) -> Tensor:
        """float32 (F, P, C) -> tokens_FPD."""
        tokens_FPD: Tensor = self.linear(self.norm(features_FPC)) + self.position_PD
        return tokens_FPD


class StarterVision(nn.Module):
    """EfficientNet-Lite0 for tokens and names, open_nsfw beside it for a prior of its own."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.nsfw = OpenNsfw()
        self.project = Projection(FRAME_FEATURES, size, FRAME_TOKENS)
        self.weapons: Tensor
        self.register_buffer("weapons", torch.tensor(list(WEAPONS)), persistent=False)

    def features(self, frames_FCHW: Tensor) -> Tensor:
        """uint8 RGB (F, 3, 224, 224) -> features_FPC float32 (F, 4, 1280), which `project` takes."""
        features_FPC: Tensor = self.backbone(frames_FCHW)[0]
        return features_FPC

    def forward(self, frames_FCHW: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """uint8 RGB (F, 3, 224, 224) -> tokens_FPD, classes_FI, class_scores_FI, priors_FR (sexual, violent)."""
        features_FPC, logits_FC = self.backbone(frames_FCHW)
        scores_FC = logits_FC.softmax(1)
        violent_F = scores_FC.index_select(1, self.weapons).sum(1)
        priors_FR = torch.stack([self.nsfw(frames_FCHW), violent_F], dim=1)
        return self.project(features_FPC), *most_probable(scores_FC), priors_FR


class StarterAudio(nn.Module):
    """YAMNet for tokens, names and the prior; with `privacy`, all three come of what may be stored.

    With `hearing` the embedding in the tokens is that of tuned last layers; names and the prior stay YAMNet's own.
    """

    def __init__(self, size: int, privacy: AudioPrivacy = AudioPrivacy.NONE, *, hearing: bool = False) -> None:
        super().__init__()
        self.backbone = Yamnet()
        self.hearing = Hearing() if hearing else None
        self.privacy = audio_privacy(privacy)
        self.project = Projection(SOUND_FEATURES, size, WINDOW_TOKENS)
        self.shots: Tensor
        self.register_buffer("shots", torch.tensor(list(SHOTS)), persistent=False)

    def features(self, windows_FS: Tensor) -> Tensor:
        """float32 (F, 15600) in [-1, 1] -> features_FPC float32 (F, 3, 1545), which `project` takes."""
        features_FPC: Tensor = self.privacy(sound_features(*heard(self.backbone, self.hearing, windows_FS)))
        return features_FPC

    def forward(self, windows_FS: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """float32 (F, 15600) in [-1, 1] -> tokens_FPD, classes_FI, class_scores_FI, priors_FR (violent)."""
        embedding_FPC, logits_FPC = heard(self.backbone, self.hearing, windows_FS)
        features_FPC = self.privacy(sound_features(embedding_FPC, logits_FPC))
        # A shot is over sooner than a window: the loudest place decides, while names are of the whole window.
        if isinstance(self.privacy, Stored):
            scores_FPS = self.privacy.scores(features_FPC)
            named_FS, violent_F = scores_FPS.mean(1), scores_FPS.index_select(2, self.shots).amax((1, 2))
        else:
            named_FS = logits_FPC.mean(1).sigmoid()
            violent_F = logits_FPC.index_select(2, self.shots).amax((1, 2)).sigmoid()
        return self.project(features_FPC), *most_probable(named_FS), violent_F[:, None]


class StarterText(nn.Module):
    """Static word vectors, each beside the mean of its field, then one transformer block that knows order and field."""

    def __init__(self, size: int, vocabulary_size: int, word_features: int, heads: int) -> None:
        super().__init__()
        self.words = WordVectors(vocabulary_size, word_features)
        self.linear = nn.Linear(word_features, size)
        self.field = nn.Linear(word_features, size, bias=False)
        self.field.weight.data.copy_(self.linear.weight.data)
        self.segment = nn.Embedding(len(SEGMENTS), size)
        self.segment.weight.data.mul_(QUIET)
        self.block = Block(size, heads)
        self.norm = nn.LayerNorm(size)

    def features(self, ids_NL: Tensor, mask_NL: Tensor) -> Tensor:
        """int64 and bool (N, L) -> features_NLC float32, which `project` takes."""
        features_NLC: Tensor = self.words(ids_NL, mask_NL)
        return features_NLC

    def project(self, features_NLC: Tensor, segments_NL: Tensor, mask_NL: Tensor) -> Tensor:
        """float32 (N, L, C), int64 and bool (N, L) -> tokens_NLD float32; masked tokens are zero."""
        field_NLC = functional.normalize(field_sums(features_NLC, segments_NL, mask_NL), dim=-1)
        scale = math.sqrt(features_NLC.shape[-1])
        x_NLD = self.linear(scale * features_NLC) + self.field(scale * field_NLC) + self.segment(segments_NL)
        positions_NL = torch.ones_like(segments_NL).cumsum(1).to(torch.float32)
        x_NLD = x_NLD + QUIET * sinusoid(positions_NL, x_NLD.shape[-1], longest=256.0)
        x_NLD = self.block(x_NLD, mask_NL)
        tokens_NLD: Tensor = self.norm(x_NLD) * mask_NL[..., None].to(x_NLD.dtype)
        return tokens_NLD

    def forward(self, ids_NL: Tensor, segments_NL: Tensor, mask_NL: Tensor) -> Tensor:
        """ids, segments int64 and mask bool (N, L) -> tokens_NLD float32; masked tokens are zero."""
        return self.project(self.features(ids_NL, mask_NL), segments_NL, mask_NL)


def field_sums(features_NLC: Tensor, segments_NL: Tensor, mask_NL: Tensor) -> Tensor:
    """For each token the sum of the word vectors of its field, (N, L, C): what its title, or its query, is about."""
    same_NLL = (segments_NL[:, :, None] == segments_NL[:, None]) & mask_NL[:, None]
    return same_NLL.to(features_NLC.dtype) @ features_NLC


class StarterNetwork(nn.Module):
    """`vision`, `audio`, `text` and `fusion`: one module for each graph of a bundle.

    A new one has random backbones; `pretrained.assemble` puts the published weights in.
    """

    def __init__(self, sizes: StarterSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.vision = StarterVision(sizes.embedding_size)
        self.audio = StarterAudio(sizes.embedding_size, sizes.audio_privacy, hearing=sizes.hearing)
        self.text = StarterText(sizes.embedding_size, sizes.vocabulary_size, sizes.word_features, sizes.heads)
        self.fusion = GroundedFusion(
            sizes.embedding_size, sizes.heads, layers=sizes.layers, audio_layers=sizes.audio_layers
        )
        for backbone in (self.vision.backbone, self.vision.nsfw, self.audio.backbone, self.text.words):
            backbone.requires_grad_(False)
        if self.audio.hearing is not None:
            self.audio.hearing.requires_grad_(False)

    @property
    def specs(self) -> dict[str, GraphSpec]:
        """Inputs and outputs of each part."""
        return graph_specs(
            self.sizes.frame_pixels,
            self.sizes.window_samples,
            self.sizes.embedding_size,
            classes=tuple(PRIORS),
            priors={modality: len(names) for modality, names in PRIORS.items()},
        )


def heard(backbone: Yamnet, hearing: Hearing | None, windows_FS: Tensor) -> tuple[Tensor, Tensor]:
    """float32 (F, 15600) -> embedding (F, 3, 1024), of `hearing` if there is any, and YAMNet's logits (F, 3, 521)."""
    map_FCHW = backbone.map(backbone.log_mel(windows_FS))
    embedding_FPC, logits_FPC = backbone.from_map(map_FCHW)
    return (embedding_FPC if hearing is None else hearing(map_FCHW)), logits_FPC


def sound_features(embedding_FPC: Tensor, logits_FPC: Tensor) -> Tensor:
    """(F, 3, 1024) and (F, 3, 521) -> (F, 3, 1545). tanh, as logits of absent sounds go down to -60."""
    return torch.cat([embedding_FPC, logits_FPC.tanh()], dim=-1)


def most_probable(scores_FC: Tensor) -> tuple[Tensor, Tensor]:
    """classes_FI int64 and class_scores_FI, most probable first."""
    scores_FI, classes_FI = scores_FC.topk(MARKED_CLASSES, dim=1)
    return classes_FI, scores_FI
