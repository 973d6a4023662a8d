"""An arm as it is trained: projections of the frozen features into tokens, and the arm's own network over them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.models.arms import ARMS
from engines.models.fusion import FusionInputs
from engines.models.pretrained.words import WordVectors
from engines.models.starter import Projection, StarterNetwork, StarterSizes, StarterText
from engines.training.features import FeatureBatch, FeatureSet
from engines.training.tuning.things import Things


class Tunable(nn.Module):
    """Features -> tokens -> logits: the trained parts of a starter network, with any arm in the place of its fusion."""

    def __init__(self, arm: str, sizes: StarterSizes, words: WordVectors, features: FeatureSet) -> None:
        super().__init__()
        D, shapes = sizes.embedding_size, features.feature_shapes
        self.reads = ARMS[arm].reads
        self.vision = Projection(shapes["vision"][1], D, shapes["vision"][0])
        self.audio = Projection(shapes["audio"][1], D, shapes["audio"][0])
        self.text = StarterText(D, sizes.vocabulary_size, sizes.word_features, sizes.heads)
        self.text.words = words
        self.body = ARMS[arm].build(D, sizes.heads, sizes.layers, sizes.audio_layers)
        self.things: Things | None = None

    def forward(self, batch: FeatureBatch) -> Tensor:
        """Logits (N, K)."""
        logits_NK: Tensor = self.body(*self.tokens(batch))
        return logits_NK

    def tokens(self, batch: FeatureBatch) -> FusionInputs:
        """What fusion networks take; a modality that the arm does not read costs nothing."""
        media = self.media_tokens(batch)
        return media._replace(text_NLD=self._words(batch, media.vision_NVD.shape[-1]))

    def media_tokens(self, batch: FeatureBatch) -> FusionInputs:
        """The same with nothing in the place of words."""
        vision_NVD = self._projected("vision", batch.vision_NFPC, batch.vision_mask_NF, batch.places_NFP)
        audio_NAD = self._projected("audio", batch.audio_NWPC, batch.audio_mask_NW, None)
        P, Q = batch.vision_NFPC.shape[2], batch.audio_NWPC.shape[2]
        return FusionInputs(
            vision_NVD,
            batch.vision_mask_NF.repeat_interleave(P, 1),
            batch.vision_seconds_NF.repeat_interleave(P, 1),
            audio_NAD,
            batch.audio_mask_NW.repeat_interleave(Q, 1),
            batch.audio_seconds_NW.repeat_interleave(Q, 1),
            torch.zeros((*batch.ids_NL.shape, vision_NVD.shape[-1])),
            batch.text_mask_NL,
        )

    def own_parameters(self) -> list[nn.Parameter]:
        """Those that judging needs: without frozen ones and those of modalities that the arm does not read."""
        return _trainable([self.body, *(self.get_submodule(name) for name in self.reads)])

    def trained_parameters(self) -> list[nn.Parameter]:
        """Those and what training needs besides."""
        if self.things is None:
            return self.own_parameters()
        return [
            *self.own_parameters(),
            *_trainable([self.things] if "text" in self.reads else [self.things, self.text]),
        ]

    def matched_parameters(self) -> list[nn.Parameter]:
        """Those that matching trains: projections of what is read, words and names."""
        media = [self.get_submodule(name) for name in self.reads if name != "text"]
        return _trainable([*media, self.text, *([] if self.things is None else [self.things])])

    def give(self, network: StarterNetwork) -> None:
        """Put what the arm `vlmae` has learnt into a starter network of the same sizes."""
        for own, other in self._parts(network):
            other.load_state_dict(own.state_dict())

    def take(self, network: StarterNetwork) -> None:
        """Begin the arm `vlmae` with what a starter network of the same sizes has learnt; the reverse of `give`."""
        for own, other in self._parts(network):
            own.load_state_dict(other.state_dict())

    def _parts(self, network: StarterNetwork) -> list[tuple[nn.Module, nn.Module]]:
        return [
            (self.vision, network.vision.project),
            (self.audio, network.audio.project),
            (self.text, network.text),
            (self.body.get_submodule("fusion"), network.fusion),
        ]

    def _words(self, batch: FeatureBatch, size: int) -> Tensor:
        if "text" not in self.reads:
            return torch.zeros((*batch.ids_NL.shape, size))
        words_NLD: Tensor = self.text(batch.ids_NL, batch.segments_NL, batch.text_mask_NL)
        return words_NLD

    def _projected(self, modality: str, features_NXPC: Tensor, mask_NX: Tensor, places_NXP: Tensor | None) -> Tensor:
        """Tokens (N, X P, D), projected only where there is something."""
        project = self.vision if modality == "vision" else self.audio
        N, X, P, _ = features_NXPC.shape
        tokens_NXPD = torch.zeros((N, X, P, project.linear.out_features))
        if modality in self.reads:
            tokens_FPD = project.linear(project.norm(features_NXPC[mask_NX]))
            places = torch.arange(P) if places_NXP is None else places_NXP[mask_NX]
            tokens_FPD = tokens_FPD + project.position_PD[places]
            tokens_NXPD = tokens_NXPD.to(tokens_FPD.dtype).index_put((mask_NX,), tokens_FPD)
        return tokens_NXPD.flatten(1, 2)


def _trainable(parts: list[nn.Module]) -> list[nn.Parameter]:
    return [parameter for part in parts for parameter in part.parameters() if parameter.requires_grad]
