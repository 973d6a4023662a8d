"""The protocol of everything that can run a graph: `with runner: outputs = runner(inputs)`.

Calls that do not wait for each other's outputs are started together, so that on a GPU their copies and their computing
overlap: `run_together`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from engines.spec import Array, GraphSpec

#: Waits for a call that is on its way and gives its outputs by name, the same ones every time. Raises `RunnerError`.
Pending = Callable[[], dict[str, Array]]


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

    def start(self, inputs: Mapping[str, Array]) -> Pending:
        """Put a call on its way, where the engine can; the inputs may change as soon as it is. Raises as `__call__`."""
        ...


class Around:
    """A runner around another one that hands everything on: for those that look at calls, or stand in their way."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    @property
    def spec(self) -> GraphSpec:
        """As of the runner."""
        return self._runner.spec

    @property
    def engine(self) -> str:
        """As of the runner."""
        return self._runner.engine

    def __enter__(self) -> Self:
        self._runner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.__exit__(kind, error, trace)

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """As `start`, and waits."""
        return self.start(inputs)()

    def start(self, inputs: Mapping[str, Array]) -> Pending:
        """As of the runner."""
        return self._runner.start(inputs)


class RunnerError(RuntimeError):
    """Raised when an engine fails on inputs that fit its spec."""


class RunnerLostError(RunnerError):
    """Raised when an engine fails and no later call will go better: the process has to be started again."""


def run_together(calls: Iterable[tuple[Runner, Mapping[str, Array]]]) -> list[dict[str, Array]]:
    """The outputs of calls in order: all are started, each as soon as its inputs are there, then waited for.

    Raises what the first of them raises, when nothing is on its way any more.
    """
    pending: list[Pending] = []
    try:
        for runner, inputs in calls:
            pending.append(runner.start(inputs))
        return [wait() for wait in pending]
    except BaseException:
        for wait in pending:
            with suppress(RunnerError):
                wait()
        raise
