"""`earshot verify`: does a bundle, or what runs it, decide as another does? And does it say what torch said?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args

import typer

from engines.cli.common import BundleArgument, JsonOption, errors_told, need_training_packages, print_json, progress
from engines.spec import Precision

if TYPE_CHECKING:
    from engines.bundle import Bundle
    from engines.engine_set import EngineSet
    from engines.gate.recorded import Recording
    from engines.gate.report import Report

    Side = tuple[Bundle, EngineSet]

Runner = Literal["ort", "ort-cuda", "trt"]

#: Recorded inputs where no data set is named, and batches over which memory is watched; batches compared with torch.
INPUTS, BATCHES, TORCH_BATCHES = 2_000, 10_000, 20
#: Characters of a line where there is no terminal that has a width.
WIDTH = 120


def verify(
    bundle: BundleArgument,
    against: Annotated[
        str | None, typer.Option(help="What decides rightly: an engine (ort, ort-cuda, trt) or another bundle.")
    ] = None,
    runner: Annotated[Runner, typer.Option(help="What runs the bundle; another bundle runs on ort.")] = "ort",
    data: Annotated[
        Path | None,
        typer.Option(help="Recorded inputs: a folder with manifest.jsonl. None: the sample clips, varied by chance."),
    ] = None,
    split: Annotated[str, typer.Option(help="Which of them: train, val or test.")] = "test",
    inputs: Annotated[
        int | None, typer.Option(min=1, help="How many. None: all of the data, or 2,000 of the varied samples.")
    ] = None,
    batches: Annotated[
        int | None,
        typer.Option(min=0, help="Of random sizes, while memory is watched; 10,000. With --checkpoint: a graph; 20."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is left to chance.")] = 0,
    precision: Annotated[Precision, typer.Option(help="Of TensorRT's plans.")] = "fp16",
    plans: Annotated[Path, typer.Option(help="Folder of TensorRT's plans.")] = Path("~/.cache/earshot/plans"),
    device: Annotated[int, typer.Option(min=0, help="Which GPU, as the driver counts.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Of an operator on the CPU.")] = 1,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Compare with torch instead: the checkpoint it was exported from.", exists=True)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """The gate that engines and bundles pass before they serve; 1 and the reasons when one does not.

    Judges recorded inputs on both sides and counts verdicts that flip, of
    each task and of parts of the inputs: one of two hundred may. Compares
    outputs and scores, tries sizes around every bucket and inputs that
    nobody records, and watches memory.

      earshot verify starter --runner trt --against ort --data out/composed
      earshot verify out/int8 --against starter --data out/composed
      earshot verify starter --checkpoint checkpoint.safetensors

    The last compares with torch, graph by graph: there no verdict may flip.
    """
    if (checkpoint is None) == (against is None) or (checkpoint is not None and data is not None):
        raise typer.BadParameter("expected --against ENGINE or BUNDLE, with or without --data, or else --checkpoint")
    with errors_told():
        if checkpoint is not None:
            need_training_packages()
            good = _with_torch(bundle, checkpoint, TORCH_BATCHES if batches is None else batches, seed, as_json=as_json)
        else:
            assert against is not None
            sides = _sides(bundle, against, runner, precision=precision, plans=plans, device=device, threads=threads)
            recording = _recording(sides[0][0], data, split, inputs, seed)
            good = _gate(sides, recording, BATCHES if batches is None else batches, seed, as_json=as_json)
    if not good:
        raise typer.Exit(1)


def _sides(
    name: str, against: str, runner: Runner, *, precision: Precision, plans: Path, device: int, threads: int
) -> tuple[Side, Side]:
    """Candidate and reference: a bundle each, and engines that are not loaded yet."""
    from engines.bundle import Bundle
    from engines.engine_set import EngineOptions
    from engines.opening import open_engines

    bundle = Bundle.load(name)
    own = EngineOptions(kind=runner, precision=precision, plans=plans, device=device, threads=threads)
    if against in get_args(Runner):
        other, kind = bundle, cast("Runner", against)
    else:
        other, kind = Bundle.load(against), "ort"
    return (bundle, open_engines(bundle, own)), (other, open_engines(other, replace(own, kind=kind)))


def _recording(bundle: Bundle, data: Path | None, split: str, inputs: int | None, seed: int) -> Recording:
    from engines.answers import Choice
    from engines.data.public.manifest import read_rows
    from engines.gate.recorded import of_folder
    from engines.gate.varied import of_samples

    if data is None:
        return of_samples(bundle.preprocessing, inputs=inputs or INPUTS, seed=seed)
    return of_folder(data, Choice(split=split).of(read_rows(data)), bundle.preprocessing, inputs=inputs)


def _gate(sides: tuple[Side, Side], recording: Recording, batches: int, seed: int, *, as_json: bool) -> bool:
    from engines.gate.run import run_gate

    report = run_gate(*sides, recording, batches=batches, seed=seed, bar=progress)
    if as_json:
        print_json(report)
    else:
        _show(report)
    return report.ok


def _show(report: Report) -> None:
    from rich.console import Console

    from engines.gate.table import tables

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH
    for part in tables(report):
        console.print(part)
        console.print()


def _with_torch(bundle: str, checkpoint: Path, batches: int, seed: int, *, as_json: bool) -> bool:
    from engines.bundle import Bundle
    from engines.verify import LOGIT_TOLERANCE, is_faithful, verify_bundle

    parities = verify_bundle(Bundle.load(bundle), checkpoint, batches=batches, seed=seed)
    good = is_faithful(parities)
    if as_json:
        print_json({"bundle": bundle, "ok": good, "tolerance": LOGIT_TOLERANCE, "graphs": parities})
    else:
        for name, parity in parities.items():
            typer.echo(f"{name:<7} largest error {parity.worst:.1e}, {parity.flips} of {parity.verdicts} verdicts flip")
    return good
