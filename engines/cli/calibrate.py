"""`earshot calibrate`: a bundle and labelled clips -> the same bundle with scores that fit them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import BundleArgument, JsonOption, errors_told, need_training_packages, print_json, progress


def calibrate(
    bundle: BundleArgument,
    data: Annotated[Path, typer.Option(help="Folder with manifest.jsonl, dataset.json and the clips.")],
    out: Annotated[Path, typer.Option(help="Folder of the new bundle; files of an older one are replaced.")],
    split: Annotated[str, typer.Option(help="Whose labels: train, val or test.")] = "val",
    without: Annotated[list[str] | None, typer.Option(help="Sources to leave out, as in a row's groups: sesa.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only the clips of this tenant. None: of all.")] = None,
    isotonic: Annotated[bool, typer.Option(help="Bend as well: for some hundreds of labels a task.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fit scores, thresholds and priors to labels of your own; the graphs stay as they are.

    A task with fewer than 20 labels of each kind keeps its own. One bundle for each tenant, where tenants differ:
    earshot dataset check labels.csv --out data; earshot calibrate starter --data data --out bundles/mine
    """
    need_training_packages()
    from engines.answers import Choice
    from engines.bundle import find
    from engines.training.recalibrate import recalibrate

    choice = Choice(split=split, without=tuple(without or ()), tenant=tenant)
    with errors_told(), ExitStack() as bars:

        def start(clips: int) -> Callable[[], None]:
            return bars.enter_context(progress("calibrate", clips))

        manifest = recalibrate(find(bundle), data, out, choice, isotonic=isotonic, on_start=start)
    lineage = manifest.training["calibrated"]
    if as_json:
        print_json({"bundle": str(out), "id": manifest.id, "calibrated": lineage, "thresholds": manifest.thresholds})
        return
    for task, threshold in manifest.thresholds.items():
        no, yes = lineage["labels"].get(task, (0, 0))
        fitted = f"fitted to {yes} yes and {no} no" if task in lineage["labels"] else "as it was"
        typer.echo(f"{task:<10} threshold {threshold:.4f}, {fitted}")
    typer.echo(f"bundle {manifest.id} in {out}")
