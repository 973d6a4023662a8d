"""Which plan belongs to a graph of a bundle on a machine."""

from __future__ import annotations

from engines.bundle import Bundle
from engines.gpu.machine import Machine
from engines.gpu.plans import Fit
from engines.spec import MARKING, Precision

#: What 8 bits are for: the towers of pictures and sound, where nearly all of the work is. Words and fusion stay in
#: float16 beside them.
_EIGHT_BITS = ("int8", "fp8")


def precision_of(graph: str, precision: Precision) -> Precision:
    """In which precision a graph is built when a bundle is asked for in one."""
    return "fp16" if precision in _EIGHT_BITS and graph not in MARKING else precision


def fit_of(bundle: Bundle, graph: str, precision: Precision, machine: Machine) -> Fit:
    """What a plan has to be built from and for."""
    return Fit(
        content=bundle.fingerprint(graph),
        graph=graph,
        precision=precision_of(graph, precision),
        library=machine.compiler.version,
        device=machine.device.name,
    )
