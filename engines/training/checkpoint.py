"""A trained network on disk: one safetensors file with the weights, and all else in its header."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from engines.calibration import Calibration
from engines.manifest import Preprocessing
from engines.models.network import Network, NetworkSizes
from engines.models.starter import StarterNetwork, StarterSizes

M = TypeVar("M", bound=nn.Module)


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a network besides its weights; becomes the manifest of its bundle."""

    name: str
    sizes: NetworkSizes
    preprocessing: Preprocessing
    vocabulary: list[str]
    calibration: Calibration
    thresholds: dict[str, float]
    training: dict[str, Any]


class StarterCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a starter network besides its weights. `tokenizer` is the JSON of a `tokenizers` pipeline."""

    name: str
    sizes: StarterSizes
    preprocessing: Preprocessing
    tokenizer: str
    calibration: Calibration
    thresholds: dict[str, float]
    training: dict[str, Any]


C = TypeVar("C", Card, StarterCard)


def save_checkpoint(path: Path, network: nn.Module, card: Card | StarterCard) -> None:
    """Write weights and card."""
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, path, metadata={"card": card_text(card)})


def card_text(card: Card | StarterCard) -> str:
    """The card as JSON, the same for the same card."""
    document = {name: getattr(card, name) for name in card.__struct_fields__} | {"sizes": asdict(card.sizes)}
    return msgspec.json.encode(document, order="deterministic").decode()


def load_checkpoint(path: Path) -> tuple[Network, Card]:
    """The network, in evaluation mode. Raises `ValueError` when the file is not a checkpoint of this version."""
    card, tensors = read_checkpoint(path, Card)
    return _filled(path, Network(card.sizes), tensors), card


def load_starter(path: Path) -> tuple[StarterNetwork, StarterCard]:
    """The starter network with its towers, in evaluation mode. Raises what `load_checkpoint` raises."""
    card, tensors = read_checkpoint(path, StarterCard)
    return _filled(path, StarterNetwork(card.sizes), tensors), card


def read_checkpoint(path: Path, kind: type[C]) -> tuple[C, dict[str, Tensor]]:
    """Card and tensors by name. Raises `ValueError` when the file is not a checkpoint of this version."""
    try:
        with safe_open(path, framework="pt") as file:
            card = msgspec.json.decode((file.metadata() or {}).get("card", "{}"), type=kind)
            return card, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, msgspec.MsgspecError) as error:
        raise ValueError(f"{path}: not a checkpoint that this version can read: {error}") from error


def _filled(path: Path, network: M, tensors: dict[str, Tensor]) -> M:
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(f"{path}: not a checkpoint that this version can read: {error}") from error
    return network.eval()
