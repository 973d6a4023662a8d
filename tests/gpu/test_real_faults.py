"""A fault of a GPU fails what was on its way; the device is made usable again, and every runner opens anew."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from engines.engine_set import EngineOptions
from tests.gpu.test_real_runner import TOLERANCES
from tests.imports import ROOT

pytestmark = pytest.mark.gpu


def test_after_a_fault_every_runner_is_right_again(options: Callable[..., EngineOptions]) -> None:
    plans = options("fp32").plans
    command = [sys.executable, "-m", "tests.gpu.faulting", str(plans), "fp32"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=200)
    assert done.returncode == 0, done.stderr[-4000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["driver"] in {"CUDA_ERROR_LAUNCH_FAILED", "CUDA_ERROR_ILLEGAL_INSTRUCTION"}
    assert said["vision"].startswith("vision: tensorrt-")
    assert said["driver"] in said["vision"]
    assert said["again"] == "it did not fail"
    assert said["in_flight"] == "text: a fault of another call has taken this one with it"
    assert (said["generation"], said["captured"]) == (1, True)
    assert said["error"] <= TOLERANCES["fp32"]
