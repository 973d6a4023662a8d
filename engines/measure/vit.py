"""ViT-B/16 (arXiv 2010.11929, table 1) with random weights: what larger towers than the starter's cost."""

from __future__ import annotations

import io
import warnings

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.spec import GraphSpec, Range, TensorSpec

PIXELS, PATCH, WIDTH, HEADS, LAYERS = 224, 16, 768, 12, 12
TOKENS = (PIXELS // PATCH) ** 2

SPEC = GraphSpec(
    "vit",
    (TensorSpec("frames_FCHW", "float32", ("F", 3, PIXELS, PIXELS)),),
    (TensorSpec("tokens_FPD", "float32", ("F", "P", WIDTH)),),
    {"F": Range(1, 64, 64)},
)


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x_FPD: Tensor) -> Tensor:
        F, P, _ = x_FPD.shape
        qkv = self.qkv(self.norm1(x_FPD)).reshape(F, P, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        x_FPD = x_FPD + self.out(mixed.transpose(1, 2).reshape(F, P, WIDTH))
        mixed_FPD: Tensor = x_FPD + self.down(functional.gelu(self.up(self.norm2(x_FPD))))
        return mixed_FPD


class VitB16(nn.Module):
    """frames_FCHW float32 in [-1, 1] -> tokens_FPD, P = 196, D = 768."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
            self.position_PD = nn.Parameter(0.02 * torch.randn(TOKENS, WIDTH))
            self.blocks = nn.Sequential(*(_Block() for _ in range(LAYERS)))
            self.norm = nn.LayerNorm(WIDTH)

    def forward(self, frames_FCHW: Tensor) -> Tensor:
        """As the class says."""
        x_FPD = self.patches(frames_FCHW).flatten(2).transpose(1, 2) + self.position_PD
        tokens_FPD: Tensor = self.norm(self.blocks(x_FPD))
        return tokens_FPD


def as_onnx(network: nn.Module) -> onnx.ModelProto:
    """The network as a graph with a free number of frames, in float32."""
    buffer = io.BytesIO()
    frames_FCHW = torch.zeros(2, 3, PIXELS, PIXELS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter speaks of its successor, which unrolls what this one keeps whole
        torch.onnx.export(
            network.eval(),
            (frames_FCHW,),
            buffer,  # type: ignore[arg-type]  # the exporter that is asked for writes to files that are open, too
            input_names=["frames_FCHW"],
            output_names=["tokens_FPD"],
            dynamic_axes={"frames_FCHW": {0: "F"}, "tokens_FPD": {0: "F"}},
            opset_version=18,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())
