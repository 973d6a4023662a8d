"""Only what is meant to be trained gets gradients, and a merged tower says what it said before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engines.models.huggingface.audio import audio_tower
from engines.models.huggingface.checkpoint import open_checkpoint
from engines.models.huggingface.text import text_tower
from engines.models.huggingface.tower import Tower
from engines.models.huggingface.tuning import Frozen, LastLayers, LowRank, Tuning, merge, tune
from engines.models.huggingface.vision import vision_tower
from tests.engines.huggingface.conftest import FRAME_PIXELS, SAMPLE_RATE_HZ, WINDOW_SAMPLES

pytestmark = [pytest.mark.train, pytest.mark.slow]

#: By checkpoint: names of blocks in order, and what lies behind them.
LAYERS = {
    "siglip": (["encoder.layers.0.", "encoder.layers.1."], ["post_layernorm.", "head."]),
    "siglip2": (["encoder.layers.0.", "encoder.layers.1."], ["post_layernorm.", "head."]),
    "clip": (["encoder.layers.0.", "encoder.layers.1."], ["post_layernorm."]),
    "ast": (["layers.0.", "layers.1."], ["layernorm."]),
    "clap": (
        [
            f"audio_encoder.layers.{block}."
            for block in ("0.blocks.0", "1.blocks.0", "2.blocks.0", "2.blocks.1", "3.blocks.0")
        ],
        ["audio_encoder.norm."],
    ),
    "bert": (["encoder.layer.0.", "encoder.layer.1."], []),
}


def build(name: str, folder: Path) -> tuple[Tower, tuple[torch.Tensor, ...]]:
    """A tower and input for it."""
    checkpoint = open_checkpoint(folder)
    if name in ("siglip", "siglip2", "clip"):
        frames = torch.randint(0, 256, (2, 3, FRAME_PIXELS, FRAME_PIXELS), dtype=torch.uint8)
        return vision_tower(checkpoint, FRAME_PIXELS), (frames,)
    if name in ("ast", "clap"):
        return audio_tower(checkpoint, SAMPLE_RATE_HZ, WINDOW_SAMPLES, 2), (0.1 * torch.randn(2, WINDOW_SAMPLES),)
    ids = torch.randint(5, 16, (2, 6))
    return text_tower(checkpoint, 16), (ids, torch.zeros_like(ids), torch.ones_like(ids, dtype=torch.bool))


def with_gradient(tower: Tower, inputs: tuple[torch.Tensor, ...]) -> set[str]:
    """Names of the backbone's parameters that a training step would change."""
    features: Any = tower.train()(*inputs)
    if not features.requires_grad:
        return set()
    features.square().sum().backward()
    parameters = dict(tower.backbone.named_parameters())
    touched = {name for name, value in parameters.items() if value.grad is not None and value.grad.abs().max() > 0}
    assert touched <= {name for name, value in parameters.items() if value.requires_grad}
    return touched


@pytest.mark.parametrize("name", LAYERS)
def test_frozen_tower_has_no_gradient(name: str, checkpoints: Callable[[str], Path]) -> None:
    tower, inputs = build(name, checkpoints(name))
    tune(tower, Frozen())
    assert with_gradient(tower, inputs) == set()


@pytest.mark.parametrize("name", LAYERS)
def test_last_layer_and_what_lies_behind_it_get_gradients(name: str, checkpoints: Callable[[str], Path]) -> None:
    tower, inputs = build(name, checkpoints(name))
    tune(tower, LastLayers(1))
    blocks, behind = LAYERS[name]
    touched = with_gradient(tower, inputs)
    wanted = (blocks[-1], *behind)
    assert {prefix for prefix in wanted if any(found.startswith(prefix) for found in touched)} == set(wanted)
    assert [found for found in touched if not found.startswith(wanted)] == []


@pytest.mark.parametrize("name", LAYERS)
def test_low_rank_updates_get_gradients_and_merge_away(name: str, checkpoints: Callable[[str], Path]) -> None:
    tower, inputs = build(name, checkpoints(name))
    blocks, _ = LAYERS[name]
    names = [part for part, _ in tower.named_modules()]
    with torch.no_grad():
        before = tower(*inputs)
        tune(tower, LowRank(rank=2))
        torch.testing.assert_close(tower(*inputs), before)
    touched = with_gradient(tower, inputs)
    assert len(touched) == 3 * len(blocks)  # B of query, key and value; A gets its first gradient when B is not 0
    assert all("lora_B" in found for found in touched)
    for parameter in tower.backbone.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    with torch.no_grad():
        tuned = tower(*inputs)
        merge(tower)
        assert (tuned - before).abs().max() > 1e-3
        torch.testing.assert_close(tower(*inputs), tuned, atol=1e-4, rtol=1e-4)
    assert [part for part, _ in tower.named_modules()] == names


def test_tuning_keeps_the_backbone_in_evaluation_mode(checkpoints: Callable[[str], Path]) -> None:
    tower, inputs = build("bert", checkpoints("bert"))
    tune(tower, LastLayers(2))
    tower.train()
    assert torch.equal(tower(*inputs), tower(*inputs))  # BERT has dropout of 0.1
    assert tower.training
    assert not tower.backbone.training


@pytest.mark.parametrize("tuning", [LastLayers(0), LastLayers(3), LowRank(rank=0)])
def test_what_a_checkpoint_has_not_cannot_be_tuned(tuning: Tuning, checkpoints: Callable[[str], Path]) -> None:
    tower, _ = build("bert", checkpoints("bert"))
    with pytest.raises(ValueError, match="expected 1"):
        tune(tower, tuning)
