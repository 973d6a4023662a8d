"""What of a tower is trained: nothing, its last layers, or low-rank updates of attention (LoRA, arXiv 2106.09685)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from torch import nn

from engines.models.huggingface.tower import Tower

#: Query, key and value of every family, under the names that their modules have.
ATTENTION = r".*\.(q_proj|k_proj|v_proj|query|key|value|q_lin|k_lin|v_lin)"


@dataclass(frozen=True)
class Frozen:
    """The tower is a function; its features can be cached."""


@dataclass(frozen=True)
class LastLayers:
    """The last `layers` transformer blocks and the norms and poolers behind them."""

    layers: int


@dataclass(frozen=True)
class LowRank:
    """W + (alpha / rank) B A beside each query, key and value; B starts at 0, so at first nothing changes."""

    rank: int = 8
    alpha: int = 16


Tuning = Frozen | LastLayers | LowRank


def tune(tower: Tower, tuning: Tuning) -> None:
    """Freeze all of a tower's backbone but what `tuning` names. Raises `ValueError` where it has not that much."""
    merge(tower)
    tower.backbone.requires_grad_(False)
    if isinstance(tuning, LastLayers):
        for part in _last(tower.backbone, tuning.layers):
            part.requires_grad_(True)
    elif isinstance(tuning, LowRank):
        from peft import LoraConfig, get_peft_model

        if tuning.rank < 1:
            raise ValueError(f"LoRA: came rank {tuning.rank}, expected 1 or more")
        model: Any = tower.backbone
        config = LoraConfig(r=tuning.rank, lora_alpha=tuning.alpha, target_modules=ATTENTION)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that it gives up
            tower.backbone = get_peft_model(model, config).eval()


def merge(tower: Tower) -> None:
    """Add low-rank updates into the weights that they stand beside; then the tower exports as it came. Else nothing."""
    model: Any = tower.backbone
    if hasattr(model, "merge_and_unload"):
        tower.backbone = model.merge_and_unload().eval()


def _last(backbone: nn.Module, layers: int) -> list[nn.Module]:
    """The last blocks, and every part that is declared behind the blocks: final norm and pooler.

    But for batch norms: the one that CLAP declares there is its input's.
    """
    blocks = _blocks(backbone)
    if not 1 <= layers <= len(blocks):
        raise ValueError(f"last layers: came {layers}, expected 1 to {len(blocks)}, as many as the checkpoint has")
    inside = set(blocks[-1].modules())
    parts = list(backbone.modules())
    end = max(index for index, part in enumerate(parts) if part in inside)
    behind = [part for part in parts[end + 1 :] if not isinstance(part, nn.BatchNorm2d)]
    return [*blocks[-layers:], *behind]


def _blocks(backbone: nn.Module) -> list[nn.Module]:
    """Transformer blocks in order; those of all stages where there are stages."""
    for part in backbone.modules():
        if isinstance(part, nn.ModuleList):
            stages: list[Any] = list(part)
            if all(hasattr(stage, "blocks") for stage in stages):
                return [block for stage in stages for block in stage.blocks]
            return stages
    raise ValueError(f"{type(backbone).__name__}: came no list of layers")
