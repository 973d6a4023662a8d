"""The four engines of a bundle, opened and closed together; and how they are chosen."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from engines.runner import Runner
from engines.spec import GRAPHS, Precision

Kind = Literal["auto", "ort", "ort-cuda", "trt"]


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
    gpu_unused: whether "auto" took the CPU on a machine whose driver has that GPU: plans or the package are missing.
    on_gpu: whether it computes beside the CPU, so that another thread can prepare what comes next.
    numerics: as of `numerics_of`.
    """

    def __init__(self, *, vision: Runner, audio: Runner, text: Runner, fusion: Runner) -> None:
        self.vision, self.audio, self.text, self.fusion = vision, audio, text, fusion
        self.why = ""
        self.gpu_unused = False
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


def numerics_of(kind: Kind, precision: Precision) -> str:
    """What sets the numbers of engines apart from those of ONNX Runtime on a CPU, which have none: "trt-fp16".

    What is remembered of one is no answer of another. "auto" is taken for the CPU.
    """
    return {"trt": f"trt-{precision}", "ort-cuda": "cuda"}.get(kind, "")
