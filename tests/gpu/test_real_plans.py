"""Plans that TensorRT builds on a GPU: what is told of them, and what is refused of those that are not whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engines.build import build
from engines.bundle import Bundle
from engines.engine_set import EngineOptions
from engines.gpu.buckets import choose
from engines.gpu.fit import precision_of
from engines.gpu.machine import Machine
from engines.gpu.plans import PlanStore, StoredPlan, read_plan
from engines.gpu.traffic import longest
from engines.opening import open_engines
from engines.runner import RunnerError
from engines.spec import GRAPHS, Precision
from engines.trt import TrtRunner, open_trt
from tests.engines.gpu.doubles import BUCKETS, inputs_of
from tests.gpu.conftest import Built, recipe

pytestmark = pytest.mark.gpu

Options = Callable[..., EngineOptions]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_report_says_what_was_built(
    world_bundle: Bundle, machine: Machine, built: Built, precision: Precision
) -> None:
    for report, graph in zip(built(precision), GRAPHS, strict=True):
        header = report.header
        own = precision_of(graph, precision)
        assert (header.fit.graph, header.fit.precision) == (graph, own)
        assert (header.fit.library, header.fit.device) == (machine.compiler.version, machine.device.name)
        assert header.buckets == choose(dict.fromkeys(BUCKETS[graph], 1), 4, longest(world_bundle)[graph])
        assert header.seconds > 0
        assert sum(header.layers.values()) > 0
        assert ("fp16" in header.layers) == (own == "fp16"), f"{graph}: {header.layers}"


def test_what_is_there_is_not_built_again(
    world_bundle: Bundle, machine: Machine, store: PlanStore, built: Built
) -> None:
    built("fp32")
    reports = build(world_bundle, recipe("fp32"), machine, store)
    assert [report.built for report in reports] == [False] * len(GRAPHS)


def test_progress_reaches_the_end_once(world_bundle: Bundle, machine: Machine, tmp_path: Path) -> None:
    told: list[float] = []
    store = PlanStore(tmp_path)
    build(world_bundle, recipe("fp32"), machine, store, graphs=("text",), on_share=lambda _, share: told.append(share))
    assert len(told) > 1
    assert all(0 <= share <= 1 for share in told)
    assert (told[-1], told.count(1.0)) == (1.0, 1)


def test_what_was_learnt_may_be_broken(
    world_bundle: Bundle, machine: Machine, tmp_path: Path, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timing cache that TensorRT does not take is no reason not to build."""
    monkeypatch.setattr(machine.compiler, "timings", b"no timing cache" * 100)
    (report,) = build(world_bundle, recipe("fp32"), machine, PlanStore(tmp_path), graphs=("vision",))
    assert report.built
    assert machine.compiler.timings != b"no timing cache" * 100


def test_auto_finds_the_plans(world_bundle: Bundle, options: Options) -> None:
    found = options("fp16")
    auto = EngineOptions(kind="auto", precision=found.precision, plans=found.plans)
    with open_engines(world_bundle, auto) as engines:
        assert engines.why == "a GPU, TensorRT and its plans are there"
        assert engines.engine.startswith("tensorrt-") and engines.vision.engine.endswith("-fp16")
        assert engines.vision(inputs_of(world_bundle, "vision", (1,)))["tokens_FPD"].shape[0] == 1


@pytest.fixture
def copied(store: PlanStore, options: Options, tmp_path: Path) -> EngineOptions:
    """A copy of the plans, to be broken."""
    options("fp32")
    return options("fp32", Path(shutil.copytree(store.folder, tmp_path / "plans")))


def test_a_truncated_file_is_refused(world_bundle: Bundle, machine: Machine, copied: EngineOptions) -> None:
    for path in copied.plans.rglob("vision-fp32-*.plan"):
        path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(RunnerError, match=r"came \d+ bytes, its header says \d+: build it again"):
        open_trt(world_bundle, copied, machine)


def test_a_plan_of_another_version_is_refused(world_bundle: Bundle, machine: Machine, copied: EngineOptions) -> None:
    store = PlanStore(copied.plans)
    for path in copied.plans.rglob("vision-fp32-*.plan"):
        plan = read_plan(path)
        path.unlink()
        fit = msgspec.structs.replace(plan.header.fit, library="tensorrt-9.0.0")
        store.save(StoredPlan(msgspec.structs.replace(plan.header, fit=fit), plan.body))
    expected = rf"library tensorrt-9\.0\.0 \(expected {machine.compiler.version}\).*earshot build"
    with pytest.raises(RunnerError, match=expected):
        open_trt(world_bundle, copied, machine)


def truncated(body: bytes) -> bytes:
    return body[: len(body) // 2]


def of_another_version(body: bytes) -> bytes:
    """TensorRT's own header says which version has written it."""
    return body[:4] + bytes(byte ^ 0xFF for byte in body[4:24]) + body[24:]


def garbage(body: bytes) -> bytes:
    return b"no plan at all" * 100


@pytest.mark.parametrize("broken", [truncated, of_another_version, garbage])
def test_tensorrt_refuses_what_it_cannot_load_and_goes_on(
    world_bundle: Bundle, machine: Machine, store: PlanStore, built: Built, broken: Callable[[bytes], bytes]
) -> None:
    """As if the file had been written so: its header speaks of these bytes."""
    plan = store.find(built("fp32")[0].header.fit)
    spec = world_bundle.graphs["vision"]
    bad = TrtRunner(StoredPlan(plan.header, broken(plan.body)), spec, machine.device, machine.compiler)
    with pytest.raises(
        RunnerError, match=r"vision: tensorrt-\S+ failed: tensorrt-\S+ does not load a plan of \d+ bytes"
    ):
        bad.__enter__()
    with TrtRunner(plan, spec, machine.device, machine.compiler) as good:
        good(inputs_of(world_bundle, "vision", (2,)))
