"""Single towers on the GPU: the starter's eye in several precisions, and ViT-B/16 beside torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx

from engines.bundle import Bundle
from engines.gpu.machine import Machine
from engines.gpu.plans import PlanStore
from engines.measure.clock import Taken
from engines.measure.graphs import only, resident, runner_of
from engines.measure.line import Line
from engines.ort import OrtRunner
from engines.precision import at_precision
from engines.spec import Array, GraphSpec, Precision

if TYPE_CHECKING:
    from torch import nn

#: Frames of a run: of the eye, of ViT-B/16.
EYE_FRAMES, VIT_FRAMES = 256, 64
_SEED = 7
EYE_PRECISIONS: tuple[Precision, ...] = ("fp16", "int8")
#: What an H100 gave with TensorRT 10.6: frames a second.
_EYE_GOALS: dict[Precision, float] = {"fp16": 49_000.0, "int8": 79_000.0}


def eye_lines(bundle: Bundle, machine: Machine, store: PlanStore, frames_FCHW: Array) -> Iterator[Line]:
    """Frames a second of what makes tokens of frames, without the priors beside it; int8 measured on these frames."""
    model = only(onnx.load(bundle.graph_path("vision")), "tokens_FPD")
    spec = bundle.graphs["vision"]
    eye = GraphSpec("eye", spec.inputs, spec.outputs[:1], spec.ranges)
    given = {"frames_FCHW": _filled(frames_FCHW, EYE_FRAMES)}
    with OrtRunner(bundle.graph_path("vision"), spec) as exact:
        tokens_FPD = exact({"frames_FCHW": frames_FCHW})["tokens_FPD"]
    for precision in EYE_PRECISIONS:
        graph = at_precision(model, precision, [{"frames_FCHW": frames_FCHW[n : n + 8]} for n in range(0, 64, 8)])
        with runner_of(graph, eye, [(EYE_FRAMES,)], machine, store, precision=precision, fixed={"P": 4}) as runner:
            taken = resident(runner, given)
            cosine = _cosine(runner({"frames_FCHW": frames_FCHW})["tokens_FPD"], tokens_FPD)
        yield Line(
            what=f"eye in {precision}, {EYE_FRAMES} frames",
            value=1000 * EYE_FRAMES / taken.ms,
            unit="frames/s",
            least=_EYE_GOALS.get(precision),
            detail=f"{taken.ms} ms, {taken.low_ms} to {taken.high_ms}; cosine of tokens to float32 {cosine:.4f}",
        )


def vit_lines(
    machine: Machine, store: PlanStore, *, precisions: Sequence[Precision] = ("fp16", "fp8", "int8"), compile_too: bool
) -> Iterator[Line]:
    """ViT-B/16 with random weights on random frames: engines, then torch eager and `torch.compile`."""
    from engines.measure.vit import SPEC, TOKENS, VitB16, as_onnx

    network = VitB16(_SEED)
    model = as_onnx(network)
    rng = np.random.default_rng(_SEED)
    given = {"frames_FCHW": rng.standard_normal((VIT_FRAMES, 3, 224, 224)).astype(np.float32).clip(-1, 1)}
    batches = [{"frames_FCHW": given["frames_FCHW"][n : n + 4]} for n in range(0, 16, 4)]
    ms: dict[str, float] = {}
    tokens_FPD: dict[str, Array] = {}
    for precision in precisions:
        graph = at_precision(model, precision, batches)
        shapes, fixed = [(VIT_FRAMES,)], {"P": TOKENS}
        with runner_of(graph, SPEC, shapes, machine, store, precision=precision, fixed=fixed) as runner:
            taken = resident(runner, given)
            tokens_FPD[precision] = runner(given)["tokens_FPD"]
        ms[precision] = taken.ms
        yield Line(
            what=f"ViT-B/16 in {precision}, {VIT_FRAMES} frames",
            value=1000 * VIT_FRAMES / taken.ms,
            unit="frames/s",
            detail=f"{taken.ms} ms, {taken.low_ms} to {taken.high_ms}; cosine of tokens to fp16 "
            f"{_cosine(tokens_FPD[precision], tokens_FPD['fp16']):.4f}",
        )
        if precision != "fp16":
            yield Line(what=f"ViT-B/16, fp16 / {precision}", value=ms["fp16"] / taken.ms, unit="", least=1.4)
    yield from _vit_in_torch(network, given, ms["fp16"], compile_too=compile_too)


def _vit_in_torch(
    network: nn.Module, given: Mapping[str, Array], engine_ms: float, *, compile_too: bool
) -> Iterator[Line]:
    from engines.measure.eager import compiled, eager
    from engines.measure.vit import SPEC

    ways: dict[str, tuple[float, Callable[[], Taken]]] = {
        "torch eager": (1.7, lambda: eager(network, SPEC, given, half=True))
    }
    if compile_too:
        ways["torch.compile max-autotune"] = (1.25, lambda: compiled(network, SPEC, given))
    for name, (least, measure) in ways.items():
        taken = measure()
        yield Line(
            what=f"ViT-B/16, {name} / engine in fp16",
            value=taken.ms / engine_ms,
            unit="",
            least=least,
            detail=f"torch {taken.ms} ms, {taken.low_ms} to {taken.high_ms}",
        )


def _filled(frames_FCHW: Array, count: int) -> Array:
    return np.resize(frames_FCHW, (count, *frames_FCHW.shape[1:]))


def _cosine(one: Array, other: Array) -> float:
    x, y = np.asarray(one, np.float64).ravel(), np.asarray(other, np.float64).ravel()
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))
