"""Vision towers from SigLIP, SigLIP 2 and CLIP checkpoints.

Shape letters: F frames, C,H,W channel, height, width, P tokens of a frame, T patches; features are (F, P, C).
"""

from __future__ import annotations

import math
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from engines.models.huggingface.checkpoint import Checkpoint, CheckpointError, check_kind, load_model, load_processor
from engines.models.huggingface.pooling import square
from engines.models.huggingface.resize import Resize
from engines.models.huggingface.tower import Tower

#: By model type: the class that holds the vision part.
MODELS: dict[str, Any] = {
    "siglip": transformers.SiglipVisionModel,
    "siglip_vision_model": transformers.SiglipVisionModel,
    "siglip2": transformers.Siglip2VisionModel,
    "siglip2_vision_model": transformers.Siglip2VisionModel,
    "clip": transformers.CLIPVisionModel,
    "clip_vision_model": transformers.CLIPVisionModel,
}


class Pixels(nn.Module):
    """What an image processor does to square pictures: resize, crop from the middle, rescale, normalise."""

    def __init__(self, processor: Any, side: int, new_side: int) -> None:
        super().__init__()
        self.resize = Resize(side, new_side, int(processor.resample))
        crop = int(processor.crop_size["height"]) if getattr(processor, "do_center_crop", None) else new_side
        if crop > new_side:
            raise ValueError(f"crop_size: came {crop}, expected at most {new_side}, the side after resizing")
        self.side, self.start = crop, (new_side - crop) // 2
        scale = float(processor.rescale_factor) if processor.do_rescale else 1.0
        mean, deviation = (processor.image_mean, processor.image_std) if processor.do_normalize else ([0.0], [1.0])
        self.register_buffer("gain_C11", (scale / torch.tensor(deviation))[:, None, None], persistent=False)
        self.register_buffer(
            "shift_C11", (torch.tensor(mean) / torch.tensor(deviation))[:, None, None], persistent=False
        )

    def forward(self, frames_FCHW: Tensor) -> Tensor:
        """uint8 RGB in [0, 255] -> the processor's `pixel_values`, float32."""
        pixels_FCHW: Tensor = self.resize(frames_FCHW.to(torch.float32))
        stop = self.start + self.side
        pixels_FCHW = pixels_FCHW[:, :, self.start : stop, self.start : stop]
        return pixels_FCHW * self.get_buffer("gain_C11") - self.get_buffer("shift_C11")


class VisionTower(Tower):
    """One token for the whole frame, as the checkpoint pools it, then `grid` x `grid` places from the top left."""

    def __init__(self, backbone: nn.Module, pixels: Pixels, grid: int) -> None:
        config: Any = backbone.config
        super().__init__(backbone, int(config.hidden_size), 1 + grid * grid)
        self.pixels = pixels
        side = pixels.side // int(config.patch_size)
        self.register_buffer("places_PT", square(side, grid).to(torch.float32), persistent=False)

    def forward(self, frames_FCHW: Tensor) -> Tensor:
        """uint8 RGB (F, 3, H, W) -> features_FPC float32."""
        patches_FTC, pooled_FC = self.look(self.pixels(frames_FCHW))
        return torch.cat([pooled_FC[:, None], self.get_buffer("places_PT") @ patches_FTC], dim=1)

    def look(self, pixels_FCHW: Tensor) -> tuple[Tensor, Tensor]:
        """`pixel_values` -> the last layer's patches (F, T, C) without class tokens, and the pooled frame (F, C)."""
        seen: Any = self.backbone(pixel_values=pixels_FCHW)
        patches_FTC = seen.last_hidden_state[:, -self.get_buffer("places_PT").shape[1] :]
        pooled_FC = patches_FTC.mean(1) if seen.pooler_output is None else seen.pooler_output
        return patches_FTC, pooled_FC


class FlexibleVisionTower(VisionTower):
    """SigLIP 2 of flexible resolution: it takes patches, and frames of one size need positions resized only once."""

    def __init__(self, backbone: nn.Module, pixels: Pixels, grid: int) -> None:
        super().__init__(backbone, pixels, grid)
        embeddings: Any = backbone.embeddings
        self.patch_pixels = int(embeddings.patch_size)
        side = pixels.side // self.patch_pixels
        trained = int(embeddings.position_embedding_size)
        grid_HWC = embeddings.position_embedding.weight.reshape(trained, trained, -1)
        with torch.no_grad():
            positions_1TC = embeddings.resize_positional_embeddings(grid_HWC, torch.tensor([[side, side]]), side * side)
        self.register_buffer("positions_TC", positions_1TC[0].clone(), persistent=False)

    def look(self, pixels_FCHW: Tensor) -> tuple[Tensor, Tensor]:
        """`pixel_values` as a picture -> patches and pooled frame of the backbone's own layers."""
        backbone: Any = self.backbone
        size, side = self.patch_pixels, self.pixels.side // self.patch_pixels
        patches_FTX = pixels_FCHW.reshape(-1, pixels_FCHW.shape[1], side, size, side, size).permute(0, 2, 4, 3, 5, 1)
        patches_FTX = patches_FTX.flatten(3).flatten(1, 2)
        x_FTC = backbone.embeddings.patch_embedding(patches_FTX) + self.get_buffer("positions_TC")
        x_FTC = backbone.encoder(inputs_embeds=x_FTC, attention_mask=None).last_hidden_state
        x_FTC = backbone.post_layernorm(x_FTC)
        return x_FTC, backbone.head(x_FTC, None) if backbone.use_head else x_FTC.mean(1)


def vision_tower(checkpoint: Checkpoint, frame_pixels: int, grid: int = 2) -> VisionTower:
    """Square frames -> 1 + grid² tokens each. Raises `CheckpointError` for what is no vision model."""
    check_kind(checkpoint, MODELS, "a vision")
    backbone = load_model(checkpoint, MODELS[checkpoint.model_type])
    processor = load_processor(checkpoint, transformers.AutoImageProcessor)
    config: Any = backbone.config
    try:
        if checkpoint.model_type.startswith("siglip2"):
            side = math.isqrt(int(processor.max_num_patches)) * int(processor.patch_size)
            return FlexibleVisionTower(backbone, Pixels(processor, frame_pixels, side), grid)
        size = processor.size
        pixels = Pixels(processor, frame_pixels, int(size.get("shortest_edge") or size["height"]))
        if pixels.side != int(config.image_size):
            raise ValueError(f"processor gives {pixels.side} pixels, the model takes {config.image_size}")
        return VisionTower(backbone, pixels, grid)
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{checkpoint.name}: {error}") from error
