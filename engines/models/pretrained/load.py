"""Backbones with their published weights, and the names of their classes, from installed packages.

Every function raises `MissingWeightsError` with the line that installs what is absent.
"""

from __future__ import annotations

import csv
import json
import tempfile
import zipfile
from pathlib import Path
from typing import TypeVar

import onnx
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from engines.models.pretrained import IMAGE_CLASSES, SOUND_CLASSES, sources
from engines.models.pretrained.efficientnet_lite import EfficientNetLite0
from engines.models.pretrained.graph_weights import convolution_weights, linear_weights, relu_limits
from engines.models.pretrained.minilm import MiniLM, our_names
from engines.models.pretrained.open_nsfw import OpenNsfw
from engines.models.pretrained.yamnet import Yamnet

M = TypeVar("M", bound=nn.Module)

#: batch_norm_epsilon of EfficientNet.
EPSILON = 1e-3
#: Where ReLU6 ends.
SATURATION = 6.0


def efficientnet_lite0() -> EfficientNetLite0:
    """EfficientNet-Lite0 in evaluation mode, batch norms folded into the convolutions."""
    state = torch.load(sources.EFFICIENTNET_LITE0.path(), map_location="cpu", weights_only=True)
    convolutions = [name for name in state if name.endswith(".weight") and state[name].ndim == 4]
    norms = [name.removesuffix(".running_mean") for name in state if name.endswith(".running_mean")]
    weights = [fold(state, name, norm) for name, norm in zip(convolutions, norms, strict=True)]
    return frozen(EfficientNetLite0(), weights, (state["_fc.weight"], state["_fc.bias"]))


def yamnet() -> Yamnet:
    """YAMNet in evaluation mode: 8-bit weights back in float, activations not quantised."""
    graph = yamnet_graph()
    limits = relu_limits(graph)
    scales = [SATURATION / limit for limit in limits]
    weights = [
        (weight * (scale / before), bias * scale)
        for (weight, bias), scale, before in zip(convolution_weights(graph), scales, [1.0, *scales], strict=False)
    ]
    network = frozen(Yamnet(), weights, linear_weights(graph))
    network.unit.fill_(limits[-1] / SATURATION)
    return network


def open_nsfw() -> OpenNsfw:
    """open_nsfw in evaluation mode, batch norms folded, first layer turned from BGR to RGB."""
    graph = onnx.load(sources.OPEN_NSFW.path()).graph
    (stem, bias), *weights = convolution_weights(graph)
    return frozen(OpenNsfw(), [(stem.flip(1), bias), *weights], linear_weights(graph))


def minilm() -> MiniLM:
    """all-MiniLM-L6-v2 in evaluation mode."""
    network = MiniLM()
    network.load_state_dict(our_names(load_file(sources.MINILM.path())))
    return network.requires_grad_(False).eval()


def image_class_names() -> list[str]:
    """The 1,000 classes of ImageNet in the order of EfficientNet's logits."""
    names = json.loads(sources.IMAGE_NAMES.path().read_text("utf-8"))
    if not isinstance(names, list) or len(names) != IMAGE_CLASSES:
        raise ValueError(f"{sources.IMAGE_NAMES.file}: expected a list of {IMAGE_CLASSES} names")
    return [str(name) for name in names]


def sound_class_names() -> list[str]:
    """The 521 classes of AudioSet in the order of YAMNet's logits."""
    with sources.SOUND_NAMES.path().open(encoding="utf-8", newline="") as file:
        names = [row["display_name"] for row in csv.DictReader(file)]
    if len(names) != SOUND_CLASSES:
        raise ValueError(f"{sources.SOUND_NAMES.file}: came {len(names)} names, expected {SOUND_CLASSES}")
    return names


def yamnet_graph() -> onnx.GraphProto:
    """The published graph with 8-bit weights and activations, whole in memory."""
    with zipfile.ZipFile(sources.YAMNET.path()) as archive, tempfile.TemporaryDirectory() as folder:
        for name in archive.namelist():
            if not name.endswith("/"):
                Path(folder, Path(name).name).write_bytes(archive.read(name))
        return onnx.load(Path(folder, "model.onnx")).graph


def fold(state: dict[str, Tensor], convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that has taken in the batch norm behind it."""
    scale_C = state[f"{norm}.weight"].double() / (state[f"{norm}.running_var"].double() + EPSILON).sqrt()
    bias_C = state[f"{norm}.bias"].double() - state[f"{norm}.running_mean"].double() * scale_C
    return (state[convolution].double() * scale_C[:, None, None, None]).float(), bias_C.float()


def frozen(network: M, weights: list[tuple[Tensor, Tensor]], classifier: tuple[Tensor, Tensor]) -> M:
    """Fill convolutions in the order in which they are declared, then the only linear layer; nothing will train."""
    convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
    (linear,) = [part for part in network.modules() if isinstance(part, nn.Linear)]
    layers: list[nn.Conv2d | nn.Linear] = [*convolutions, linear]
    for layer, (weight, bias) in zip(layers, [*weights, classifier], strict=True):
        if layer.weight.shape != weight.shape or layer.bias is None or layer.bias.shape != bias.shape:
            raise ValueError(f"weights: came {tuple(weight.shape)}, expected {tuple(layer.weight.shape)}")
        layer.weight.data, layer.bias.data = weight.contiguous().clone(), bias.contiguous().clone()
    return network.requires_grad_(False).eval()
