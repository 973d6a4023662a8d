"""`earshot ab`: what new verdicts are worth, from the outcomes of an experiment that may still be running."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engines.cli.common import FirstByDefault, JsonOption, errors_told, need_packages, print_json, progress
from streamer.cli.ab.show import show, show_study

if TYPE_CHECKING:
    from engines.outcomes.judge import Judged, Plan
    from engines.outcomes.log import Layout

GOAL = "quality_view_rate=quality_views/views"

app = typer.Typer(
    cls=FirstByDefault,
    no_args_is_help=True,
    help="Judge an experiment by its outcomes. `ab LOG` is `ab judge LOG`; without a log, `ab simulate` makes one.",
)


@app.command()
def judge(
    log: Annotated[Path, typer.Argument(help="CSV, JSONL or Parquet: a row per unit, or many that are summed.")],
    arms: Annotated[
        Path | None, typer.Option(help="Verdicts or a table with each unit's arm, if the log has none.")
    ] = None,
    goal: Annotated[str, typer.Option(metavar="NAME=NUM/DEN", help="What shall rise.")] = GOAL,
    guardrail: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=NUM/DEN:1%", help="What must not fall by more than that. May be given many times."),
    ] = None,
    unit: Annotated[str, typer.Option(help="Column of what was assigned: a viewer, a video.")] = "unit",
    arm: Annotated[str, typer.Option(help="Column of the arm, or a path: lineage.bundle_id.")] = "arm",
    at: Annotated[str, typer.Option(help="Column of the time. Without it, the order of the rows.")] = "at",
    control: Annotated[str, typer.Option(help="Value of the arm that stays as it is.")] = "control",
    treatment: Annotated[str, typer.Option(help="Value of the arm that is new.")] = "treatment",
    share: Annotated[float, typer.Option(help="Planned share of the treatment.")] = 0.5,
    alpha: Annotated[float, typer.Option(help="Error of each interval, over all looks.")] = 0.05,
    planned_units: Annotated[
        int, typer.Option(min=1, help="Where intervals are narrowest. Fix it beforehand.")
    ] = 10_000,
    worthwhile: Annotated[float, typer.Option(help="Least relative gain of the goal worth shipping.")] = 0.0,
    out: Annotated[Path, typer.Option(help="Folder for report.html, result.json and rejected.jsonl.")] = Path("out/ab"),
    as_json: JsonOption = False,
) -> None:
    """Ship, stop or go on: with intervals that hold however often one looks.

    Checks the assignment first, adjusts by columns NAME_before (the same count before the experiment), and keeps broken
    rows apart. Example: earshot ab views.csv --guardrail "revenue_per_view=revenue/views:1%"
    """
    need_packages("pilot", "scipy")
    from engines.outcomes.log import Layout

    with errors_told():
        plan = _plan(goal, guardrail or [], share, alpha, planned_units, worthwhile)
        columns = tuple(dict.fromkeys(c for m in (plan.goal, *(g.metric for g in plan.guardrails)) for c in m.columns))
        layout = Layout(columns, unit=unit, arm=arm, at=at, control=control, treatment=treatment)
        judged, left_out = _judged(log, arms, layout, plan, out)
    if as_json:
        print_json({"judged": judged, "rejected": left_out, "report": str(out / "report.html")})
    else:
        show(judged, left_out, out)


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


def _plan(goal: str, guardrails: list[str], share: float, alpha: float, planned_units: int, worthwhile: float) -> Plan:
    from engines.outcomes.experiment import Metric
    from engines.outcomes.judge import Guardrail, Plan

    return Plan(
        Metric.parsed(goal),
        tuple(map(Guardrail.parsed, guardrails)),
        treatment_share=share,
        alpha=alpha,
        planned_units=planned_units,
        worthwhile=worthwhile,
    )


def _judged(log: Path, arms: Path | None, layout: Layout, plan: Plan, out: Path) -> tuple[Judged, int]:
    """The answer, after all files are written; and how many broken rows are listed beside it."""
    import msgspec

    from engines.data.rows import write_rejected, write_whole
    from engines.outcomes.judge import judge as judged_by
    from engines.outcomes.log import read_log
    from streamer.cli.ab.page import page

    read = read_log(log, layout, arms)
    judged = judged_by(read.experiment, plan)
    left_out = len(read.rejected)
    write_rejected(read.rejected, out / "rejected.jsonl")
    write_whole(out / "result.json", msgspec.json.format(msgspec.json.encode(judged), indent=2) + b"\n")
    write_whole(out / "report.html", page(judged, plan, rejected=left_out, other_arms=read.other_arms).encode())
    return judged, left_out
