"""`earshot bench gpu` on the double of a device: every part gives its lines, and what is missing is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from engines.bundle import Bundle
from engines.gpu.machine import Machine
from engines.measure import clock, eager, towers
from engines.measure.clock import Taken
from engines.measure.line import Line
from engines.testing import HostCompiler, HostDevice
from streamer.bench.gpu import run, whole
from streamer.bench.gpu.lines import GpuReport, markdown, write
from streamer.bench.gpu.run import gpu_report
from streamer.cli import app


def no_torch(*_: object, **__: object) -> Taken:
    raise RuntimeError("torch finds no GPU")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A double that takes little time."""
    monkeypatch.setattr(clock, "_BLOCK_SECONDS", 1e-4)
    monkeypatch.setattr(whole, "CASES", 3)
    monkeypatch.setattr(whole, "EAGER_CASES", 2)
    monkeypatch.setattr(whole, "_THREADS", (1, 2))
    monkeypatch.setattr(towers, "EYE_FRAMES", 8)
    monkeypatch.setattr(eager, "eager", no_torch)
    device = HostDevice(8 << 30)
    return Machine(device, HostCompiler(device))


def report_of(lines: tuple[Line, ...], device: str = "one") -> GpuReport:
    return GpuReport(device=device, library="tensorrt-10.6.0", machine="cores", lines=lines, missing=("decoding",))


def test_parts_are_measured_and_what_fails_is_told(machine: Machine, tmp_path: Path) -> None:
    told: list[str] = []
    world = Bundle.load("world")
    report = gpu_report(
        world, tmp_path, machine, ("start", "served", "engines"), compile_too=False, quick=True, say=told.append
    )
    values = {line.what: line.value for line in report.lines}
    assert {"plan load to first verdict", "served / resident", "served / one request a call"} <= values.keys()
    assert {f"world {graph}, 2 clips" for graph in world.graphs} <= values.keys()
    assert all(value > 0 for value in values.values())
    assert "engines: torch finds no GPU" in report.missing
    assert told[0] == "gpu: start"


def test_a_goal_is_met_or_not() -> None:
    over = Line(what="ratio", value=0.91, unit="", least=0.9)
    under = Line(what="ratio", value=0.89, unit="", least=0.9)
    late = Line(what="start", value=6.0, unit="s", most=5.0)
    plain = Line(what="ms", value=1.0, unit="ms")
    assert [(line.goal, line.met) for line in (over, under, late, plain)] == [
        (">= 0.9", "yes"), (">= 0.9", "no"), ("<= 5", "no"), ("", ""),
    ]  # fmt: skip


def test_a_document_names_machine_numbers_and_what_is_missing() -> None:
    text = markdown(
        report_of((Line(what="eye", value=53_948.1, unit="frames/s", least=49_000.0, detail="4.7 ms"),)), "cmd"
    )
    assert "| eye | 53,948 frames/s | >= 49000 | yes |" in text
    assert "- eye: 4.7 ms." in text
    assert "## Not measured\n\n- decoding" in text


def test_parts_measured_later_stand_beside_those_before(tmp_path: Path) -> None:
    first, second = Line(what="a", value=1.0, unit=""), Line(what="b", value=2.0, unit="")
    write(report_of((first, second)), tmp_path, "cmd")
    write(report_of((Line(what="a", value=3.0, unit=""),)), tmp_path, "cmd")
    assert "| b | 2 |" in (tmp_path / "gpu.md").read_text()
    assert "| a | 3 |" in (tmp_path / "gpu.md").read_text()
    write(report_of((first,), device="another"), tmp_path, "cmd")
    assert "| b |" not in (tmp_path / "gpu.md").read_text()


def test_without_a_gpu_the_command_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.gpu.machine.driver_fault", lambda _: "no NVIDIA driver")
    result = CliRunner().invoke(app, ["bench", "gpu"])
    assert result.exit_code == 2
    assert "TensorRT needs a GPU: no NVIDIA driver" in result.stderr


def test_unknown_parts_are_refused() -> None:
    result = CliRunner().invoke(app, ["bench", "gpu", "ear"])
    assert result.exit_code == 2
    assert f"came ear; expected some of {', '.join(run.PARTS)}" in result.stderr
