"""The four engines of a bundle, opened and closed together; and which kind of engine runs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from engines.bundle import Bundle
from engines.driver import driver_fault
from engines.gpu.counted import Counted, Counts
from engines.ort import OrtOptions, OrtRunner
from engines.runner import Runner, RunnerError
from engines.spec import GRAPHS, Precision

Kind = Literal["auto", "ort", "ort-cuda", "trt"]

#: The wheel of that name, or the one that has the bindings alone, beside libraries that are there anyway.
TENSORRT_PACKAGES = ("tensorrt", "tensorrt_bindings")

#: Threads on a GPU where nobody said how many: while it computes for one, others prepare batches or take them apart. A
#: stand-in for a GPU that took 4 ms a clip was busy 0.73, 0.86, 0.94 and 0.95 of the time with 1, 2, 3 and 4 of them
#: (batches of 8 with the sizes of the starter, two vCPU with other work beside it, 2026-11-27).
GPU_THREADS = 3


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What runs the graphs, and with what.

    kind: "ort" is ONNX Runtime on the CPU, "ort-cuda" the same on a GPU, "trt" TensorRT; "auto" is TensorRT where a
        driver, the package and plans are, else "ort", and `EngineSet.why` says which of them is missing.
    threads: of one operator on the CPU.
    device: of the GPU, as the driver counts; a process uses one, several GPUs are served by one process each.
    precision: of TensorRT's plans. ONNX Runtime computes in what the graphs hold.
    plans: folder of TensorRT's plans; "~" is the user's home.
    build: make a plan that is missing at the start (minutes) instead of refusing to start.
    traffic: file in which the shapes of all calls are counted, to choose the buckets of plans by.
    """

    kind: Kind = "ort"
    threads: int = 1
    device: int = 0
    precision: Precision = "fp16"
    plans: Path = Path("~/.cache/earshot/plans")
    build: bool = False
    traffic: Path | None = None

    def __post_init__(self) -> None:
        for name, least in (("threads", 1), ("device", 0)):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"EngineOptions.{name}: came {value}, expected {least} or more")


class EngineSet:
    """Runners for vision, audio, text and fusion, ready inside the `with` block. One thread each, as every runner.

    why: what spoke for this kind of engine and against the other, for people; empty where it was named.
    on_gpu: whether it computes beside the CPU, so that another thread can prepare what comes next.
    numerics: as of `numerics_of`.
    """

    def __init__(self, *, vision: Runner, audio: Runner, text: Runner, fusion: Runner) -> None:
        self.vision, self.audio, self.text, self.fusion = vision, audio, text, fusion
        self.why = ""
        self.on_gpu = False
        self.numerics = ""
        self._stack = ExitStack()

    @property
    def engine(self) -> str:
        """Name, version and precision of what runs the towers, for lineage."""
        return self.vision.engine

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


def numerics_of(kind: Kind, precision: Precision) -> str:
    """What sets the numbers of engines apart from those of ONNX Runtime on a CPU, which have none: "trt-fp16".

    What is remembered of one is no answer of another. "auto" is taken for the CPU.
    """
    return {"trt": f"trt-{precision}", "ort-cuda": "cuda"}.get(kind, "")


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
    from engines.trt import open_trt

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
    counted.why, counted.on_gpu, counted.numerics = engines.why, engines.on_gpu, engines.numerics
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
