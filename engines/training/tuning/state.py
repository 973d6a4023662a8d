"""How far a training run has come, as one safetensors file: enough to go on as if nothing had happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


class Epoch(msgspec.Struct, frozen=True):
    """`loss` is the mean over the epoch's steps; `quality` the mean of AP, AP and Spearman on validation clips."""

    epoch: int
    loss: float
    quality: float


@dataclass
class Progress:
    """What a run has done: epochs, and the weights of the best one."""

    history: list[Epoch] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_epoch(self) -> int:
        """Where quality was highest; -1 before the first epoch."""
        return max(range(len(self.history)), key=lambda n: self.history[n].quality, default=-1)


def save_state(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress, key: str) -> None:
    """Whole or not at all. `key` names everything that decides the run."""
    tensors = {f"model.{name}": tensor for name, tensor in trained(model).items()}
    tensors |= {f"best.{name}": tensor for name, tensor in progress.best.items()}
    for index, values in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in values.items()}
    history = msgspec.json.encode(progress.history).decode()
    scratch = path.with_suffix(".part")
    copies = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    save_file(copies, scratch, metadata={"history": history, "key": key})
    scratch.replace(path)


def load_state(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, key: str) -> Progress:
    """Put everything back. Raises `ValueError` for a file of another run or one that is none."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        history = msgspec.json.decode(metadata.get("history", ""), type=list[Epoch])
    except (OSError, SafetensorError, msgspec.MsgspecError) as error:
        raise ValueError(f"{path}: not the state of a run: {error}") from error
    if metadata.get("key") != key:
        raise ValueError(f"{path}: state of another run; remove it, or train into another folder")
    put(model, _under("model.", tensors))
    document: dict[str, Any] = optimiser.state_dict()
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under("optimiser.", tensors).items():
        index, _, value = name.partition(".")
        states.setdefault(int(index), {})[value] = tensor
    optimiser.load_state_dict(document | {"state": states})
    return Progress(history, _under("best.", tensors))


def trained(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that training changes, by name."""
    return {name: parameter.data for name, parameter in model.named_parameters() if parameter.requires_grad}


def put(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Set the parameters that training changes. Raises `ValueError` when they are not those of this model."""
    own = trained(model)
    if own.keys() != tensors.keys() or any(own[name].shape != tensors[name].shape for name in own):
        raise ValueError("weights: came those of another network, expected equal names and shapes")
    for name, tensor in own.items():
        tensor.copy_(tensors[name])


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
