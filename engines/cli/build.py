"""`earshot build`: a bundle -> TensorRT plans for the GPU of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engines.cli.common import BundleArgument, JsonOption, errors_told, need_packages, print_json
from engines.spec import GRAPHS, Precision

if TYPE_CHECKING:
    from engines.build import BuildReport, Recipe


def build(
    bundle: BundleArgument,
    plans: Annotated[Path, typer.Option(help="Folder of plans; what fits there is not built again.")] = Path(
        "~/.cache/earshot/plans"
    ),
    precision: Annotated[Precision, typer.Option(help="What products compute in; fp32 is exact.")] = "fp16",
    level: Annotated[int, typer.Option(min=0, max=5, help="How hard TensorRT looks for fast kernels.")] = 3,
    buckets: Annotated[int, typer.Option(min=1, max=16, help="Most shapes that a graph is built for.")] = 4,
    traffic: Annotated[
        Path | None,
        typer.Option(help="Shapes counted by a worker (engine.traffic), to choose buckets by.", exists=True),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="For int8 and fp8: clips to measure ranges on, a folder with manifest.jsonl.")
    ] = None,
    clips: Annotated[int, typer.Option(min=1, help="How many of them, of the split train.")] = 64,
    device: Annotated[int, typer.Option(min=0, help="Which GPU, as the driver counts.")] = 0,
    graph: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated. None: all four.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Build also what is there already.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compile a bundle's four graphs for the GPU of this machine, as far as no plan that fits is there.

    Takes minutes, once for each bundle, model of GPU, version of TensorRT and precision. Afterwards:
    EARSHOT_ENGINE__KIND=trt earshot run. What 16 or 8 bits change: earshot verify BUNDLE --runner trt --against ort
    """
    need_packages("tensorrt", "onnx")
    from engines.build import Recipe
    from engines.gpu.compiler import BuildOptions
    from engines.gpu.traffic import read_traffic

    if unknown := sorted(set(graph or ()) - set(GRAPHS)):
        raise typer.BadParameter(f"--graph: came {unknown}, expected some of {list(GRAPHS)}")
    with errors_told():
        recipe = Recipe(
            precision=precision,
            most_buckets=buckets,
            traffic=read_traffic(traffic) if traffic else None,
            options=BuildOptions(level=level),
        )
        reports = _built(bundle, plans, recipe, device, (data, clips), graph or GRAPHS, again=again)
    if as_json:
        print_json(reports)
    else:
        for report in reports:
            typer.echo(_told(report))


def _told(report: BuildReport) -> str:
    header = report.header
    layers = ", ".join(f"{count} {kind}" for kind, count in sorted(header.layers.items()))
    shapes = " ".join("x".join(map(str, shape)) for shape in header.buckets)
    done = f"built in {header.seconds:.0f} s" if report.built else "was there"
    size = f"{header.size_bytes / 2**20:.1f} MiB"
    return f"{header.fit.graph:<7} {header.fit.precision} {done}, {size}; shapes {shapes}; layers: {layers}"


def _built(
    name: str,
    plans: Path,
    recipe: Recipe,
    device: int,
    measured: tuple[Path | None, int],
    graphs: Sequence[str],
    *,
    again: bool,
) -> list[BuildReport]:
    from engines.answers import Choice
    from engines.build import build
    from engines.bundle import Bundle
    from engines.data.feeds import feeds_of, spread
    from engines.data.public.manifest import read_rows
    from engines.gpu.compiler import BuildError
    from engines.gpu.device import DeviceError
    from engines.gpu.machine import open_machine
    from engines.gpu.plans import PlanStore

    bundle, machine, store = Bundle.load(name), open_machine(device), PlanStore(plans.expanduser())
    data, clips = measured
    feeds = feeds_of(bundle, data, spread(Choice(split="train").of(read_rows(data)), clips)) if data else None
    with _shares(len(graphs)) as on_share:
        try:
            return build(
                bundle, recipe, machine, store, calibrating=feeds, graphs=graphs, again=again, on_share=on_share
            )
        except (BuildError, DeviceError) as error:
            raise ValueError(f"{bundle.name}: {error}") from error


@contextmanager
def _shares(graphs: int) -> Iterator[Callable[[str, float], None]]:
    """A bar for each graph on stderr; where that is no terminal, a line when one is done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    tasks: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:

        def on_share(graph: str, share: float) -> None:
            if graph not in tasks:
                tasks[graph] = bar.add_task(f"build {graph}", total=1.0)
            bar.update(tasks[graph], completed=share)
            if share == 1.0 and not console.is_terminal:
                console.print(f"build {graph} done ({len(tasks)} of {graphs})", highlight=False)

        yield on_share
