"""The four parts as one module, and the sizes that decide their shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from torch import nn

from engines.models.audio import AudioTower
from engines.models.fusion import Fusion
from engines.models.text import TextTower
from engines.models.vision import VisionTower
from engines.spec import GraphSpec, graph_specs


@dataclass(frozen=True, kw_only=True)
class NetworkSizes:
    """Everything that decides the shapes of a network's parameters."""

    frame_pixels: int
    window_samples: int
    sample_rate_hz: int
    vocabulary_size: int
    embedding_size: int = 64
    heads: int = 4


class Parts(Protocol):
    """Anything that can become a bundle: a module with one submodule for each graph, that fits the graph's spec."""

    @property
    def specs(self) -> dict[str, GraphSpec]:
        """Of the submodules, by name."""
        ...

    def get_submodule(self, target: str) -> nn.Module:
        """As of `nn.Module`."""
        ...

    def eval(self) -> Self:
        """As of `nn.Module`."""
        ...


class Network(nn.Module):
    """`vision`, `audio`, `text` and `fusion`: one module for each graph of a bundle."""

    def __init__(self, sizes: NetworkSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.vision = VisionTower(sizes.embedding_size, sizes.frame_pixels)
        self.audio = AudioTower(sizes.embedding_size, sizes.sample_rate_hz)
        self.text = TextTower(sizes.embedding_size, sizes.vocabulary_size, sizes.heads)
        self.fusion = Fusion(sizes.embedding_size, sizes.heads)

    @property
    def specs(self) -> dict[str, GraphSpec]:
        """Inputs and outputs of each part."""
        return graph_specs(self.sizes.frame_pixels, self.sizes.window_samples, self.sizes.embedding_size)
