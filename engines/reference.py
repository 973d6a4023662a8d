"""The networks in torch behind the runner protocol: what every other engine is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import torch
from torch import nn

from engines.engine_set import EngineSet
from engines.models.network import Parts
from engines.runner import Pending
from engines.spec import GRAPHS, Array, GraphSpec


class TorchRunner:
    """One part of a network, on the CPU in float32. Leaves the module in evaluation mode."""

    def __init__(self, module: nn.Module, spec: GraphSpec) -> None:
        self._module = module
        self._spec = spec

    @property
    def spec(self) -> GraphSpec:
        """Inputs and outputs."""
        return self._spec

    @property
    def engine(self) -> str:
        """Name and version for lineage."""
        return f"torch-{torch.__version__}-cpu"

    def __enter__(self) -> Self:
        self._module.eval()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name. Raises `ValueError` when inputs do not fit the spec."""
        self._spec.check_inputs(inputs)
        with torch.no_grad():
            outputs = self._module(*(torch.from_numpy(inputs[tensor.name]) for tensor in self._spec.inputs))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return {tensor.name: output.numpy() for tensor, output in zip(self._spec.outputs, outputs, strict=True)}

    def start(self, inputs: Mapping[str, Array]) -> Pending:
        """Computes at once. Raises as `__call__`."""
        outputs = self(inputs)
        return lambda: outputs


def reference_engines(network: Parts) -> EngineSet:
    """The four parts of a network as engines."""
    specs = network.specs
    vision, audio, text, fusion = (TorchRunner(network.get_submodule(name), specs[name]) for name in GRAPHS)
    return EngineSet(vision=vision, audio=audio, text=text, fusion=fusion)
