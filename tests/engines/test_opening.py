"""Which engine runs, and what is said when it cannot: on a machine whose driver is what the test says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engines import opening
from engines.bundle import Bundle
from engines.engine_set import EngineOptions, Kind
from engines.gpu.machine import Machine
from engines.gpu.traffic import read_traffic
from engines.opening import GPU_THREADS, open_engines, open_sets
from engines.runner import RunnerError
from engines.testing import HostCompiler, HostDevice

NO_DRIVER = "no NVIDIA driver: libcuda.so.1 cannot be loaded"


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "driver_fault", lambda device: NO_DRIVER)


@pytest.fixture
def driver_without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "driver_fault", lambda device: None)
    monkeypatch.setattr(opening, "TENSORRT_PACKAGES", ("tensorrt_that_nobody_has",))


def test_auto_without_a_driver_is_the_cpu_and_says_why(world_bundle: Bundle, no_driver: None) -> None:
    with open_engines(world_bundle, EngineOptions(kind="auto")) as engines:
        assert engines.engine.startswith("onnxruntime-") and engines.engine.endswith("-cpu")
    assert NO_DRIVER in engines.why
    assert not engines.gpu_unused


def test_auto_without_the_package_is_the_cpu_and_says_why(world_bundle: Bundle, driver_without_package: None) -> None:
    with open_engines(world_bundle, EngineOptions(kind="auto")) as engines:
        assert engines.engine.endswith("-cpu")
    assert engines.gpu_unused
    assert "pip install 'earshot[tensorrt]'" in engines.why


def test_what_was_named_needs_no_reason(world_bundle: Bundle) -> None:
    for options in (None, EngineOptions(kind="ort", threads=2)):
        with open_engines(world_bundle, options) as engines:
            assert (engines.engine.endswith("-cpu"), engines.why) == (True, "")


@pytest.mark.parametrize("kind", ["trt", "ort-cuda"])
def test_a_gpu_that_was_named_is_refused_without_a_driver(world_bundle: Bundle, no_driver: None, kind: Kind) -> None:
    with pytest.raises(RunnerError, match=f"{NO_DRIVER}; 'ort' runs on the CPU"):
        open_engines(world_bundle, EngineOptions(kind=kind))


def test_tensorrt_without_its_package_says_how_to_get_it(world_bundle: Bundle, driver_without_package: None) -> None:
    with pytest.raises(RunnerError, match=r"not installed: pip install 'earshot\[tensorrt\]'"):
        open_engines(world_bundle, EngineOptions(kind="trt"))


def test_cuda_without_its_package_is_refused_when_it_is_loaded(
    world_bundle: Bundle, driver_without_package: None
) -> None:
    engines = open_engines(world_bundle, EngineOptions(kind="ort-cuda", device=0))
    assert engines.engine.endswith("-cuda")
    with pytest.raises(RunnerError, match="onnxruntime-gpu"), engines:
        raise AssertionError("it ran on the CPU in secret")


@pytest.mark.parametrize(("name", "value", "least"), [("threads", 0, 1), ("device", -1, 0)])
def test_options_are_checked(name: str, value: int, least: int) -> None:
    with pytest.raises(ValueError, match=f"{name}: came {value}, expected {least} or more"):
        EngineOptions(**{name: value})


def test_plans_are_in_the_home_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert opening._expanded(EngineOptions().plans) == tmp_path / ".cache" / "earshot" / "plans"
    with pytest.raises(RunnerError, match="has no home; name another place"):
        opening._expanded(Path("~nobody-of-that-name/plans"))


@pytest.fixture
def host_double(monkeypatch: pytest.MonkeyPatch) -> HostDevice:
    """TensorRT as the double of its device has it."""
    device = HostDevice()
    machine = Machine(device, HostCompiler(device))
    monkeypatch.setattr(opening, "driver_fault", lambda index: None)
    monkeypatch.setattr(opening, "TENSORRT_PACKAGES", ("numpy",))
    monkeypatch.setattr("engines.trt.open_machine", lambda index: machine)
    return device


def test_a_thread_on_the_cpu_and_more_on_a_gpu_unless_told_otherwise(
    world_bundle: Bundle, host_double: HostDevice, tmp_path: Path
) -> None:
    gpu = EngineOptions(kind="trt", precision="fp32", plans=tmp_path, build=True)
    for options, threads, wanted in ((EngineOptions(), None, 1), (EngineOptions(), 3, 3), (gpu, None, GPU_THREADS)):
        with open_sets(world_bundle, options, threads) as sets:
            assert len(sets) == len({id(engines.fusion) for engines in sets}) == wanted
    with open_sets(world_bundle, gpu, 1) as (engines,):
        assert engines.engine == "double-1.0-fp32"
    assert host_double.held == 0


def test_auto_without_plans_says_that_a_gpu_is_not_used(
    world_bundle: Bundle, host_double: HostDevice, tmp_path: Path
) -> None:
    auto = EngineOptions(kind="auto", precision="fp32", plans=tmp_path, traffic=tmp_path / "traffic.json")
    with open_sets(world_bundle, auto) as (engines,):
        assert (engines.gpu_unused, engines.on_gpu) == (True, False)
    assert "earshot build" in engines.why
    with open_sets(world_bundle, replace(auto, build=True)) as (engines, *_):
        assert (engines.gpu_unused, engines.on_gpu) == (False, True)


def test_what_the_sets_are_asked_for_is_counted_together(world_bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "traffic.json"
    frames_FCHW = np.zeros((3, 3, *(world_bundle.preprocessing.frame_pixels,) * 2), np.uint8)
    with open_sets(world_bundle, EngineOptions(kind="auto", traffic=path), 2) as sets:
        assert read_traffic(path) == {}
        assert sets[0].engine == sets[1].engine == open_engines(world_bundle).engine
        assert sets[0].why
        for engines in sets:
            engines.vision({"frames_FCHW": frames_FCHW})
        sets[0].vision({"frames_FCHW": frames_FCHW[:1]})
    assert read_traffic(path) == {"vision": {(1,): 1, (3,): 2}}


def test_a_file_that_cannot_be_counted_in_is_refused(world_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing of ours")
    for name in ("notes.txt", "no-such-folder/traffic.json"):
        options = EngineOptions(traffic=tmp_path / name)
        with (
            pytest.raises(RunnerError, match=f"shapes cannot be counted in .*{name}"),
            open_sets(world_bundle, options),
        ):
            pass
    assert (tmp_path / "notes.txt").read_text() == "nothing of ours"
