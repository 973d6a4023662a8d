"""ONNX Runtime behind the `Runner` protocol: on the CPU, or on a GPU through its CUDA provider."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
import onnxruntime

from engines.runner import Pending, RunnerError
from engines.spec import Array, GraphSpec, TensorSpec

#: ONNX Runtime's names of the dtypes in our specs.
DTYPES = {
    "tensor(float)": "float32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
    "tensor(uint8)": "uint8",
}


#: ONNX Runtime's names of what computes. It gives the CPU what CUDA has no kernel for, and all when CUDA fails to load.
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass(frozen=True, kw_only=True)
class OrtOptions:
    """How ONNX Runtime uses the machine.

    The defaults were measured on 2026-11-23 with ONNX Runtime 1.32 and the `world` bundle on 2 vCPU AMD EPYC with
    AVX-512, other work beside it; CPU time, least of seven runs.

    threads: of one operator. Two cost 5 to 15 % more CPU than one on graphs this small and save no time on a busy
        machine: the second core is worth more to decoding. Idle threads never spin.
    arena: keep memory between runs. Over 40 batches of 1 to 63 rows it saved 6 % of the CPU time, at equal memory.
    chunk: rows of one run at most. Cost per row is flat from 8 rows on (fusion of 64 videos in runs of 1, 4, 8, 16,
        32, 64: 26.0, 18.6, 18.2, 17.8, 16.3, 17.5 ms); smaller runs hold less memory: the starter's eye on 64 frames
        peaks at 338 MiB in runs of 8 and at 850 in runs of 32, at equal CPU time (1.87 and 1.80 s, 2026-11-28). Batches
        are not padded to fixed sizes: on the CPU a new shape costs nothing, and padding costs its share of rows.
    integers: the graph has activations in 8 bits (`engines.activations`), to be computed in integers; on the CPU only.
    provider: what computes: "cpu", or "cuda", which needs the package `onnxruntime-gpu` and is never "cpu" in secret.
    device: of CUDA, as the driver counts.
    """

    provider: Literal["cpu", "cuda"] = "cpu"
    device: int = 0
    threads: int = 1
    arena: bool = True
    chunk: int = 8
    integers: bool = False

    def __post_init__(self) -> None:
        for name, least in (("threads", 1), ("chunk", 1), ("device", 0)):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"OrtOptions.{name}: came {value}, expected {least} or more")


class OrtRunner:
    """One graph on the CPU or a GPU. One thread at a time; outputs belong to the caller."""

    def __init__(self, path: Path, spec: GraphSpec, options: OrtOptions | None = None) -> None:
        self._path = path
        self._spec = spec
        self._options = options or OrtOptions()
        self._session: onnxruntime.InferenceSession | None = None

    @property
    def spec(self) -> GraphSpec:
        """Inputs and outputs."""
        return self._spec

    @property
    def engine(self) -> str:
        """Name and version for lineage."""
        return f"onnxruntime-{onnxruntime.__version__}-{self._options.provider}"

    def __enter__(self) -> Self:
        """Load and optimise the graph.

        Raises `RunnerError` when it cannot be loaded or does not fit the spec, or when CUDA is asked for and missing.
        """
        self._session = _open_session(self._path, self._options, optimise=True)
        if fault := spec_fault(self._spec, *_tensors(self._session)):
            raise RunnerError(f"{self._path.name}: {fault}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session = None

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name; more rows than `chunk` run one chunk after another.

        Raises `ValueError` when inputs do not fit the spec or hold no row, `RunnerError` when the run fails.
        """
        if self._session is None:
            raise RunnerError(f"{self._spec.name}: called outside its `with` block")
        self._spec.check_inputs(inputs)
        rows = next(iter(inputs.values())).shape[0]
        if rows == 0:
            raise ValueError(f"{self._spec.name}: came 0 rows, expected 1 or more")
        size = min(self._options.chunk, self._spec.ranges[self._spec.row_axis].maximum)
        chunks = [
            self._run({name: array[start : start + size] for name, array in inputs.items()})
            for start in range(0, rows, size)
        ]
        if len(chunks) == 1:
            return chunks[0]
        return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}

    def start(self, inputs: Mapping[str, Array]) -> Pending:
        """Computes at once. Raises as `__call__`."""
        outputs = self(inputs)
        return lambda: outputs

    def _run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        assert self._session is not None
        names = [output.name for output in self._spec.outputs]
        try:
            outputs = self._session.run(names, dict(inputs))
        except Exception as error:  # pybind raises its own and bare RuntimeError classes alike
            shapes = {name: array.shape for name, array in inputs.items()}
            raise RunnerError(f"{self._spec.name}: {self.engine} failed on {shapes}: {error}") from error
        return dict(zip(names, outputs, strict=True))


def read_tensors(path: Path) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
    """Inputs and outputs that an ONNX file has, by name. Raises `RunnerError` when ONNX Runtime cannot read it."""
    return _tensors(_open_session(path, OrtOptions(), optimise=False))


def spec_fault(spec: GraphSpec, inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec]) -> str | None:
    """What keeps these tensors from being those of the spec; None when nothing does.

    An axis with a range has to be free in the file; another named axis may be fixed there.
    """
    for side, wanted, found in (("inputs", spec.inputs, inputs), ("outputs", spec.outputs, outputs)):
        if {tensor.name for tensor in wanted} != set(found):
            return f"{spec.name} has {side} {sorted(found)}, expected {sorted(tensor.name for tensor in wanted)}"
        for tensor in wanted:
            other = found[tensor.name]
            fits = len(other.axes) == len(tensor.axes) and all(
                have == want if isinstance(want, int) else isinstance(have, str) or want not in spec.ranges
                for want, have in zip(tensor.axes, other.axes, strict=True)
            )
            if other.dtype != tensor.dtype or not fits:
                return f"{spec.name} has {other.name} {other.dtype}{other.axes}, expected {tensor.dtype}{tensor.axes}"
    return None


def _open_session(path: Path, options: OrtOptions, *, optimise: bool) -> onnxruntime.InferenceSession:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.enable_cpu_mem_arena = options.arena
    settings.log_severity_level = 4  # faults reach the caller as exceptions; the log would only repeat them
    # Idle intra-op threads otherwise spin and take the cores from decoding.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Where only weights are stored in 8 bits they become float32 once, here; otherwise every run would do it again, at
    # up to three times the cost.
    settings.add_session_config_entry(
        "session.disable_quant_qdq", str(int(not options.integers or options.provider == "cuda"))
    )
    if not optimise:
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    preloaded = _preload_cuda() if options.provider == "cuda" else ""
    try:
        session = onnxruntime.InferenceSession(str(path), settings, providers=_providers(options), enable_fallback=0)
    except Exception as error:  # as above
        raise RunnerError(f"{path.name}: ONNX Runtime {onnxruntime.__version__} cannot load it: {error}") from error
    if options.provider == "cuda" and CUDA not in (loaded := session.get_providers()):
        raise RunnerError(
            f"{path.name}: came {loaded}, expected {CUDA}; ONNX Runtime {onnxruntime.__version__} could not load it: "
            f"{preloaded or 'are the driver, CUDA and cuDNN of its version there?'}; 'ort' runs on the CPU"
        )
    return session


def _providers(options: OrtOptions) -> list[str | tuple[str, dict[str, str]]]:
    if options.provider == "cpu":
        return [CPU]
    # The default, EXHAUSTIVE, tries every algorithm at the first batch of each size, and our sizes vary.
    return [(CUDA, {"device_id": str(options.device), "cudnn_conv_algo_search": "HEURISTIC"}), CPU]


def _preload_cuda() -> str:
    """Load CUDA and cuDNN from their wheels, where they are; what could not be loaded, as ONNX Runtime prints it."""
    if CUDA not in (there := onnxruntime.get_available_providers()):
        raise RunnerError(
            f"ONNX Runtime {onnxruntime.__version__} has {', '.join(there)}, expected {CUDA} from another package: "
            "pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]'"
        )
    with redirect_stdout(io.StringIO()) as printed:
        onnxruntime.preload_dlls()
    return " ".join(printed.getvalue().split())


def _tensors(session: onnxruntime.InferenceSession) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
    def spec(node: onnxruntime.NodeArg) -> TensorSpec:
        axes = tuple(axis if isinstance(axis, int) else str(axis) for axis in node.shape)
        return TensorSpec(node.name, DTYPES.get(node.type, node.type), axes)

    return (
        {node.name: spec(node) for node in session.get_inputs()},
        {node.name: spec(node) for node in session.get_outputs()},
    )


onnxruntime.disable_telemetry_events()
