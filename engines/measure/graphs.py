"""A single ONNX graph on the GPU: built for some shapes, and run on inputs that lie there."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence

import onnx

from engines.build import profile
from engines.gpu.buckets import Shape
from engines.gpu.compiler import BuildOptions
from engines.gpu.fit import REWRITE
from engines.gpu.machine import Machine
from engines.gpu.plans import Fit, PlanError, PlanStore, stored
from engines.measure.clock import Taken, timed
from engines.precision import fit_for_tensorrt
from engines.precision.graph import without_unused
from engines.spec import Array, GraphSpec, Precision
from engines.trt import TrtRunner


def runner_of(
    model: onnx.ModelProto,
    spec: GraphSpec,
    shapes: Sequence[Shape],
    machine: Machine,
    store: PlanStore,
    *,
    precision: Precision,
    fixed: Mapping[str, int],
) -> TrtRunner:
    """A runner of a graph that is in its precision already; its plan is built where the store has none.

    Raises `BuildError`.
    """
    machine.device.activate()
    content = fit_for_tensorrt(model).SerializeToString(deterministic=True)
    fit = Fit(
        content=hashlib.sha256(content).hexdigest(),
        rewrite=REWRITE,
        graph=spec.name,
        precision=precision,
        library=machine.compiler.version,
        device=machine.device.name,
    )
    try:
        plan = store.find(fit)
    except PlanError:
        started = time.monotonic()
        machine.compiler.timings = machine.compiler.timings or store.timings(fit)
        profiles = [profile(spec, shape) for shape in shapes]
        built = machine.compiler.build(content, profiles, BuildOptions(), lambda _: None)
        seconds = time.monotonic() - started
        plan = stored(fit, built.plan, buckets=tuple(shapes), fixed=fixed, layers=built.layers, seconds=seconds)
        store.save(plan)
        store.save_timings(fit, machine.compiler.timings)
    return TrtRunner(plan, spec, machine.device, machine.compiler)


def resident(runner: TrtRunner, inputs: Mapping[str, Array]) -> Taken:
    """Milliseconds of a run on inputs that lie on the device."""
    lane = runner.settled(inputs)
    return timed(lane.launch, lane.wait)


def only(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """A copy that gives one output, without what leads to the others."""
    kept = onnx.ModelProto()
    kept.CopyFrom(model)
    for value in [value for value in kept.graph.output if value.name != output]:
        kept.graph.output.remove(value)
    without_unused(kept)
    onnx.checker.check_model(kept)
    return kept
