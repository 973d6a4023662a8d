"""Bundle -> plans: each graph in its precision, for the buckets that traffic asks for, built where it will run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import get_args

import msgspec
import onnx

from engines.bundle import Bundle
from engines.gpu.buckets import Shape, choose
from engines.gpu.compiler import BuildOptions, Profile
from engines.gpu.fit import fit_of
from engines.gpu.machine import Machine
from engines.gpu.plans import Fit, PlanHeader, PlanStore, StoredPlan, stored
from engines.gpu.traffic import Traffic, longest, tokens_of_one, typical
from engines.precision import at_precision, fit_for_tensorrt
from engines.spec import GRAPHS, Array, GraphSpec, Precision

#: Inputs of real clips by graph, which int8 and fp8 are calibrated on.
Calibrating = Mapping[str, Sequence[Mapping[str, Array]]]

#: The most that is told of a graph whose plan is not in its place.
_ALMOST = 0.99


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to build: `most_buckets` shapes for each graph, chosen from `traffic` (none: typical batches)."""

    precision: Precision = "fp16"
    most_buckets: int = 4
    traffic: Traffic | None = None
    options: BuildOptions = field(default_factory=BuildOptions)

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise ValueError(f"precision: came {self.precision!r}, expected one of {list(get_args(Precision))}")


class BuildReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one graph. `built` is False where a plan that fits was there already."""

    header: PlanHeader
    built: bool


def build(
    bundle: Bundle,
    recipe: Recipe,
    machine: Machine,
    store: PlanStore,
    *,
    calibrating: Calibrating | None = None,
    graphs: Sequence[str] = GRAPHS,
    again: bool = False,
    on_share: Callable[[str, float], None] = lambda _graph, _share: None,
) -> list[BuildReport]:
    """Build what is missing of the graphs, or all of them `again`.

    `on_share` is told of each graph how far it has come, in [0, 1]: 1.0 once, when its plan lies in its place.

    Raises `BuildError` when TensorRT refuses a graph, `ValueError` when int8 or fp8 get no clips to be calibrated on.
    """
    machine.device.activate()
    reports = []
    for name in graphs:
        fit = fit_of(bundle, name, recipe.precision, machine)
        there = None if again else store.seek(fit)
        if there is None:
            batches = (calibrating or {}).get(name, ())
            plan = _build_one(bundle, fit, recipe, machine, store, batches, partial(_told, on_share, name))
            store.save(plan)
        on_share(name, 1.0)
        reports.append(BuildReport(header=there or plan.header, built=there is None))
    return reports


def profile(spec: GraphSpec, shape: Shape) -> Profile:
    """The shapes of all inputs in a bucket."""
    sizes = dict(zip(spec.ranges, shape, strict=True))
    return {tensor.name: tensor.shape(sizes) for tensor in spec.inputs}


def _told(on_share: Callable[[str, float], None], graph: str, share: float) -> None:
    """Hand a compiler's share on; its phases may each end with 1.0, and the plan is not stored yet."""
    on_share(graph, min(share, _ALMOST))


def _build_one(
    bundle: Bundle,
    fit: Fit,
    recipe: Recipe,
    machine: Machine,
    store: PlanStore,
    batches: Sequence[Mapping[str, Array]],
    on_share: Callable[[float], None],
) -> StoredPlan:
    traffic = (recipe.traffic or {}).get(fit.graph) or typical(bundle)[fit.graph]
    buckets = choose(traffic, recipe.most_buckets, longest(bundle)[fit.graph])
    started = time.monotonic()
    model = fit_for_tensorrt(at_precision(onnx.load(bundle.graph_path(fit.graph)), fit.precision, batches))
    profiles = [profile(bundle.graphs[fit.graph], shape) for shape in buckets]
    machine.compiler.timings = machine.compiler.timings or store.timings(fit)
    built = machine.compiler.build(model.SerializeToString(), profiles, recipe.options, on_share)
    store.save_timings(fit, machine.compiler.timings)
    tokens = tokens_of_one(bundle).get(fit.graph)
    return stored(
        fit,
        built.plan,
        buckets=buckets,
        fixed={} if tokens is None else {"P": tokens},
        layers=built.layers,
        seconds=time.monotonic() - started,
    )
