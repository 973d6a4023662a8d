"""Which kind of engine runs a bundle, and its engines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from engines.bundle import Bundle
from engines.driver import driver_fault
from engines.engine_set import EngineOptions, EngineSet, numerics_of
from engines.gpu.counted import Counted, Counts
from engines.ort import OrtOptions, OrtRunner
from engines.runner import RunnerError
from engines.spec import GRAPHS
from engines.trt import open_trt

#: The wheel of that name, or the one that has the bindings alone, beside libraries that are there anyway.
TENSORRT_PACKAGES = ("tensorrt", "tensorrt_bindings")

#: Threads on a GPU where nobody said how many: while it computes for one, others prepare batches or take them apart. A
#: stand-in for a GPU that took 4 ms a clip was busy 0.73, 0.86, 0.94 and 0.95 of the time with 1, 2, 3 and 4 of them
#: (batches of 8 with the sizes of the starter, two vCPU with other work beside it, 2026-11-27).
GPU_THREADS = 3


@contextmanager
def open_sets(bundle: Bundle, options: EngineOptions, threads: int | None = None) -> Iterator[list[EngineSet]]:
    """Loaded engines for so many threads; None: `GPU_THREADS` on a GPU, else one.

    Raises `RunnerError` when they cannot be loaded or `options.traffic` cannot be counted in.
    """
    with ExitStack() as stack:
        counts = stack.enter_context(_counts(options.traffic)) if options.traffic else None

        def loaded() -> EngineSet:
            engines = open_engines(bundle, options)
            return stack.enter_context(_counting(engines, counts) if counts else engines)

        first = loaded()
        threads = threads or (GPU_THREADS if first.on_gpu else 1)
        yield [first, *(loaded() for _ in range(threads - 1))]


def open_engines(bundle: Bundle, options: EngineOptions | None = None) -> EngineSet:
    """Engines for a bundle; enter the result to load them (`RunnerError` when a graph or a plan fails to).

    Raises `RunnerError` when this machine lacks what the kind needs, before anything of TensorRT is made.
    """
    options = options or EngineOptions()
    if options.kind == "trt":
        return _trt(bundle, options)
    if options.kind == "auto":
        try:
            engines = _trt(bundle, options)
        except RunnerError as error:
            engines = _ort(bundle, options)
            engines.why = str(error)
            engines.gpu_unused = driver_fault(options.device) is None
        else:
            engines.why = "a GPU, TensorRT and its plans are there"
        return engines
    return _ort(bundle, options)


def _ort(bundle: Bundle, options: EngineOptions) -> EngineSet:
    cuda = options.kind == "ort-cuda"
    if cuda and (fault := driver_fault(options.device)):
        raise RunnerError(f"ONNX Runtime cannot use CUDA: {fault}; 'ort' runs on the CPU")

    def runner(name: str) -> OrtRunner:
        spec = bundle.graphs[name]
        own = OrtOptions(threads=options.threads, integers=name in bundle.integers)
        if cuda:  # few large runs: what a run costs beside its rows is more on a GPU
            most = spec.ranges[spec.row_axis].maximum
            own = replace(own, provider="cuda", device=options.device, chunk=most)
        return OrtRunner(bundle.graph_path(name), spec, own)

    engines = EngineSet(**{name: runner(name) for name in GRAPHS})
    engines.on_gpu, engines.numerics = cuda, numerics_of(options.kind, options.precision)
    return engines


def _trt(bundle: Bundle, options: EngineOptions) -> EngineSet:
    """TensorRT engines. Raises `RunnerError` saying what is missing: a driver, a device, the package or plans."""
    if fault := driver_fault(options.device) or _package_fault():
        raise RunnerError(f"TensorRT cannot be used: {fault}; 'ort' runs on the CPU")
    engines = open_trt(bundle, replace(options, plans=_expanded(options.plans)))
    engines.on_gpu, engines.numerics = True, numerics_of("trt", options.precision)
    return engines


def _counts(path: Path) -> Counts:
    path = _expanded(path)
    try:
        return Counts(path)
    except (OSError, ValueError) as error:
        raise RunnerError(f"shapes cannot be counted in {path}: {error}; name another file or none") from error


def _counting(engines: EngineSet, counts: Counts) -> EngineSet:
    counted = EngineSet(**{name: Counted(getattr(engines, name), counts) for name in GRAPHS})
    counted.why, counted.gpu_unused = engines.why, engines.gpu_unused
    counted.on_gpu, counted.numerics = engines.on_gpu, engines.numerics
    return counted


def _package_fault() -> str | None:
    if any(find_spec(name) is not None for name in TENSORRT_PACKAGES):
        return None
    return "the package is not installed: pip install 'earshot[tensorrt]'"


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise RunnerError(f"{path}: this user has no home; name another place") from error
