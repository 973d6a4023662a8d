"""The protocol of everything that can run a graph: `with runner: outputs = runner(inputs)`."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

from engines.spec import Array, GraphSpec


class Runner(Protocol):
    """A graph that is ready to run inside its `with` block. Passive and not thread-safe: one thread each."""

    @property
    def spec(self) -> GraphSpec:
        """Inputs and outputs."""
        ...

    @property
    def engine(self) -> str:
        """Name and version of what runs it, for lineage: "onnxruntime-1.32.0-cpu"."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name. Raises `ValueError` when inputs do not fit the spec, `RunnerError` when the run fails."""
        ...


class RunnerError(RuntimeError):
    """Raised when an engine fails on inputs that fit its spec."""
