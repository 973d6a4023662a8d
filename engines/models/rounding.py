"""The weights of a network rounded as a bundle in 8 bits stores them, so that it is trained on what will be shipped."""

from __future__ import annotations

import torch
from torch import nn

from engines.quantise import LEAST_ELEMENTS, MOST


def round_weights(network: nn.Module, *, convolutions: bool = False) -> None:
    """Round, in place, large weights of convolutions, products and tables to int8 times a scale of each channel or row.

    `engines.quantise.store_small` then stores them without any further loss. Batch norms have to be folded before.
    convolutions: small ones as well, as for `engines.activations.compute_in_integers`.
    """
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear | nn.Embedding):
                weight = module.weight
                if weight.numel() >= LEAST_ELEMENTS or (convolutions and isinstance(module, nn.Conv2d)):
                    most = weight.abs().amax(tuple(range(1, weight.ndim)), keepdim=True)
                    scale = torch.where(most > 0, most / MOST, 1.0)
                    weight.copy_((weight / scale).round() * scale)
