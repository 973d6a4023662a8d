"""A single ONNX graph on the GPU: built for one shape, entered, and run on inputs that lie there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import onnx

from engines.build import profile
from engines.gpu.buckets import Shape
from engines.gpu.compiler import BuildOptions
from engines.gpu.machine import Machine
from engines.gpu.plans import Fit, stored
from engines.measure.clock import Taken, timed
from engines.precision import fit_for_tensorrt
from engines.spec import Array, GraphSpec, Precision
from engines.trt import TrtRunner


def built_runner(
    model: onnx.ModelProto,
    spec: GraphSpec,
    shapes: Sequence[Shape],
    machine: Machine,
    *,
    precision: Precision,
    fixed: Mapping[str, int],
    level: int = 3,
) -> TrtRunner:
    """A runner of a graph that is in its precision already; kept in no store. Raises `BuildError`."""
    machine.device.activate()
    started = time.monotonic()
    content = fit_for_tensorrt(model).SerializeToString()
    profiles = [profile(spec, shape) for shape in shapes]
    built = machine.compiler.build(content, profiles, BuildOptions(level=level), lambda _: None)
    fit = Fit(
        content="0" * 64,
        graph=spec.name,
        precision=precision,
        library=machine.compiler.version,
        device=machine.device.name,
    )
    seconds = time.monotonic() - started
    plan = stored(fit, built.plan, buckets=tuple(shapes), fixed=fixed, layers=built.layers, seconds=seconds)
    return TrtRunner(plan, spec, machine.device, machine.compiler)


def resident(runner: TrtRunner, inputs: Mapping[str, Array]) -> Taken:
    """Milliseconds of a run on inputs that lie on the device."""
    lane = runner.settled(inputs)
    return timed(lane.launch, lane.wait)


def only(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """A copy that gives one output, without what leads to the others."""
    kept = onnx.ModelProto()
    kept.CopyFrom(model)
    graph = kept.graph
    needed, nodes = {output}, []
    for node in reversed(graph.node):
        if needed & {*node.output}:
            needed |= {*node.input}
            nodes.append(node)
    others = [value for value in graph.output if value.name != output]
    for value in others:
        graph.output.remove(value)
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(nodes))
    graph.initializer.extend(constants)
    onnx.checker.check_model(kept)
    return kept
