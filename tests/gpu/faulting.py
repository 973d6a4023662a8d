"""Breaks a GPU for its process, as an illegal access of a kernel does, and says how runners come out of it.

    python -m tests.gpu.faulting PLANS PRECISION

In a process of its own: what other tests hold on the device would be gone. Prints one JSON document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cuda.bindings import driver

from engines.bundle import Bundle
from engines.engine_set import EngineOptions
from engines.gpu.machine import open_machine
from engines.runner import Runner, RunnerError
from engines.spec import Array
from engines.trt import open_trt
from tests.engines.gpu.doubles import BUCKETS, inputs_of, ort_of

#: A kernel that stops with a trap, for every architecture that TensorRT 10.6 knows and those after it.
TRAP = b".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry fault() { trap; }\n\0"


def fault() -> str:
    """Run the kernel; what the driver says of it."""
    _, module = driver.cuModuleLoadData(TRAP)
    _, kernel = driver.cuModuleGetFunction(module, b"fault")
    driver.cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
    (answer,) = driver.cuCtxSynchronize()
    return str(answer.name)


def told(call: Callable[[], dict[str, Array]]) -> str:
    """Why a call fails."""
    try:
        call()
    except RunnerError as error:
        return str(error)
    return "it did not fail"


def main(plans: Path, precision: str) -> dict[str, object]:
    """What happened, in order."""
    bundle, machine = Bundle.load("world"), open_machine()
    options = EngineOptions(kind="trt", plans=plans, precision=precision)  # type: ignore[arg-type]
    errors: list[float] = []

    def right(graph: str, runner: Runner, seed: int) -> None:
        batch = inputs_of(bundle, graph, BUCKETS[graph][0], seed)
        outputs = runner(batch)
        with ort_of(bundle, graph) as ort:
            for name, array in ort(batch).items():
                errors.append(float(np.abs(outputs[name] - array).max() / np.abs(array).max()))

    vision_batch, text_batch = (inputs_of(bundle, graph, BUCKETS[graph][0]) for graph in ("vision", "text"))
    with open_trt(bundle, options, machine) as engines:
        right("vision", engines.vision, 1)
        right("text", engines.text, 1)
        in_flight = engines.text.start(text_batch)
        said = {"driver": fault(), "vision": told(lambda: engines.vision(vision_batch))}
        said["again"] = told(lambda: engines.vision(vision_batch))  # makes a new context
        said["in_flight"] = told(in_flight)
        for seed in range(2, 5):
            right("vision", engines.vision, seed)
            right("text", engines.text, seed)
            right("fusion", engines.fusion, seed)
        captured = all(getattr(engines, graph).captured for graph in ("vision", "fusion"))
    with open_trt(bundle, options, machine) as engines:
        right("audio", engines.audio, 9)
    return {**said, "generation": machine.device.generation, "captured": captured, "error": max(errors)}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
