"""`earshot ab`: what new verdicts are worth, from the outcomes of an experiment that may still be running."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engines.cli.common import FirstByDefault, JsonOption, errors_told, need_packages, print_json, progress
from streamer.cli.ab.judge import judge
from streamer.cli.ab.send import send
from streamer.cli.ab.show import show_study

app = typer.Typer(
    cls=FirstByDefault,
    no_args_is_help=True,
    help="Judge an experiment by its outcomes. `ab LOG` is `ab judge LOG`, `ab --from-topic` reads the stream; without "
    "a log, `ab simulate` makes one.",
)

app.command()(judge)
app.command()(send)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="The log: .csv or .jsonl.")],
    units: Annotated[int, typer.Option(min=4, help="Viewers.")] = 20_000,
    quality_lift: Annotated[float, typer.Option(help="Planted relative change of the quality view rate.")] = 0.0,
    revenue_lift: Annotated[float, typer.Option(help="Planted relative change of the revenue per view.")] = 0.0,
    lost: Annotated[float, typer.Option(help="Share of the treatment's units that never arrive.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal logs.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Make the log of an experiment whose truth is known.

    Example: earshot ab simulate out/log.csv --quality-lift 0.05; earshot ab out/log.csv
    """
    need_packages("pilot", "scipy")
    import numpy as np

    from engines.outcomes.simulate import Planted, write_log
    from engines.outcomes.simulate import simulate as simulated

    with errors_told():
        experiment = simulated(Planted(quality_lift, revenue_lift, lost), units, np.random.default_rng(seed))
        write_log(experiment, out)
    treated = int(experiment.treated_N.sum())
    if as_json:
        print_json({"log": str(out), "units": experiment.units, "treatment": treated})
    else:
        typer.echo(f"{experiment.units:,} units, {treated:,} of the treatment, in {out}")


@app.command()
def study(
    simulations: Annotated[int, typer.Option(min=1, help="Experiments for each row.")] = 1000,
    units: Annotated[int, typer.Option(min=1000, help="Of each experiment.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal results.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """How often intervals that are looked at all the time are wrong, and how often they find what was planted."""
    need_packages("pilot", "scipy")
    from engines.outcomes.study import designs, measure

    designed = designs(simulations, units)
    with errors_told(), progress("experiments", simulations * len(designed)) as advance:
        found = [measure(design, seed, on_simulation=advance) for design in designed]
    if as_json:
        print_json(found)
    else:
        show_study(found)
