"""Runners that do something wrong around one that does all right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from mmap import mmap
from types import TracebackType
from typing import Self

import numpy as np

from engines.bundle import Bundle
from engines.engine_set import EngineSet
from engines.opening import open_engines
from engines.runner import Pending, Runner, RunnerError
from engines.spec import GRAPHS, Array, GraphSpec

Inputs = Mapping[str, Array]
Outputs = dict[str, Array]


class Wrapped:
    """A runner whose outputs `change` has the last word on."""

    def __init__(
        self, inner: Runner, change: Callable[[Inputs, Outputs], Outputs] = lambda _, outputs: outputs
    ) -> None:
        self.inner, self.change = inner, change
        self.rows: list[int] = []

    @property
    def spec(self) -> GraphSpec:
        return self.inner.spec

    @property
    def engine(self) -> str:
        return "double"

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.inner.__exit__(kind, error, trace)

    def __call__(self, inputs: Inputs) -> Outputs:
        self.rows.append(len(next(iter(inputs.values()))))
        return self.change(inputs, self.inner(inputs))

    def start(self, inputs: Inputs) -> Pending:
        outputs = self(inputs)
        return lambda: outputs


class Leaking(Wrapped):
    """Keeps some memory at every call, and says that it does so on the device, too.

    Memory straight from the system: what the allocator hands out may have been resident before.
    """

    def __init__(self, inner: Runner, leak_bytes: int, device_leak_bytes: int = 0) -> None:
        super().__init__(inner)
        self.leak_bytes, self.device_leak_bytes = leak_bytes, device_leak_bytes
        self.kept: list[mmap] = []

    def __call__(self, inputs: Inputs) -> Outputs:
        self.kept.append(mmap(-1, self.leak_bytes))
        self.kept[-1].write(b"1" * self.leak_bytes)
        return super().__call__(inputs)

    def device_bytes(self) -> int:
        return self.device_leak_bytes * len(self.kept)


class Bucketed(Wrapped):
    """Says that it was built for these shapes."""

    def __init__(self, inner: Runner, shapes: tuple[tuple[int, ...], ...]) -> None:
        super().__init__(inner)
        self.bucket_shapes = shapes


def wrapped(bundle: Bundle, **doubles: Callable[[Runner], Runner]) -> EngineSet:
    """Engines of a bundle, some of them inside a double."""
    engines = open_engines(bundle)
    return EngineSet(**{name: doubles.get(name, lambda inner: inner)(getattr(engines, name)) for name in GRAPHS})


def neighbours_mixed(_: Inputs, outputs: Outputs) -> Outputs:
    """Two rows change places."""
    return {name: np.concatenate([array[:-2], array[-1:], array[-2:-1]]) for name, array in outputs.items()}


def refusing_nan(inputs: Inputs, outputs: Outputs) -> Outputs:
    """Fails on what is no number, as hardware traps do."""
    if any(array.dtype == np.float32 and np.isnan(array).any() for array in inputs.values()):
        raise RunnerError("not a number")
    return outputs


class Poisoned:
    """What is no number once spoils everything from then on."""

    def __init__(self) -> None:
        self.spoilt = False

    def __call__(self, inputs: Inputs, outputs: Outputs) -> Outputs:
        was_spoilt = self.spoilt
        self.spoilt |= any(array.dtype == np.float32 and np.isnan(array).any() for array in inputs.values())
        return {name: array + np.float32(was_spoilt) for name, array in outputs.items()}


def spreading(inputs: Inputs, outputs: Outputs) -> Outputs:
    """A row that is all zeros changes its neighbours."""
    given = next(iter(inputs.values()))
    if len(given) > 1 and not given.reshape(len(given), -1).any(1).all():
        return {name: array + np.float32(0.01) for name, array in outputs.items()}
    return outputs
