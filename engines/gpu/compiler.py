"""What turns an ONNX graph into a plan, as a protocol: `engines.gpu.trt_library` is the real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from engines.gpu.device import Loader

#: Shapes of all inputs of a graph by name: a plan is fastest at those it was built for.
Profile = Mapping[str, tuple[int, ...]]


class BuildError(RuntimeError):
    """Raised when no plan can be made of a graph."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How hard TensorRT looks for fast kernels: level 0 to 5, and how much memory they may take meanwhile.

    Level 3 is TensorRT's default. A ViT-B/16 took 21 s there and 61 s at level 5 on an H100, and ran as fast.
    """

    level: int = 3
    workspace_bytes: int = 4 << 30

    def __post_init__(self) -> None:
        if not 0 <= self.level <= 5:
            raise ValueError(f"level: came {self.level}, expected 0 to 5")
        if self.workspace_bytes < 1 << 20:
            raise ValueError(f"workspace_bytes: came {self.workspace_bytes}, expected a mebibyte or more")


@dataclass(frozen=True)
class Built:
    """A plan, and how many of its layers put out which type."""

    plan: bytes
    layers: Mapping[str, int]


class Compiler(Loader, Protocol):
    """Builds plans, and loads them. `timings` are what it has learnt of this device, for builds to come."""

    timings: bytes

    def build(
        self, model: bytes, profiles: Sequence[Profile], options: BuildOptions, on_share: Callable[[float], None]
    ) -> Built:
        """The plan of a serialised ONNX graph for these shapes; `on_share` is told in [0, 1] how far it has come.

        Raises `BuildError` with the reason.
        """
        ...
