"""From a bundle to engines by stored plans: what is missing is built, once, and what does not fit is not taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest

import engines.build
from engines.build import Recipe, build
from engines.bundle import Bundle
from engines.engine_set import EngineOptions, EngineSet
from engines.gpu.buckets import choose
from engines.gpu.compiler import BuildError, BuildOptions, Built, Profile
from engines.gpu.fit import fit_of
from engines.gpu.machine import Machine
from engines.gpu.plans import PlanStore, read_plan
from engines.gpu.traffic import Traffic, longest, tokens_of_one
from engines.ort import OrtRunner
from engines.parity import compare
from engines.precision import at_precision
from engines.runner import RunnerError
from engines.spec import GRAPHS, Precision
from engines.testing import HostCompiler, HostDevice
from engines.trt import open_trt
from tests.engines.gpu.doubles import BUCKETS, TOLERANCE, inputs_of, ort_of


class Counting(HostCompiler):
    """Notes what it is asked to build."""

    def __init__(self, device: HostDevice, version: str = "double-1.0") -> None:
        super().__init__(device, version)
        self.asked: list[tuple[tuple[Profile, ...], BuildOptions]] = []
        self.known: list[bytes] = []

    def build(
        self, model: bytes, profiles: Sequence[Profile], options: BuildOptions, on_share: Callable[[float], None]
    ) -> Built:
        self.asked.append((tuple(profiles), options))
        self.known.append(self.timings)
        for share in (0.5, 1.0, 0.25, 1.0):  # phases one after another, as TensorRT's
            on_share(share)
        return super().build(model, profiles, options, lambda share: None)


@pytest.fixture
def compiler(device: HostDevice) -> Counting:
    return Counting(device)


@pytest.fixture
def machine(device: HostDevice, compiler: Counting) -> Machine:
    return Machine(device, compiler)


@pytest.fixture
def store(tmp_path: Path) -> PlanStore:
    return PlanStore(tmp_path / "plans")


#: Few and small shapes, so that building and warming take little.
TRAFFIC: Traffic = {graph: dict.fromkeys(shapes, 1) for graph, shapes in BUCKETS.items()}
EXACT = Recipe(precision="fp32", traffic=TRAFFIC)


def test_what_is_missing_is_built(world_bundle: Bundle, machine: Machine, compiler: Counting, store: PlanStore) -> None:
    reports = build(world_bundle, EXACT, machine, store)
    assert [report.header.fit.graph for report in reports] == list(GRAPHS)
    assert [report.built for report in reports] == [True] * 4
    assert len(compiler.asked) == 4
    again = build(world_bundle, EXACT, machine, store)
    assert [report.built for report in again] == [False] * 4
    assert [report.header for report in again] == [report.header for report in reports]
    assert len(compiler.asked) == 4


def test_one_that_is_gone_is_built_alone(
    world_bundle: Bundle, machine: Machine, compiler: Counting, store: PlanStore
) -> None:
    build(world_bundle, EXACT, machine, store)
    (path,) = store.folder.rglob("text-*.plan")
    path.write_bytes(path.read_bytes()[:-1])
    compiler.asked.clear()
    reports = build(world_bundle, EXACT, machine, store)
    assert [report.built for report in reports] == [False, False, True, False]
    assert len(compiler.asked) == 1
    assert read_plan(path).header == reports[2].header  # the broken one was replaced


def test_all_is_built_again_where_asked(
    world_bundle: Bundle, machine: Machine, compiler: Counting, store: PlanStore
) -> None:
    for _ in range(2):
        reports = build(world_bundle, EXACT, machine, store, again=True, graphs=("text", "fusion"))
        assert [(report.header.fit.graph, report.built) for report in reports] == [("text", True), ("fusion", True)]
    assert len(compiler.asked) == 4
    assert len([*store.folder.rglob("*.plan")]) == 2


def test_a_report_says_what_was_built(
    world_bundle: Bundle, machine: Machine, compiler: Counting, store: PlanStore
) -> None:
    recipe = Recipe(precision="fp32", most_buckets=2, traffic=TRAFFIC, options=BuildOptions(level=5))
    for report, (profiles, options) in zip(build(world_bundle, recipe, machine, store), compiler.asked, strict=True):
        header, graph = report.header, report.header.fit.graph
        spec = world_bundle.graphs[graph]
        assert header.fit == fit_of(world_bundle, graph, "fp32", machine)
        assert header.buckets == choose(TRAFFIC[graph], 2, longest(world_bundle)[graph])
        tokens = tokens_of_one(world_bundle).get(graph)
        assert header.fixed == ({} if tokens is None else {"P": tokens})
        assert (header.layers, options.level) == ({"level 5": 1}, 5)
        assert header.seconds > 0
        assert header.size_bytes == len(store.find(header.fit).body)
        for shape, profile in zip(header.buckets, profiles, strict=True):
            sizes = dict(zip(spec.ranges, shape, strict=True))
            assert profile == {tensor.name: tensor.shape(sizes) for tensor in spec.inputs}


def test_each_graph_is_told_to_be_done_once_and_last(world_bundle: Bundle, machine: Machine, store: PlanStore) -> None:
    """A compiler's phases may each end with 1.0, and a plan is not there before it is stored."""
    told: list[tuple[str, float]] = []

    def on_share(graph: str, share: float) -> None:
        told.append((graph, share))
        if share == 1.0:
            assert store.seek(fit_of(world_bundle, graph, "fp32", machine)) is not None

    build(world_bundle, EXACT, machine, store, on_share=on_share)
    assert list(dict.fromkeys(graph for graph, _ in told)) == list(GRAPHS)
    for graph in GRAPHS:
        shares = [share for name, share in told if name == graph]
        assert all(0 <= share < 1 for share in shares[:-1])
        assert (shares[-1], shares.count(1.0)) == (1.0, 1)
        assert 0.5 in shares
    told.clear()
    build(world_bundle, EXACT, machine, store, on_share=on_share)
    assert told == [(graph, 1.0) for graph in GRAPHS]


def test_what_a_compiler_has_learnt_is_kept(
    world_bundle: Bundle, device: HostDevice, machine: Machine, compiler: Counting, store: PlanStore
) -> None:
    build(world_bundle, EXACT, machine, store)
    assert compiler.known == [b"", b".", b"..", b"..."]
    for version, known in (("double-1.0", b"...."), ("double-2.0", b"")):
        later = Counting(device, version)
        build(world_bundle, EXACT, Machine(device, later), store, graphs=("text",), again=True)
        assert later.known == [known], version
    build(world_bundle, EXACT, machine, PlanStore(store.folder / "other"), graphs=("text",))
    assert compiler.known[-1] == b"...."  # what it knows itself need not be there


def test_a_plan_of_another_precision_is_not_taken(
    world_bundle: Bundle, machine: Machine, compiler: Counting, store: PlanStore
) -> None:
    build(world_bundle, EXACT, machine, store, graphs=("text",))
    half = Recipe(precision="fp16", traffic=TRAFFIC)
    (report,) = build(world_bundle, half, machine, store, graphs=("text",))
    assert (report.built, report.header.fit.precision) == (True, "fp16")
    assert len([*store.folder.rglob("text-*.plan")]) == 2
    for recipe in (EXACT, half):
        (found,) = build(world_bundle, recipe, machine, store, graphs=("text",))
        assert (found.built, found.header.fit.precision) == (False, recipe.precision)


@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_8_bits_without_clips_are_refused(
    world_bundle: Bundle, machine: Machine, compiler: Counting, store: PlanStore, precision: Precision
) -> None:
    with pytest.raises(ValueError, match=f"{precision}: came no batches, expected inputs of real clips"):
        build(world_bundle, Recipe(precision=precision, traffic=TRAFFIC), machine, store)
    assert compiler.asked == []


@pytest.mark.parametrize("graph", ["vision", "audio"])
def test_8_bits_are_measured_on_clips(world_bundle: Bundle, machine: Machine, store: PlanStore, graph: str) -> None:
    """What clips bring to the graph decides its plan."""
    plans = []
    for seed in (1, 2):
        clips = {graph: [inputs_of(world_bundle, graph, (8,), seed)]}
        recipe = Recipe(precision="int8", traffic=TRAFFIC)
        (report,) = build(world_bundle, recipe, machine, store, calibrating=clips, graphs=(graph,), again=True)
        assert report.header.fit.precision == "int8"
        plans.append(store.find(report.header.fit).body)
    assert plans[0] != plans[1]


@pytest.mark.parametrize(
    ("asked", "built"),
    [
        ("fp32", ["fp32", "fp32", "fp32", "fp32"]),
        ("fp16", ["fp16", "fp16", "fp16", "fp32"]),
        ("bf16", ["bf16", "bf16", "bf16", "fp32"]),
        ("int8", ["int8", "int8", "fp16", "fp32"]),
        ("fp8", ["fp8", "fp8", "fp16", "fp32"]),
    ],
)
def test_8_bits_are_for_what_looks_and_listens_and_fusion_is_exact(
    world_bundle: Bundle, machine: Machine, asked: Precision, built: list[Precision]
) -> None:
    assert [fit_of(world_bundle, graph, asked, machine).precision for graph in GRAPHS] == built


def test_a_graph_that_cannot_be_read_is_a_build_error(
    world_bundle: Bundle, machine: Machine, store: PlanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strange(model: onnx.ModelProto) -> onnx.ModelProto:
        strange = onnx.ModelProto()
        strange.CopyFrom(model)
        strange.graph.node[0].op_type = "NobodyKnows"
        return strange

    monkeypatch.setattr(engines.build, "fit_for_tensorrt", strange)
    with pytest.raises(BuildError, match=r"double-1\.0 cannot read the graph: .*NobodyKnows"):
        build(world_bundle, EXACT, machine, store, graphs=("text",))
    assert [*store.folder.rglob("*.plan")] == []


def test_a_precision_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="precision: came 'fp4', expected one of"):
        Recipe(precision="fp4")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("level", 6, "0 to 5"), ("level", -1, "0 to 5"), ("workspace_bytes", 1000, "a mebibyte or more")],
)
def test_options_are_checked(name: str, value: int, expected: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: came {value}, expected {expected}"):
        BuildOptions(**{name: value})


@pytest.fixture
def options(store: PlanStore) -> EngineOptions:
    return EngineOptions(kind="trt", plans=store.folder, precision="fp32")


def test_missing_plans_are_refused_with_the_command_to_run(
    world_bundle: Bundle, machine: Machine, options: EngineOptions
) -> None:
    command = rf"earshot build {world_bundle.path} --precision fp32 --plans {options.plans}"
    with pytest.raises(
        RunnerError, match=rf"no plan of vision in fp32 .*: nothing is there\. Build it here: {command}"
    ):
        open_trt(world_bundle, options, machine)


def test_foreign_plans_are_refused_with_both_sides(
    world_bundle: Bundle, device: HostDevice, machine: Machine, store: PlanStore, options: EngineOptions
) -> None:
    build(world_bundle, EXACT, machine, store)
    elsewhere = HostDevice(name="Other double sm_01")
    for other, fault in (
        (Machine(device, HostCompiler(device, "double-2.0")), r"library double-1.0 \(expected double-2.0\)"),
        (Machine(elsewhere, HostCompiler(elsewhere)), r"device Host double sm_00 \(expected Other double sm_01\)"),
    ):
        with pytest.raises(RunnerError, match=f"{fault}.* Build it here: earshot build"):
            open_trt(world_bundle, options, other)


@pytest.fixture
def built(world_bundle: Bundle, machine: Machine, store: PlanStore, options: EngineOptions) -> Callable[[], EngineSet]:
    """Engines of stored plans."""
    build(world_bundle, EXACT, machine, store)
    return lambda: open_trt(world_bundle, options, machine)


def test_engines_of_stored_plans_are_those_of_the_bundle(
    world_bundle: Bundle, device: HostDevice, built: Callable[[], EngineSet]
) -> None:
    with built() as engines:
        assert engines.engine == "double-1.0-fp32"
        for graph in GRAPHS:
            batches = [inputs_of(world_bundle, graph, shape) for shape in BUCKETS[graph]]
            with ort_of(world_bundle, graph) as ort:
                assert compare(getattr(engines, graph), ort, batches).worst <= TOLERANCE
    assert device.held == 0


def test_engines_that_may_build_do(
    world_bundle: Bundle, machine: Machine, compiler: Counting, options: EngineOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.build, "typical", lambda bundle: TRAFFIC)
    allowed = EngineOptions(kind="trt", plans=options.plans, precision="fp32", build=True)
    for _ in range(2):
        engine_set = open_trt(world_bundle, allowed, machine)
        assert engine_set.engine == "double-1.0-fp32"
    assert len(compiler.asked) == 4


@pytest.mark.parametrize("fault", [BuildError("no kernel"), ValueError("no clips")])
def test_engines_that_cannot_be_built_say_why(
    world_bundle: Bundle, machine: Machine, options: EngineOptions, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def failing(*arguments: object) -> None:
        raise fault

    monkeypatch.setattr(engines.build, "build", failing)
    allowed = EngineOptions(kind="trt", plans=options.plans, precision="fp32", build=True)
    with pytest.raises(RunnerError, match=f"plans of world cannot be built: {fault}"):
        open_trt(world_bundle, allowed, machine)


def test_runs_of_what_lies_on_the_device(world_bundle: Bundle, built: Callable[[], EngineSet]) -> None:
    """For measuring: a lane keeps its inputs, and the calls that come after it are not touched."""
    batch = inputs_of(world_bundle, "vision", (3,))
    with built() as engines, ort_of(world_bundle, "vision") as ort:
        lane = engines.vision.settled(batch)
        for _ in range(3):
            lane.launch()
        lane.wait()
        assert lane.flight is None
        assert compare(engines.vision, ort, [inputs_of(world_bundle, "vision", (9,), 1)] * 2).worst <= TOLERANCE
        with pytest.raises(ValueError, match="vision: came 9 rows, which take 2 runs; expected one"):
            engines.vision.settled(inputs_of(world_bundle, "vision", (9,)))


def test_the_starter_in_float32(device: HostDevice, store: PlanStore, tmp_path: Path) -> None:
    """Graphs of real towers, which mark what they see and hear: more outputs, of integers, too."""
    bundle, machine = Bundle.load("starter"), Machine(device, HostCompiler(device))
    build(bundle, EXACT, machine, store)
    with open_trt(bundle, EngineOptions(kind="trt", plans=store.folder, precision="fp32"), machine) as engines:
        for graph in GRAPHS:
            exact = tmp_path / f"{graph}.onnx"
            onnx.save(at_precision(onnx.load(bundle.graph_path(graph)), "fp32"), exact)
            *_, largest = BUCKETS[graph]
            batch = inputs_of(bundle, graph, tuple(size - 1 for size in largest))
            with OrtRunner(exact, bundle.graphs[graph]) as ort:
                assert compare(getattr(engines, graph), ort, [batch]).worst <= TOLERANCE, graph
    assert device.held == 0
