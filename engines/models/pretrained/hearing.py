"""The last layers of YAMNet once more, tuned to hear what lies under rain, engines and voices.

The published network was made for one sound at a time: of a shot in rain as loud as itself its last layers keep hardly
anything (docs/towers.md). The published layers stay beside these, for names and scores.

Shape letters: F windows, C,H,W channel, time, frequency, P tokens of a window.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engines.models.pretrained.yamnet import LAST_PAIRS, LAYERS, Yamnet, pairs


class Hearing(nn.Module):
    """Takes the map that `Yamnet.map` gives, and gives tokens of the shape that `Yamnet` gives."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*pairs(LAYERS[-LAST_PAIRS - 1][0], LAYERS[-LAST_PAIRS:]))
        self.unit: Tensor
        self.register_buffer("unit", torch.ones(()))

    def forward(self, map_FCHW: Tensor) -> Tensor:
        """float32 (F, 512, 6, 4) -> features_FPC (F, 3, 1024)."""
        seen_FCHW: Tensor = self.layers(map_FCHW)
        return self.unit * seen_FCHW.mean(3).transpose(1, 2)


def as_published(network: Yamnet) -> Hearing:
    """Hearing that is not tuned yet: it gives what `network` gives."""
    hearing = Hearing()
    layers = nn.Sequential(*network.last_layers())
    hearing.layers.load_state_dict(layers.state_dict())
    hearing.unit.copy_(network.unit)
    return hearing.requires_grad_(False).eval()


def save_hearing(hearing: Hearing, path: Path, learnt_from: Mapping[str, str]) -> None:
    """Whole or not at all. learnt_from: what names the clips again, and whose sources were left out."""
    scratch = path.with_suffix(".part")
    tensors = {name: tensor.contiguous() for name, tensor in hearing.state_dict().items()}
    save_file(tensors, scratch, dict(learnt_from))
    scratch.replace(path)


def read_learnt_from(path: Path) -> dict[str, str]:
    """What `save_hearing` was told. Raises `ValueError` when the file is none."""
    try:
        with safe_open(path, "pt") as stored:
            return dict(stored.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path}: no tuned hearing ({error}); make it by `earshot hearing`") from error


def load_hearing(path: Path) -> Hearing:
    """In evaluation mode. Raises `ValueError` when the file is none."""
    hearing = Hearing()
    try:
        hearing.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path}: no tuned hearing ({error}); make it by `earshot hearing`") from error
    return hearing.requires_grad_(False).eval()
