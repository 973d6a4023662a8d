"""`earshot ab judge`: ship, stop or go on, from a table or from the topics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engines.cli.common import JsonOption, errors_told, need_packages, print_json
from streamer.cli import common
from streamer.cli.ab.show import show

if TYPE_CHECKING:
    from engines.outcomes.judge import Judged, Plan
    from engines.outcomes.log import Layout
    from streamer.cli.ab.topic import Counted
    from streamer.cli.ab.where import Where

GOAL = "quality_view_rate=quality_views/views"

LogArgument = Annotated[
    Path | None, typer.Argument(help="CSV, JSONL or Parquet: a row per unit, or many that are summed.")
]
FromTopicOption = Annotated[bool, typer.Option("--from-topic", help="Outcomes from their topic instead of a log.")]
ArmsOption = Annotated[
    Path | None, typer.Option("--arms", help="Verdicts or a table with each unit's arm, if outcomes have none.")
]
ArmsFromTopicOption = Annotated[
    bool, typer.Option("--arms-from-topic", help="Each video's arm from the verdict topics: what bundle judged it.")
]
GoalOption = Annotated[str, typer.Option("--goal", metavar="NAME=NUM/DEN", help="What shall rise.")]
GuardrailOption = Annotated[
    list[str] | None,
    typer.Option(
        "--guardrail",
        metavar="NAME=NUM/DEN:1%",
        help="What must not fall by more than that. May be given many times.",
    ),
]
UnitOption = Annotated[str, typer.Option("--unit", help="Column of what was assigned: a viewer, a video.")]
ArmOption = Annotated[
    str | None,
    typer.Option("--arm", help="Column of the arm, or a path. Else `arm`; of verdict topics lineage.bundle_id."),
]
AtOption = Annotated[str, typer.Option("--at", help="Column of the time. Without it, the order of the rows.")]
ControlOption = Annotated[str, typer.Option("--control", help="Value of the arm that stays as it is.")]
TreatmentOption = Annotated[str, typer.Option("--treatment", help="Value of the arm that is new.")]
ShareOption = Annotated[float, typer.Option("--share", help="Planned share of the treatment.")]
AlphaOption = Annotated[float, typer.Option("--alpha", help="Error of each interval, over all looks.")]
PlannedOption = Annotated[
    int, typer.Option("--planned-units", min=1, help="Where intervals are narrowest. Fix it beforehand.")
]
WorthwhileOption = Annotated[
    float, typer.Option("--worthwhile", help="Least relative gain of the goal worth shipping.")
]
ExperimentOption = Annotated[
    str | None, typer.Option("--experiment", help="Only outcomes of this experiment, of those in the topic.")
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder for report.html, result.json and rejected.jsonl.")]


def judge(
    log: LogArgument = None,
    from_topic: FromTopicOption = False,
    arms: ArmsOption = None,
    arms_from_topic: ArmsFromTopicOption = False,
    goal: GoalOption = GOAL,
    guardrail: GuardrailOption = None,
    unit: UnitOption = "unit",
    arm: ArmOption = None,
    at: AtOption = "at",
    control: ControlOption = "control",
    treatment: TreatmentOption = "treatment",
    share: ShareOption = 0.5,
    alpha: AlphaOption = 0.05,
    planned_units: PlannedOption = 10_000,
    worthwhile: WorthwhileOption = 0.0,
    experiment: ExperimentOption = None,
    since: common.SinceOption = None,
    brokers: common.BrokersOption = None,
    out: OutOption = Path("out/ab"),
    config: common.ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ship, stop or go on: with intervals that hold however often one looks.

    Checks the assignment first, adjusts by columns NAME_before (the same count before the experiment), and keeps broken
    rows apart. --from-topic reads what `ab send` or your own tools have written, up to the end that the topic has now.

    Example: earshot ab views.csv --guardrail "revenue_per_view=revenue/views:1%"

    Example: earshot ab --from-topic --experiment new-verdicts --brokers broker:9092
    """
    need_packages("pilot", "scipy")
    from engines.outcomes.log import Layout, metric_columns
    from streamer.cli.ab.where import where_from

    with errors_told(), common.errors_told():
        where = where_from(log, from_topic, arms, arms_from_topic, experiment, since, brokers, config)
        plan = _plan(goal, guardrail or [], share, alpha, planned_units, worthwhile)
        columns = metric_columns(metric.columns for metric in (plan.goal, *(one.metric for one in plan.guardrails)))
        arm = arm or ("lineage.bundle_id" if arms_from_topic else "arm")
        layout = Layout(columns, unit=unit, arm=arm, at=at, control=control, treatment=treatment)
        judged, left_out, counted = _judged(where, layout, plan, out)
    if as_json:
        told = {"judged": judged, "rejected": left_out, "report": str(out / "report.html")}
        print_json(told | ({} if counted is None else {"topic": counted}))
    else:
        show(judged, left_out, out, counted)


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


def _judged(where: Where, layout: Layout, plan: Plan, out: Path) -> tuple[Judged, int, Counted | None]:
    """The answer, after all files are written; how many broken rows are listed beside it; what was in the topic."""
    import msgspec

    from engines.data.rows import write_rejected, write_whole
    from engines.outcomes.judge import judge as judged_by
    from engines.outcomes.log import log_of
    from streamer.cli.ab.page import page
    from streamer.cli.ab.where import tables

    outcomes, arms, counted = tables(where, layout)
    read = log_of(outcomes, layout, arms)
    judged = judged_by(read.experiment, plan)
    left_out = len(read.rejected)
    write_rejected(read.rejected, out / "rejected.jsonl")
    write_whole(out / "result.json", msgspec.json.format(msgspec.json.encode(judged), indent=2) + b"\n")
    write_whole(out / "report.html", page(judged, plan, rejected=left_out, other_arms=read.other_arms).encode())
    return judged, left_out, counted
