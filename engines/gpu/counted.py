"""Counts which shapes come to each graph, on any engine: what `earshot build --traffic` chooses buckets by."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from engines.gpu.buckets import Shape
from engines.gpu.traffic import read_traffic, write_traffic
from engines.runner import Around, Pending, Runner
from engines.spec import Array, GraphSpec

_LOG = logging.getLogger(__name__)

#: What a process that dies may lose of its counts.
WRITE_SECONDS = 60.0


class Counts:
    """How often which shape came, in a file of this process alone. Thread-safe.

    Written once a minute while calls come, and at the end of the `with` block. Goes on where the file stops; raises
    `ValueError` for a file of something else and `OSError` where it cannot be written.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._counts = read_traffic(path) if path.exists() else {}
        self._lock = threading.Lock()
        self._written_seconds = clock()
        write_traffic(path, self._counts)

    def count(self, graph: str, shape: Shape) -> None:
        """One more call of this shape. A file that can no longer be written is told in the log."""
        with self._lock:
            counts = self._counts.setdefault(graph, {})
            counts[shape] = counts.get(shape, 0) + 1
            if self._clock() - self._written_seconds >= WRITE_SECONDS:
                self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._write()

    def _write(self) -> None:
        self._written_seconds = self._clock()
        try:
            write_traffic(self._path, self._counts)
        except OSError as error:
            _LOG.warning("%s: counts of shapes could not be written: %s", self._path, error)


class Counted(Around):
    """A runner whose calls are counted. One thread at a time, as the runner."""

    def __init__(self, runner: Runner, counts: Counts) -> None:
        super().__init__(runner)
        self._counts = counts

    def start(self, inputs: Mapping[str, Array]) -> Pending:
        """As the runner; what it refuses is not counted."""
        pending = self._runner.start(inputs)
        self._counts.count(self.spec.name, shape_of(self.spec, inputs))
        return pending


def shape_of(spec: GraphSpec, inputs: Mapping[str, Array]) -> Shape:
    """Sizes of the axes that may vary, the row axis first, in the order of `GraphSpec.ranges`."""
    sizes = {
        axis: size
        for tensor in spec.inputs
        for axis, size in zip(tensor.axes, inputs[tensor.name].shape, strict=True)
        if axis in spec.ranges
    }
    return tuple(sizes[axis] for axis in spec.ranges if isinstance(axis, str))
