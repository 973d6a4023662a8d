"""A plan of TensorRT behind the `Runner` protocol.

Each bucket of the plan has an execution context and a CUDA graph for each lane; copies and computing overlap on three
streams. All memory is taken when the runner is entered, none later: where the device has too little, the buckets of
most rows are left out, and said so. A fault of the device fails the batch, and the next one starts from a clean state;
not without end, because what a fault has made unusable stays in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import numpy as np

from engines.bundle import Bundle
from engines.engine_set import EngineOptions, EngineSet
from engines.gpu.buckets import Shape, cover
from engines.gpu.compiler import BuildError
from engines.gpu.device import Device, DeviceError, Loader, OutOfDeviceMemoryError
from engines.gpu.fit import fit_of
from engines.gpu.lanes import Flight, Lane
from engines.gpu.machine import Machine, open_machine
from engines.gpu.plans import PlanError, PlanStore, StoredPlan
from engines.gpu.ways import Ways
from engines.runner import Pending, RunnerError, RunnerLostError
from engines.spec import GRAPHS, Array, GraphSpec

_LOG = logging.getLogger(__name__)

#: Faults of the device that a process survives: of each, what lay in the lost context stays in memory, for every runner
#: (`engines.gpu.ways`). One clip that breaks a kernel costs two a try, its batch's and its own, and has five tries.
MOST_LOST_CONTEXTS = 16


def open_trt(bundle: Bundle, options: EngineOptions, machine: Machine | None = None) -> EngineSet:
    """TensorRT engines from stored plans; what is missing of them is built where the options let it.

    Raises `RunnerError` when this machine cannot run TensorRT, or saying which command builds what is missing.
    """
    machine = machine or open_machine(options.device)
    store = PlanStore(options.plans)
    if options.build:
        _build(bundle, options, machine, store)
    try:
        plans = {name: store.find(fit_of(bundle, name, options.precision, machine)) for name in GRAPHS}
    except PlanError as error:
        command = f"earshot build {bundle.path} --precision {options.precision} --plans {options.plans}"
        raise RunnerError(f"{error}. Build it here: {command}") from error
    except OSError as error:
        raise RunnerError(f"plans in {options.plans} cannot be read: {error}") from error
    return EngineSet(
        **{name: TrtRunner(plan, bundle.graphs[name], machine.device, machine.compiler) for name, plan in plans.items()}
    )


def _build(bundle: Bundle, options: EngineOptions, machine: Machine, store: PlanStore) -> None:
    try:
        from engines.build import Recipe, build
    except ImportError as error:
        raise RunnerError(f"building plans needs {error.name}: pip install 'earshot[tensorrt]'") from error
    try:
        build(bundle, Recipe(precision=options.precision), machine, store)
    except (BuildError, DeviceError, OSError, ValueError) as error:
        raise RunnerError(f"plans of {bundle.name} cannot be built: {error}") from error


class TrtRunner:
    """One plan on one device. One thread at a time; outputs belong to the caller."""

    def __init__(self, plan: StoredPlan, spec: GraphSpec, device: Device, loader: Loader) -> None:
        self._plan, self._spec, self._device, self._loader = plan, spec, device, loader
        self._buckets = plan.header.buckets
        self._ways: Ways | None = None
        self._entered = False

    @property
    def spec(self) -> GraphSpec:
        """Inputs and outputs."""
        return self._spec

    @property
    def engine(self) -> str:
        """Name, version and precision for lineage."""
        return f"{self._loader.version}-{self._plan.header.fit.precision}"

    @property
    def bucket_rows(self) -> tuple[int, ...]:
        """How many rows a run may have, ascending; more run in chunks."""
        return tuple(sorted({shape[0] for shape in self._buckets}))

    @property
    def bucket_shapes(self) -> tuple[Shape, ...]:
        """Sizes of the free axes that runs have, in the order of the spec's ranges."""
        return self._buckets

    @property
    def captured(self) -> bool:
        """Whether every bucket runs as a CUDA graph."""
        return self._ways is not None and all(lane.captured for lane in self._ways.lanes)

    def device_bytes(self) -> int:
        """What this runner has taken of the device besides weights; 0 outside its `with` block."""
        return self._ways.size_bytes if self._ways else 0

    def __enter__(self) -> Self:
        """Load the plan and take all memory. Raises `RunnerError` when the device does not let it."""
        with self._at_work(), self._device.turns.alone():
            self._ways = self._opened()
        self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered = False
        with self._device.turns.shared(), self._device.turns.alone():  # a thread may still be at work when all ends
            self._device.activate()
            self._close()

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name; rows beyond the largest bucket run in chunks.

        Raises `ValueError` when inputs do not fit the spec or the plan or hold no row, `RunnerError` when the run
        fails: the next call starts from a clean state. After too many faults of the device that is `RunnerLostError`,
        from then on.
        """
        return self.start(inputs)()

    def start(self, inputs: Mapping[str, Array]) -> Pending:
        """Put a call on its way; what comes back waits for its outputs. Raises as `__call__`."""
        self._spec.check_inputs(inputs)
        sizes = self._sizes(inputs)
        outputs: dict[str, Array] = {
            tensor.name: np.empty(tensor.shape(sizes), tensor.dtype) for tensor in self._spec.outputs
        }
        with self._at_work():
            ways = self._submit(inputs, outputs, sizes)

        def wait() -> dict[str, Array]:
            with self._at_work():
                self._collect(ways, outputs)
            return outputs

        return wait

    def settled(self, inputs: Mapping[str, Array]) -> Lane:
        """For measuring: a lane of the bucket that these inputs fill or fit, in which they lie on the device to stay.

        Raises `ValueError` when they take more than one run.
        """
        rows, *tokens = (self._sizes(inputs)[axis] for axis in self._spec.ranges)
        shapes = cover(rows, tuple(tokens), self._buckets)
        if len(shapes) > 1:
            raise ValueError(f"{self._spec.name}: came {rows} rows, which take {len(shapes)} runs; expected one")
        with self._at_work():
            lane = self._ready().next_lane(shapes[0])
            lane.collect()
            lane.settle(inputs)
        return lane

    def _submit(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], sizes: Mapping[str, int]) -> Ways:
        rows, *tokens = (sizes[axis] for axis in self._spec.ranges)
        ways = self._ready()
        start = 0
        for shape in cover(rows, tuple(tokens), self._buckets):
            lane = ways.next_lane(shape)
            lane.collect()
            count = min(shape[0], rows - start)
            lane.submit(Flight(outputs, start, count), inputs)
            start += count
        return ways

    def _collect(self, ways: Ways, outputs: Mapping[str, Array]) -> None:
        self._check_entered()
        if ways is not self._ways or ways.generation != self._device.generation:
            raise RunnerError(f"{self._spec.name}: a fault of another call has taken this one with it")
        ways.collect(outputs)

    def _sizes(self, inputs: Mapping[str, Array]) -> dict[str, int]:
        came = {
            axis: size
            for tensor in self._spec.inputs
            for axis, size in zip(tensor.axes, inputs[tensor.name].shape, strict=True)
        }
        sizes = {**self._plan.header.fixed, **{axis: came[axis] for axis in self._spec.ranges}}
        if sizes[self._spec.row_axis] == 0:
            raise ValueError(f"{self._spec.name}: came 0 rows, expected 1 or more")
        return sizes

    def _ready(self) -> Ways:
        """What is open; opened anew where a fault, here or in another runner, has closed it."""
        self._check_entered()
        if self._ways is not None and self._ways.generation != self._device.generation:
            self._close()
        if self._ways is None:
            with self._device.turns.alone():  # others may be using what goes down with its context
                self._device.activate()  # or may have made another one meanwhile
                self._device.recover()
                self._check_recoverable()
                self._ways = self._opened()
        return self._ways

    def _check_recoverable(self) -> None:
        lost = self._device.generation
        if lost > MOST_LOST_CONTEXTS:
            raise RunnerLostError(
                f"{self._spec.name}: faults of {self._device.name} have cost {lost} contexts, of which at most "
                f"{MOST_LOST_CONTEXTS} are made good in a process; start it again, and look at the driver's log"
            )

    def _check_entered(self) -> None:
        if not self._entered:
            raise RunnerError(f"{self._spec.name}: called outside its `with` block")

    def _opened(self) -> Ways:
        while True:
            try:
                compiled = self._loader.load(self._plan.body)
                return Ways(self._device, compiled, self._spec, self._plan.header, self._buckets)
            except OutOfDeviceMemoryError as error:
                most = max(shape[0] for shape in self._buckets)
                kept = tuple(shape for shape in self._buckets if 2 * shape[0] <= most)
                longest = tuple(max(sizes) for sizes in zip(*(shape[1:] for shape in self._buckets), strict=True))
                if longest not in {shape[1:] for shape in kept}:
                    raise  # what is left would refuse calls that the plan was built for
                _LOG.warning(
                    "%s: too little memory on the device for runs of %d rows, so they have %d at most: %s",
                    *(self._spec.name, most, max(shape[0] for shape in kept), error),
                )
                self._buckets = kept

    def _close(self) -> None:
        ways, self._ways = self._ways, None
        if ways is not None:
            ways.close()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """On the device, beside others. Tells its faults as `RunnerError`, and leaves nothing half done behind."""
        with self._device.turns.shared():
            try:
                self._device.activate()
                yield
            except DeviceError as error:
                self._close()
                raise RunnerError(f"{self._spec.name}: {self.engine} failed: {error}") from error
