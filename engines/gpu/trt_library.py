"""TensorRT's Python API, 10.6 to 11.x: the one place that knows how its versions differ.

Only what those versions have in common is used: strongly typed networks, explicit profiles, addresses by name,
`execute_async_v3`. Without a driver `trt.Builder` aborts the process: whoever makes a `TensorRt` opens a device first.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engines.gpu.compiler import BuildError, BuildOptions, Built, Profile
from engines.gpu.device import Context, DeviceError

try:
    import tensorrt as trt
except ImportError:  # the bindings alone, beside libraries that the machine brings along
    import tensorrt_bindings as trt


class _Log(trt.ILogger):  # type: ignore[misc]  # has no types
    """Keeps the last words of warnings and errors, for exceptions; prints nothing."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.words: list[str] = []

    def log(self, severity: Any, words: str) -> None:
        """Called by TensorRT, from any thread."""
        if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
            self.words = [*self.words[-4:], words.strip()]

    def take(self) -> str:
        """What was said since the last time."""
        words, self.words = self.words, []
        return "; ".join(words) or "TensorRT gave no reason"


class _Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # has no types
    """Hands the share that is done of the outermost phase on."""

    def __init__(self, on_share: Callable[[float], None]) -> None:
        trt.IProgressMonitor.__init__(self)
        self._on_share = on_share
        self._outermost: str | None = None
        self._steps = 1

    def phase_start(self, name: str, parent: str | None, steps: int) -> None:
        """Called by TensorRT when a phase begins."""
        if parent is None:
            self._outermost, self._steps = name, max(1, steps)

    def step_complete(self, name: str, step: int) -> bool:
        """Called by TensorRT after each step; True lets it go on."""
        if name == self._outermost:
            self._on_share(min(1.0, (step + 1) / self._steps))
        return True

    def phase_finish(self, name: str) -> None:
        """Called by TensorRT when a phase ends."""
        if name == self._outermost:
            self._on_share(1.0)


class TensorRt:
    """Builds and loads plans on the device that is active."""

    def __init__(self) -> None:
        self._log = _Log()
        self._runtime: Any = None
        self.timings = b""

    @property
    def version(self) -> str:
        """For the names of plans and for lineage."""
        return f"tensorrt-{trt.__version__}"

    def load(self, plan: bytes) -> _TrtCompiled:
        """A plan, ready to run. Raises `DeviceError` in TensorRT's words."""
        self._runtime = self._runtime or trt.Runtime(self._log)
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise DeviceError(f"{self.version} does not load a plan of {len(plan)} bytes: {self._log.take()}")
        return _TrtCompiled(engine, self._log)

    def build(
        self, model: bytes, profiles: Sequence[Profile], options: BuildOptions, on_share: Callable[[float], None]
    ) -> Built:
        """The plan of an ONNX file. Raises `BuildError` in TensorRT's words."""
        builder = trt.Builder(self._log)
        network = builder.create_network(_network_flags())
        parser = trt.OnnxParser(network, self._log)
        if not parser.parse(model):
            faults = "; ".join(str(parser.get_error(n).desc()) for n in range(parser.num_errors))
            raise BuildError(f"{self.version} cannot read the graph: {faults}")
        config = builder.create_builder_config()
        config.builder_optimization_level = options.level
        config.clear_flag(trt.BuilderFlag.TF32)  # on by default: float32 with 10 bits; the graph says where that may be
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_bytes)
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
        config.progress_monitor = _Monitor(on_share)
        timings = config.create_timing_cache(self.timings) or config.create_timing_cache(b"")  # none where it is broken
        config.set_timing_cache(timings, False)
        _add_profiles(builder, config, profiles)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise BuildError(f"{self.version} cannot build: {self._log.take()}")
        self.timings = bytes(timings.serialize())
        return Built(bytes(plan), self._layers(bytes(plan)))

    def _layers(self, plan: bytes) -> Mapping[str, int]:
        """How many layers the plan has by the type of what they put out, as TensorRT's inspector tells it."""
        engine = self.load(plan).engine
        told = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
        return dict(Counter(_precision(layer) for layer in json.loads(told).get("Layers", [])))


class _TrtCompiled:
    def __init__(self, engine: Any, log: _Log) -> None:
        self.engine = engine
        self._log = log

    def memory_bytes(self, profile: int) -> int:
        return int(self.engine.get_device_memory_size_for_profile_v2(profile))

    def context(self, profile: int, shapes: Mapping[str, tuple[int, ...]], memory: int, stream: int) -> Context:
        context = self.engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        good = context is not None and context.set_optimization_profile_async(profile, stream)
        for name, shape in shapes.items():
            good = good and context.set_input_shape(name, shape)
        if not good:
            raise DeviceError(f"no context for profile {profile} and {dict(shapes)}: {self._log.take()}")
        if size := self.memory_bytes(profile):
            context.set_device_memory(memory, size)
        return _TrtContext(context, self._log)


class _TrtContext:
    def __init__(self, context: Any, log: _Log) -> None:
        self._context = context
        self._log = log

    def bind(self, name: str, address: int) -> None:
        if not self._context.set_tensor_address(name, address):
            raise DeviceError(f"{name} cannot lie at {address:#x}: {self._log.take()}")

    def enqueue(self, stream: int) -> None:
        if not self._context.execute_async_v3(stream):
            raise DeviceError(f"a run was refused: {self._log.take()}")


def _network_flags() -> int:
    """Strongly typed: a flag in 10.x, the only way in 11.x."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _add_profiles(builder: Any, config: Any, profiles: Sequence[Profile]) -> None:
    for shapes in profiles:
        profile = builder.create_optimization_profile()
        for name, shape in shapes.items():
            profile.set_shape(name, shape, shape, shape)
        if config.add_optimization_profile(profile) < 0:
            raise BuildError(f"profile {dict(shapes)} was refused")


def _precision(layer: Any) -> str:
    """The type of a layer's first output: "Half"; of a layer that the inspector only names: "unknown"."""
    outputs = layer.get("Outputs", []) if isinstance(layer, dict) else []
    words = str(outputs[0].get("Format/Datatype", "unknown")).split() if outputs else ["unknown"]
    known = [word.rstrip(",") for word in words if word.rstrip(",") in _TYPES]
    return _TYPES[known[-1]] if known else "other"


_TYPES = {"FP32": "fp32", "Float": "fp32", "FP16": "fp16", "Half": "fp16", "BF16": "bf16", "BFloat16": "bf16"} | {
    "Int8": "int8",
    "INT8": "int8",
    "FP8": "fp8",
    "Int32": "int32",
    "Int64": "int64",
    "Bool": "bool",
}
