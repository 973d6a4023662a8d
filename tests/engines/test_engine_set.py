"""Which engine runs, and what is said when it cannot: on a machine whose driver is what the test says."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines import engine_set
from engines.bundle import Bundle
from engines.engine_set import EngineOptions, Kind, open_engines
from engines.runner import RunnerError

NO_DRIVER = "no NVIDIA driver: libcuda.so.1 cannot be loaded"


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_set, "driver_fault", lambda device: NO_DRIVER)


@pytest.fixture
def driver_without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_set, "driver_fault", lambda device: None)
    monkeypatch.setattr(engine_set, "TENSORRT_PACKAGES", ("tensorrt_that_nobody_has",))


def test_auto_without_a_driver_is_the_cpu_and_says_why(world_bundle: Bundle, no_driver: None) -> None:
    with open_engines(world_bundle, EngineOptions(kind="auto")) as engines:
        assert engines.engine.startswith("onnxruntime-") and engines.engine.endswith("-cpu")
    assert NO_DRIVER in engines.why


def test_auto_without_the_package_is_the_cpu_and_says_why(world_bundle: Bundle, driver_without_package: None) -> None:
    with open_engines(world_bundle, EngineOptions(kind="auto")) as engines:
        assert engines.engine.endswith("-cpu")
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
    assert engine_set._expanded(EngineOptions().plans) == tmp_path / ".cache" / "earshot" / "plans"
    with pytest.raises(RunnerError, match="has no home; name another folder"):
        engine_set._expanded(Path("~nobody-of-that-name/plans"))
