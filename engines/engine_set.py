"""The four engines of a bundle, opened and closed together."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from engines.bundle import Bundle
from engines.ort import OrtOptions, OrtRunner
from engines.runner import Runner
from engines.spec import GRAPHS


class EngineSet:
    """Runners for vision, audio, text and fusion, ready inside the `with` block. One thread each, as every runner."""

    def __init__(self, *, vision: Runner, audio: Runner, text: Runner, fusion: Runner) -> None:
        self.vision, self.audio, self.text, self.fusion = vision, audio, text, fusion
        self._stack = ExitStack()

    @property
    def engine(self) -> str:
        """Name and version of what runs the fusion graph, for lineage."""
        return self.fusion.engine

    def __enter__(self) -> Self:
        with ExitStack() as stack:  # closes what is open already when a later graph fails to load
            for name in GRAPHS:
                stack.enter_context(getattr(self, name))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def open_engines(bundle: Bundle, options: OrtOptions | None = None) -> EngineSet:
    """ONNX Runtime engines for a bundle; enter the result to load them (`RunnerError` when a graph fails to)."""
    options = options or OrtOptions()

    def runner(name: str) -> OrtRunner:
        own = replace(options, integers=name in bundle.integers)
        return OrtRunner(bundle.graph_path(name), bundle.graphs[name], own)

    return EngineSet(**{name: runner(name) for name in GRAPHS})
