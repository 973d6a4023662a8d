"""`earshot verify`: does a bundle say what its network said in torch?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import BundleArgument, JsonOption, errors_told, need_training_packages, print_json


def verify(
    bundle: BundleArgument,
    checkpoint: Annotated[Path, typer.Option(help="The checkpoint that it was exported from.", exists=True)],
    batches: Annotated[int, typer.Option(min=1, help="Random batches per graph.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Of the random batches.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare ONNX Runtime with torch, graph by graph: largest error, and verdicts that come out otherwise."""
    need_training_packages()
    from engines.bundle import Bundle
    from engines.verify import LOGIT_TOLERANCE, verify_bundle

    with errors_told():
        parities = verify_bundle(Bundle.load(bundle), checkpoint, batches=batches, seed=seed)
    good = all(parity.worst <= LOGIT_TOLERANCE and parity.flips == 0 for parity in parities.values())
    if as_json:
        print_json({"bundle": bundle, "ok": good, "tolerance": LOGIT_TOLERANCE, "graphs": parities})
    else:
        for name, parity in parities.items():
            typer.echo(f"{name:<7} largest error {parity.worst:.1e}, {parity.flips} of {parity.verdicts} verdicts flip")
    if not good:
        raise typer.Exit(1)
