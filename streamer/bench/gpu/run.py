"""`earshot bench gpu`: all that the GPU of this machine allows, and what is missing for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from engines.bundle import Bundle
from engines.gpu.machine import Machine
from engines.gpu.plans import PlanStore
from engines.measure.line import Line
from engines.spec import Array
from streamer.bench.gpu.lines import GpuReport
from streamer.bench.show import machine as machine_words

#: A measurement: what it is called, and the lines that it gives one by one.
Part = tuple[str, Callable[[], Iterator[Line]]]


#: What can be measured by itself, in the order of the report.
PARTS = ("start", "served", "engines", "eye", "vit")


def gpu_report(
    bundle: Bundle,
    plans: Path,
    machine: Machine,
    parts: Sequence[str],
    *,
    compile_too: bool,
    quick: bool,
    say: Callable[[str], None],
) -> GpuReport:
    """Measure these of `PARTS`, one after the other; what fails is told, and the others go on."""
    lines: list[Line] = []
    missing = []
    for name, part in _parts(bundle, machine, plans, compile_too=compile_too, quick=quick):
        if name not in parts:
            continue
        say(f"gpu: {name}")
        try:
            for line in part():
                lines.append(line)
                say(f"gpu: {line.what}: {line.value:.4g} {line.unit}")
        except (RuntimeError, ValueError, ImportError) as error:  # torch raises bare RuntimeError
            missing.append(f"{name}: {error}")
    return GpuReport(
        device=machine.device.name,
        library=machine.compiler.version,
        machine=machine_words(),
        lines=tuple(lines),
        missing=tuple(missing + _absent()),
    )


def _parts(bundle: Bundle, machine: Machine, plans: Path, *, compile_too: bool, quick: bool) -> Iterator[Part]:
    from engines.measure.towers import eye_lines, vit_lines
    from streamer.bench.gpu.whole import engine_lines, plans_of, served_lines, start_line

    store = PlanStore(plans)
    options = cache(lambda: plans_of(bundle, machine, plans))
    yield "start", lambda: iter([start_line(bundle, machine, options())])
    yield "served", lambda: served_lines(bundle, machine, options(), batches=2 if quick else 40)
    yield "engines", lambda: engine_lines(bundle, machine, options())
    yield "eye", lambda: eye_lines(bundle, machine, store, sample_frames(bundle))
    yield "vit", lambda: vit_lines(machine, store, compile_too=compile_too)


def sample_frames(bundle: Bundle) -> Array:
    """frames_FCHW of the clips that come with Earshot."""
    from engines.data.decoding import decoded
    from engines.data.samples import sample_clips

    with sample_clips() as (folder, rows):
        clips = list(decoded(folder, rows, bundle.preprocessing))
    return np.concatenate([clip.frames_TCHW for clip in clips if len(clip.frames_TCHW)])


def _absent() -> list[str]:
    """What would be compared with, were it installed."""
    absent = []
    if find_spec("torch") is None:
        absent.append("torch eager and torch.compile: torch is not installed (pip install 'earshot[train]')")
    if find_spec("PyNvVideoCodec") is None:
        absent.append("decoding on the GPU: PyNvVideoCodec is not installed")
    return absent
