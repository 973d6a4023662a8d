"""`earshot verify`: does a bundle say what its network said in torch, or what another bundle says?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import BundleArgument, JsonOption, errors_told, need_training_packages, print_json, progress


def verify(
    bundle: BundleArgument,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The checkpoint that it was exported from.", exists=True)
    ] = None,
    against: Annotated[str | None, typer.Option(help="Another bundle, to compare verdicts with on clips.")] = None,
    data: Annotated[Path | None, typer.Option(help="The clips: a folder with manifest.jsonl and dataset.json.")] = None,
    split: Annotated[str, typer.Option(help="Which of them: train, val or test.")] = "test",
    batches: Annotated[int, typer.Option(min=1, help="Random batches per graph.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Of the random batches.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare with torch, graph by graph (--checkpoint), or with another bundle on clips (--against, --data).

    With torch no verdict may flip; on clips one of two hundred may.
    """
    need_training_packages()
    if (checkpoint is None) == (against is None) or (against is None) != (data is None):
        raise typer.BadParameter("expected --checkpoint, or --against together with --data")
    with errors_told():
        if checkpoint is not None:
            good = _with_torch(bundle, checkpoint, batches, seed, as_json=as_json)
        else:
            assert against is not None and data is not None
            good = _on_clips(bundle, against, data, split, as_json=as_json)
    if not good:
        raise typer.Exit(1)


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


def _on_clips(bundle: str, against: str, data: Path, split: str, *, as_json: bool) -> bool:
    from engines.answers import Choice
    from engines.bundle import Bundle
    from engines.data.public.manifest import read_rows
    from engines.verify import MOST_FLIPS, compare_on_clips

    rows = Choice(split=split).of(read_rows(data))
    with progress("verify", 2 * len(rows)) as advance:
        found = compare_on_clips(Bundle.load(bundle), Bundle.load(against), data, rows, advance)
    verdicts, flips = sum(item.verdicts for item in found), sum(item.flips for item in found)
    good = flips <= MOST_FLIPS * verdicts
    if as_json:
        print_json({"bundle": bundle, "against": against, "ok": good, "most_flips": MOST_FLIPS, "tasks": found})
    else:
        for item in found:
            share = f"{item.flips} of {item.verdicts} verdicts flip ({item.flip_rate:.2%})"
            typer.echo(f"{item.task:<10} {share}, scores differ by {item.worst:.3f} at most")
        typer.echo(f"{'all':<10} {flips} of {verdicts} ({flips / max(1, verdicts):.2%}, at most {MOST_FLIPS:.1%} may)")
    return good
