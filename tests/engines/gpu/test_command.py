"""`earshot build`: what it says without a GPU, and what it tells of what it has built."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from engines.gpu import machine
from engines.gpu.machine import Machine
from engines.gpu.traffic import write_traffic
from engines.spec import GRAPHS
from engines.testing import HostCompiler, HostDevice
from streamer.cli import app
from tests.engines.gpu.doubles import BUCKETS

Build = Callable[..., Result]


@pytest.fixture
def run_build(tmp_path: Path) -> Build:
    """The command on the world bundle, for few and small shapes."""
    traffic = tmp_path / "traffic.json"
    write_traffic(traffic, {graph: dict.fromkeys(shapes, 1) for graph, shapes in BUCKETS.items()})

    def run(*more: str) -> Result:
        common = ["--plans", str(tmp_path / "plans"), "--traffic", str(traffic)]
        return CliRunner().invoke(app, ["build", "world", *common, *more])

    return run


@pytest.fixture
def with_double(monkeypatch: pytest.MonkeyPatch, device: HostDevice) -> list[int]:
    """A machine of doubles; which device was asked for."""
    asked: list[int] = []

    def opened(index: int) -> Machine:
        asked.append(index)
        return Machine(device, HostCompiler(device))

    monkeypatch.setattr(machine, "open_machine", opened)
    return asked


def test_without_a_gpu_it_says_what_is_missing(run_build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "driver_fault", lambda index: "no NVIDIA driver: libcuda.so.1 cannot be loaded")
    done = run_build()
    assert done.exit_code == 1
    assert done.stderr.strip() == "earshot: TensorRT needs a GPU: no NVIDIA driver: libcuda.so.1 cannot be loaded"
    assert done.stdout == ""


def test_a_table_says_what_was_built_and_what_was_there(run_build: Build, with_double: list[int]) -> None:
    first, second = run_build("--precision", "fp32", "--level", "1"), run_build("--precision", "fp32")
    assert (first.exit_code, second.exit_code, with_double) == (0, 0, [0, 0])
    for graph, built, there in zip(GRAPHS, first.stdout.splitlines(), second.stdout.splitlines(), strict=True):
        shapes = " ".join("x".join(map(str, shape)) for shape in BUCKETS[graph])
        assert re.match(rf"{graph:<7} fp32 built in \d+ s, ", built)
        assert there.startswith(f"{graph:<7} fp32 was there, ")
        for line in (built, there):
            assert " MiB; shapes " in line and line.endswith("; layers: 1 level 1")
            assert set(shapes.split()) <= set(line.split("shapes ")[1].split("; layers")[0].split())


def test_progress_is_told_once_for_each_graph_beside_what_is_for_scripts(
    run_build: Build, with_double: list[int]
) -> None:
    done = run_build("--precision", "fp32", "--json")
    expected = [f"build {graph} done ({number} of 4)" for number, graph in enumerate(GRAPHS, start=1)]
    assert done.stderr.splitlines() == expected
    assert len(done.stdout.splitlines()) == 1


def test_scripts_get_all_that_is_known(run_build: Build, with_double: list[int], tmp_path: Path) -> None:
    done = run_build("--precision", "fp32", "--device", "2", "--buckets", "2", "--json")
    assert (done.exit_code, with_double) == (0, [2])
    reports = json.loads(done.stdout)
    assert [report["header"]["fit"]["graph"] for report in reports] == list(GRAPHS)
    for report in reports:
        header = report["header"]
        assert (report["built"], len(header["buckets"]), header["fit"]["precision"]) == (True, 2, "fp32")
        assert header["fit"]["device"] == "Host double sm_00"
        assert header["fit"]["library"] == "double-1.0"
    sizes = {path.name.partition("-")[0]: path.stat().st_size for path in (tmp_path / "plans").rglob("*.plan")}
    assert sizes.keys() == set(GRAPHS)
    assert all(report["header"]["size_bytes"] < sizes[report["header"]["fit"]["graph"]] for report in reports)


def test_one_graph_alone(run_build: Build, with_double: list[int]) -> None:
    done = run_build("--precision", "fp32", "--graph", "text", "--again", "--json")
    assert [report["header"]["fit"]["graph"] for report in json.loads(done.stdout)] == ["text"]
    assert done.stderr.splitlines() == ["build text done (1 of 1)"]
    wrong = run_build("--graph", "smell")
    assert wrong.exit_code == 2
    assert "came ['smell'], expected some of" in wrong.stderr


@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_8_bits_need_clips(run_build: Build, with_double: list[int], precision: str) -> None:
    done = run_build("--precision", precision)
    assert done.exit_code == 1
    assert f"earshot: {precision}: came no batches, expected inputs of real clips" in done.stderr


def test_a_graph_that_is_refused_ends_the_command(
    run_build: Build, with_double: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    import engines.build

    monkeypatch.setattr(engines.build, "fit_for_tensorrt", lambda model: onnx.ModelProto())
    done = run_build("--precision", "fp32")
    assert done.exit_code == 1
    assert "earshot: world: double-1.0 cannot read the graph:" in done.stderr


def test_a_bad_traffic_file_is_named(run_build: Build, with_double: list[int], tmp_path: Path) -> None:
    (tmp_path / "traffic.json").write_bytes(b"[]")
    done = run_build()
    assert done.exit_code == 1
    assert f"earshot: {tmp_path / 'traffic.json'}: expected counts of shapes by graph" in done.stderr
    assert with_double == []


def test_shapes_of_another_graph_are_refused(run_build: Build, with_double: list[int], tmp_path: Path) -> None:
    write_traffic(tmp_path / "traffic.json", {"text": {(8,): 1}})
    done = run_build("--graph", "text", "--precision", "fp32")
    assert done.exit_code == 1
    assert "earshot: traffic: came shape (8,), expected sizes of 1 or more like (64, 64)" in done.stderr


@pytest.mark.parametrize("more", [("--level", "6"), ("--buckets", "0"), ("--precision", "fp4"), ("--device", "-1")])
def test_what_cannot_be_is_used_wrongly(run_build: Build, with_double: list[int], more: tuple[str, str]) -> None:
    done = run_build(*more)
    assert done.exit_code == 2
    assert more[0] in done.stderr
    assert with_double == []
