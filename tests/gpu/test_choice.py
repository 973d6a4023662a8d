"""Tests that need a GPU are never left out quietly."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.imports import ROOT

PLUGIN = """
from tests.gpu.choice import GpuTests

def pytest_configure(config):
    config.addinivalue_line("markers", "gpu: needs a GPU")
    config.pluginmanager.register(GpuTests(lambda: {fault!r}))
"""
TESTS = """
import pytest

@pytest.mark.gpu
@pytest.mark.parametrize("graph", ["vision", "text"])
def test_on_a_gpu(graph):
    pass

def test_anywhere():
    pass
"""
FAULT = "TensorRT needs a GPU: no NVIDIA driver"
SAID = f"2 GPU tests did not run: {FAULT}"


def run(folder: Path, *arguments: str, fault: str | None = FAULT) -> str:
    """What pytest says of two tests on a GPU and one elsewhere."""
    (folder / "conftest.py").write_text(PLUGIN.format(fault=fault))
    (folder / "test_some.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    return done.stdout


def test_where_they_cannot_run_it_is_said_how_many_and_why(tmp_path: Path) -> None:
    said = run(tmp_path)
    assert SAID in said.splitlines()
    assert "1 passed, 2 deselected" in said


def test_where_they_can_run_they_do(tmp_path: Path) -> None:
    said = run(tmp_path, fault=None)
    assert "3 passed" in said
    assert "did not run" not in said


@pytest.mark.skipif(find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_several_processes_say_it_once(tmp_path: Path) -> None:
    assert run(tmp_path, "-n", "2").splitlines().count(SAID) == 1


def test_asking_for_them_alone_says_it_as_well(tmp_path: Path) -> None:
    assert SAID in run(tmp_path, "-m", "gpu").splitlines()


def test_what_was_not_asked_for_is_not_spoken_of(tmp_path: Path) -> None:
    said = run(tmp_path, "-m", "not gpu")
    assert "1 passed, 2 deselected" in said
    assert "did not run" not in said


def test_one_is_one(tmp_path: Path) -> None:
    assert f"1 GPU test did not run: {FAULT}" in run(tmp_path, "-k", "vision").splitlines()
