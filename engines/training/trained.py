"""What was trained of a starter network, without its towers: a file of some megabytes that training can go on from.

Towers come from packages and words from a folder or a bundle, so neither is in it. Large weights are in 8 bits, rounded
as a bundle stores them: what training goes on from is the network that the bundle runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from engines.models.pretrained.words import WordVectors
from engines.models.rounding import round_weights
from engines.models.starter import StarterNetwork
from engines.quantise import LEAST_ELEMENTS, rounded
from engines.training.checkpoint import StarterCard, card_text, read_checkpoint

#: Of the names of a starter network's tensors.
_TRAINED = ("vision.project.", "audio.project.", "text.", "fusion.")
_WORDS = "text.words."
#: Trained parts of shipped bundles, by the bundle's name.
SHIPPED = Path(__file__).parents[1] / "checkpoints"


def start_of(name: str | Path) -> Path:
    """A checkpoint as given, or what was trained of that shipped bundle. Raises `ValueError` for neither."""
    for path in (Path(name), SHIPPED / f"{name}.safetensors"):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.safetensors")))
    raise ValueError(f"{name}: came no checkpoint, expected a file or the name of a shipped one: {known}")


def save_trained(path: Path, network: StarterNetwork, card: StarterCard) -> None:
    """Write what was trained, rounded, and the card. The network is rounded in place."""
    round_weights(network)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = dict(_stored(network))
    save_file(tensors, path, metadata={"card": card_text(card)})


def load_start(path: Path, words: WordVectors) -> tuple[StarterNetwork, StarterCard]:
    """A network with everything that was trained, from a checkpoint or from `save_trained`; its towers mean nothing.

    Raises `ValueError` when the file is neither.
    """
    card, stored = read_checkpoint(path, StarterCard)
    tensors = {name: tensor for name, tensor in _restored(stored) if _is_trained(name)}
    network = StarterNetwork(card.sizes)
    network.text.words = words
    expected = {name for name in network.state_dict() if _is_trained(name)}
    if tensors.keys() != expected:
        missing = sorted(expected ^ tensors.keys())
        raise ValueError(f"{path}: not a checkpoint that this version can read: tensors that do not fit: {missing[:3]}")
    try:
        network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{path}: not a checkpoint that this version can read: {error}") from error
    return network.eval(), card


def _is_trained(name: str) -> bool:
    return name.startswith(_TRAINED) and not name.startswith(_WORDS)


def _stored(network: StarterNetwork) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in network.state_dict().items():
        if not _is_trained(name):
            continue
        if tensor.ndim < 2 or tensor.numel() < LEAST_ELEMENTS:
            yield name, tensor.contiguous()
            continue
        values, scales = rounded(tensor.numpy(), axis=0)
        yield f"{name}.int8", torch.from_numpy(values)
        yield f"{name}.scale", torch.from_numpy(scales)


def _restored(stored: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in stored.items():
        whole = name.removesuffix(".int8")
        if name.endswith(".scale"):
            continue
        if whole != name:
            tensor = tensor.to(torch.float32) * stored[f"{whole}.scale"].reshape(-1, *[1] * (tensor.ndim - 1))
        yield whole, tensor
