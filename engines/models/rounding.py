"""The weights of a network rounded as a bundle in 8 bits stores them, so that it is trained on what will be shipped."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.models.fusion import Fusion
from engines.quantise import LEAST_ELEMENTS, MOST


def round_weights(network: nn.Module, *, convolutions: bool = False) -> None:
    """Round, in place, large weights of convolutions, products and tables to int8 times a scale of each channel or row.

    The training clips that a fusion network keeps are such a table.

    `engines.quantise.store_small` then stores them without any further loss. Batch norms have to be folded before.
    convolutions: small ones as well, as for `engines.activations.compute_in_integers`.
    """
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear | nn.Embedding):
                if module.weight.numel() >= LEAST_ELEMENTS or (convolutions and isinstance(module, nn.Conv2d)):
                    _round(module.weight)
            elif isinstance(module, Fusion):
                _round(module.known_MD)


def exact_constants(part: nn.Module) -> list[NDArray[np.generic]]:
    """What `engines.quantise.store_small` is to leave as it is: all constants but those that `round_weights` rounds."""
    tables = {id(module.known_MD) for module in part.modules() if isinstance(module, Fusion)}
    return [buffer.numpy() for buffer in part.buffers() if id(buffer) not in tables]


def _round(weight: Tensor) -> None:
    most = weight.abs().amax(tuple(range(1, weight.ndim)), keepdim=True)
    scale = torch.where(most > 0, most / MOST, 1.0)
    weight.copy_((weight / scale).round() * scale)
