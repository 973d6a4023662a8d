"""Which plan belongs to a graph of a bundle on a machine."""

from __future__ import annotations

from engines.bundle import Bundle
from engines.gpu.machine import Machine
from engines.gpu.plans import Fit
from engines.spec import MARKING, Precision

#: Grows with every change of how `engines.precision` rewrites graphs: plans of before are stale.
REWRITE = 1

#: What 8 bits are for: the towers of pictures and sound, where nearly all of the work is. Words stay in float16 beside
#: them.
_EIGHT_BITS = ("int8", "fp8")


def precision_of(graph: str, precision: Precision) -> Precision:
    """In which precision a graph is built when a bundle is asked for in one.

    Fusion is always float32. It is small, and with its products in float16 TensorRT 10.6.0 gave logits that were wrong
    by up to 3.1 for batches of 8 on an H200, where the same graph in float32 agreed with ONNX Runtime to the third
    decimal, and the graph in float16 did, too, when ONNX Runtime ran it.
    """
    if graph == "fusion":
        return "fp32"
    return "fp16" if precision in _EIGHT_BITS and graph not in MARKING else precision


def fit_of(bundle: Bundle, graph: str, precision: Precision, machine: Machine) -> Fit:
    """What a plan has to be built from and for."""
    return Fit(
        content=bundle.fingerprint(graph),
        rewrite=REWRITE,
        graph=graph,
        precision=precision_of(graph, precision),
        library=machine.compiler.version,
        device=machine.device.name,
    )
