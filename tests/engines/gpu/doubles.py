"""Plans of shipped graphs for the double, and a view on a device that counts its calls and breaks one of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engines.build import profile
from engines.bundle import Bundle
from engines.gpu.buckets import Shape
from engines.gpu.compiler import BuildOptions
from engines.gpu.device import DeviceError
from engines.gpu.fit import REWRITE
from engines.gpu.plans import Fit, StoredPlan, stored
from engines.gpu.traffic import tokens_of_one
from engines.gpu.turns import Turns
from engines.ort import OrtRunner
from engines.parity import random_inputs
from engines.spec import Array
from engines.testing import HostCompiler, HostDevice
from engines.trt import TrtRunner

#: Of the words and segments that random texts are made of.
WORDS = {"vocabulary": 20, "segments": 4}

#: By graph, in the order of the axes: one bucket of few rows and tokens, one of more rows, one of more of both.
BUCKETS: Mapping[str, tuple[Shape, ...]] = {
    "vision": ((2,), (3,), (7,)),
    "audio": ((2,), (3,), (7,)),
    "text": ((2, 5), (4, 5), (6, 9)),
    "fusion": ((2, 8, 4, 5), (4, 8, 4, 5), (5, 12, 8, 9)),
}

#: How ONNX Runtime's kernels differ between batches of other sizes, in float32.
TOLERANCE = 1e-5


def plan_of(bundle: Bundle, graph: str, compiler: HostCompiler, buckets: tuple[Shape, ...] | None = None) -> StoredPlan:
    """The graph as the bundle holds it, so that it computes what ONNX Runtime does on it."""
    buckets = buckets or BUCKETS[graph]
    profiles = [profile(bundle.graphs[graph], shape) for shape in buckets]
    built = compiler.build(bundle.graph_path(graph).read_bytes(), profiles, BuildOptions(), lambda share: None)
    fit = Fit(
        content=bundle.fingerprint(graph),
        rewrite=REWRITE,
        graph=graph,
        precision="fp32",
        library=compiler.version,
        device="Host double",
    )
    tokens = tokens_of_one(bundle).get(graph)
    fixed = {} if tokens is None else {"P": tokens}
    return stored(fit, built.plan, buckets=buckets, fixed=fixed, layers=built.layers, seconds=0.0)


def runner_of(
    bundle: Bundle, graph: str, device: HostDevice, buckets: tuple[Shape, ...] | None = None, *, loops: bool = False
) -> TrtRunner:
    """A runner on the double."""
    compiler = HostCompiler(device, loops=loops)
    return TrtRunner(plan_of(bundle, graph, compiler, buckets), bundle.graphs[graph], device, compiler)


def ort_of(bundle: Bundle, graph: str) -> OrtRunner:
    """What outputs are compared with."""
    return OrtRunner(bundle.graph_path(graph), bundle.graphs[graph])


def inputs_of(bundle: Bundle, graph: str, shape: Shape, seed: int = 0) -> dict[str, Array]:
    """Random inputs whose free axes have these sizes."""
    spec = bundle.graphs[graph]
    sizes = {**WORDS, **dict(zip(spec.ranges, shape, strict=True))}
    return random_inputs(spec, sizes, np.random.default_rng(seed))


class Watched:
    """A device whose calls are counted, and of which the one after `good_calls` fails, without poisoning it."""

    def __init__(self, device: HostDevice, good_calls: int | None = None) -> None:
        self._device = device
        self._good_calls = good_calls
        self._bound = threading.local()
        self.calls: Counter[str] = Counter()

    @property
    def name(self) -> str:
        return self._device.name

    @property
    def generation(self) -> int:
        return self._device.generation

    @property
    def turns(self) -> Turns:
        return self._device.turns

    def activate(self) -> None:
        self._count("activate")
        self._bound.here = True

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._device, name)

        def call(*arguments: Any) -> Any:
            if not getattr(self._bound, "here", False):
                raise AssertionError(f"{name} was called by a thread that the device is not bound to")
            self._count(name)
            return method(*arguments)

        return call

    def _count(self, name: str) -> None:
        if self._good_calls is not None and self.calls.total() == self._good_calls:
            self._good_calls = None
            raise DeviceError(f"{name} fails")
        self.calls[name] += 1
