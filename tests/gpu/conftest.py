"""Shared by the tests on a GPU: the machine, and plans of the world bundle that are built there once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from engines.build import BuildReport, Recipe, build
from engines.bundle import Bundle
from engines.engine_set import EngineOptions
from engines.gpu import machine as machines
from engines.gpu.compiler import BuildOptions
from engines.gpu.machine import Machine
from engines.gpu.plans import PlanStore
from engines.spec import Precision
from engines.trt import TrtRunner
from tests.engines.gpu.doubles import BUCKETS

#: Few and small shapes, and no long search for fast kernels: these tests are about what is right.
OPTIONS = BuildOptions(level=1)

Built = Callable[[Precision], list[BuildReport]]
RunnerOf = Callable[[str, Precision], TrtRunner]


def recipe(precision: Precision) -> Recipe:
    """How plans are built here."""
    traffic = {graph: dict.fromkeys(shapes, 1) for graph, shapes in BUCKETS.items()}
    return Recipe(precision=precision, traffic=traffic, options=OPTIONS)


@pytest.fixture(scope="session")
def world_bundle() -> Bundle:
    return Bundle.load("world")


@pytest.fixture(scope="session")
def machine() -> Machine:
    return machines.open_machine()


@pytest.fixture(autouse=True)
def active(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test on a GPU begins and ends with a device that is whole and bound to its thread."""
    if request.node.get_closest_marker("gpu") is None:
        yield
        return
    machine: Machine = request.getfixturevalue("machine")
    machine.device.activate()
    generation = machine.device.generation
    yield
    assert machine.device.generation == generation


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> PlanStore:
    return PlanStore(tmp_path_factory.mktemp("plans"))


@pytest.fixture(scope="session")
def built(world_bundle: Bundle, machine: Machine, store: PlanStore) -> Built:
    """Reports of the plans of a precision, which are built when they are first asked for."""
    return cache(lambda precision: build(world_bundle, recipe(precision), machine, store))


@pytest.fixture(scope="session")
def runner_of(world_bundle: Bundle, machine: Machine, store: PlanStore, built: Built) -> RunnerOf:
    """A runner of a graph in a precision, to be entered."""

    def runner(graph: str, precision: Precision) -> TrtRunner:
        (report,) = (report for report in built(precision) if report.header.fit.graph == graph)
        plan = store.find(report.header.fit)
        return TrtRunner(plan, world_bundle.graphs[graph], machine.device, machine.compiler)

    return runner


@pytest.fixture
def options(store: PlanStore, built: Built) -> Callable[[Precision], EngineOptions]:
    """What opens the engines of a precision."""

    def of(precision: Precision, plans: Path | None = None) -> EngineOptions:
        built(precision)
        return EngineOptions(kind="trt", precision=precision, plans=plans or store.folder)

    return of
