"""A trained network on disk: one safetensors file with the weights, and all else in its header."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from engines.bundle import Preprocessing
from engines.calibration import Calibration
from engines.models.network import Network, NetworkSizes


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a network besides its weights; becomes the manifest of its bundle."""

    name: str
    sizes: NetworkSizes
    preprocessing: Preprocessing
    vocabulary: list[str]
    calibration: Calibration
    thresholds: dict[str, float]
    training: dict[str, Any]


def save_checkpoint(path: Path, network: Network, card: Card) -> None:
    """Write weights and card."""
    document = {name: getattr(card, name) for name in card.__struct_fields__} | {"sizes": asdict(card.sizes)}
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, path, metadata={"card": msgspec.json.encode(document, order="deterministic").decode()})


def load_checkpoint(path: Path) -> tuple[Network, Card]:
    """The network, in evaluation mode. Raises `ValueError` when the file is not a checkpoint of this version."""
    try:
        with safe_open(path, framework="pt") as file:
            card = msgspec.json.decode((file.metadata() or {}).get("card", "{}"), type=Card)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network = Network(card.sizes)
        network.load_state_dict(tensors)
    except (OSError, SafetensorError, msgspec.MsgspecError, RuntimeError) as error:
        raise ValueError(f"{path}: not a checkpoint that this version can read: {error}") from error
    return network.eval(), card
