"""`earshot evaluate teach`: how many labels does a category need?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import BundleArgument, JsonOption, errors_told, need_training_packages, print_json, progress


def teach(
    bundle: BundleArgument,
    features: Annotated[Path, typer.Option(help="Composed clips: `earshot dataset features`.", exists=True)],
    labels: Annotated[list[int] | None, typer.Option(min=32, help="How many; may be given many times.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of who is labelled, for each number.")] = 4,
    clips: Annotated[int, typer.Option(min=100, help="Training clips that labels are drawn from, at most.")] = 5000,
    as_json: JsonOption = False,
) -> None:
    """Teach each thing that is seen or heard in the composed clips as if it were a policy, and look for it in the test.

    A quarter of the labels say yes. `towers` is beside it for comparison: heads on what frozen towers say, which have
    never seen any of these clips or heard the things' names.
    """
    need_training_packages()
    from engines.bundle import Bundle
    from engines.evaluation.teaching import FEWEST, QUARTER, heads, open_table, worth
    from engines.learn.stored import batches

    budgets = labels or [32, 60, 120, 240]
    with errors_told():
        loaded = Bundle.load(bundle)
        with progress("clips", batches(clips + 2000)) as advance:
            # So many of a kind that the largest number of labels has its quarter.
            table = open_table(loaded, features, clips, max(FEWEST, *(one // QUARTER for one in budgets)), advance)
        with progress("heads", heads(table, budgets, seeds)) as advance:
            found = list(worth(table, budgets, seeds, advance))
    if as_json:
        print_json(found)
        return
    typer.echo(f"{'':<6} {'views':<7} {'labels':>6} {'kinds':>5} {'AP':>6} {'':<14} {'chance':>6} {'recall':>6}  reads")
    for row in found:
        interval = f"[{row.low:.3f}, {row.high:.3f}]"
        reads = ", ".join(f"{name} {share:.0%}" for name, share in row.senses.items())
        typer.echo(
            f"{row.perceived:<6} {row.views:<7} {row.labels:>6} {row.kinds:>5} {row.average_precision:>6.3f} "
            f"{interval} {row.base:>6.3f} {row.recall:>6.3f}  {reads}"
        )
