"""What is said where TensorRT cannot run, and that nothing of it is touched then: its builder would end the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engines.gpu import machine
from engines.gpu.machine import machine_fault, open_machine
from engines.runner import RunnerError
from tests.imports import ROOT

#: In a process of its own, as tests beside this one may have imported anything.
ASKED = """
import sys
import engines.driver

engines.driver.LIBRARY = "libcuda-of-nobody.so.1"

from engines.gpu.machine import machine_fault, open_machine
from engines.runner import RunnerError

print(machine_fault())
try:
    open_machine()
except RunnerError as error:
    print(error)
print(sorted(name for name in sys.modules if name.partition(".")[0] in {"tensorrt", "tensorrt_bindings", "cuda"}))
"""


def test_without_a_driver_nothing_of_tensorrt_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    asked, opened, imported = done.stdout.splitlines()
    assert asked.startswith("TensorRT needs a GPU: no NVIDIA driver: libcuda-of-nobody.so.1 cannot be loaded (")
    assert opened == asked
    assert imported == "[]"


def test_a_device_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "driver_fault", lambda index: f"came device {index}, expected one of {{0: 'T4'}}")
    expected = "TensorRT needs a GPU: came device 3, expected one of {0: 'T4'}"
    assert machine_fault(3) == expected
    with pytest.raises(RunnerError, match="came device 3, expected one of"):
        open_machine(3)


#: A driver that is content, and packages of which one is missing.
WITHOUT_PACKAGE = """
import sys

for name in sys.argv[1].split(","):
    sys.modules[name] = None

from engines.gpu import machine

machine.driver_fault = lambda index: None
print(machine.machine_fault())
"""


@pytest.mark.parametrize("missing", ["tensorrt,tensorrt_bindings", "cuda"])
def test_with_a_driver_alone_the_packages_are_named(missing: str) -> None:
    command = [sys.executable, "-c", WITHOUT_PACKAGE, missing]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    fault = done.stdout.strip()
    assert fault.startswith("TensorRT needs its packages (")
    assert missing.rpartition(",")[2] in fault
    assert fault.endswith("): pip install 'earshot[tensorrt]'")
