"""torch on the same GPU: what compiled engines are compared with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from engines.measure.clock import Taken, timed
from engines.spec import Array, GraphSpec


def eager(module: nn.Module, spec: GraphSpec, inputs: Mapping[str, Array], *, half: bool) -> Taken:
    """Milliseconds of a forward pass on inputs that lie on the device, weights in float16 where `half`."""
    given = [_there(inputs[tensor.name], half=half) for tensor in spec.inputs]
    module = _ready(module, half=half)

    def run() -> None:
        module(*given)

    with torch.inference_mode():
        return timed(run, torch.cuda.synchronize)


def compiled(module: nn.Module, spec: GraphSpec, inputs: Mapping[str, Array]) -> Taken:
    """The same in float16 after `torch.compile(mode="max-autotune")`; compiling takes minutes and is not counted."""
    faster = torch.compile(_ready(module, half=True), mode="max-autotune")
    given = [_there(inputs[tensor.name], half=True) for tensor in spec.inputs]

    def run() -> None:
        faster(*given)

    with torch.inference_mode():
        return timed(run, torch.cuda.synchronize)


def _there(array: Array, *, half: bool) -> torch.Tensor:
    tensor = torch.from_numpy(array).cuda()
    return tensor.half() if half and tensor.is_floating_point() else tensor


def _ready(module: nn.Module, *, half: bool) -> nn.Module:
    module = module.cuda().eval()
    return module.half() if half else module.float()
