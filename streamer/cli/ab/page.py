"""What an experiment says so far, to one self-contained page."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from engines.outcomes.assignment import MISMATCH_LEVEL
from engines.outcomes.judge import FIRST_LOOK, Finding, Judged, Plan
from streamer.report.plot import Interval, Line, course, forest
from streamer.report.shell import masthead, notes, shell
from streamer.report.tag import tag

_BAND = (
    "Relative change over units as they came in. The band holds at all of them at once: looking early costs nothing."
)
_LOOKS = {"ship": "answer yes", "stop": "answer no", "go on": "answer"}


def page(judged: Judged, plan: Plan, *, rejected: int, other_arms: int) -> str:
    """The page as text, to be written as UTF-8."""
    figures = [
        ("units of control", f"{judged.control_units:,}"),
        ("units of the treatment", f"{judged.treatment_units:,}"),
        ("assignment as planned", "no" if judged.assignment_broken else "yes"),
        (f"{judged.goal.name}, relative change", percent(judged.goal.lift)),
    ]
    return shell(
        "Earshot: experiment",
        masthead(
            "Experiment", "What the new verdicts changed for viewers, judged while outcomes still come in.", figures
        ),
        tag(
            "main",
            tag(
                "div", tag("strong", judged.answer.capitalize()), tag("p", judged.reason), class_=_LOOKS[judged.answer]
            ),
            _goal(judged),
            _all(judged, plan),
            _method(judged, plan, rejected, other_arms),
        ),
        styles=("study.css",),
    )


def percent(share: float) -> str:
    """A relative change with its sign: "+1.24 %"."""
    return f"{100 * share:+.2f} %"


def needed(finding: Finding) -> str:
    """What is decided, or how many units would decide it were the effect as it looks."""
    if finding.held is not None:
        return "holds" if finding.held else "does not hold"
    return "open" if finding.units_needed is None else f"open; about {finding.units_needed:,} units"


def _goal(judged: Judged) -> Element:
    drawn = judged.courses[judged.goal.name]
    if not drawn.units:
        plot = tag("p", f"Drawn from {FIRST_LOOK} units of each arm on.", class_="absent")
    else:
        line = Line(judged.goal.name, drawn.units, drawn.lift, drawn.low, drawn.high)
        label = f"Relative change of {judged.goal.name} over units; in the end {percent(judged.goal.lift)}"
        plot = course([line], label=label, told=percent, x_name="units")
    return tag(
        "section",
        tag("h2", f"The goal: {judged.goal.name}"),
        tag(
            "div",
            plot,
            tag(
                "p",
                _BAND,
                class_="muted",
            ),
            class_="panel",
        ),
    )


def _all(judged: Judged, plan: Plan) -> Element:
    findings = (judged.goal, *judged.guardrails)
    intervals = [
        Interval(f.name, f.lift, f.lift_low, f.lift_high, plan.worthwhile if f.margin is None else -f.margin)
        for f in findings
    ]
    columns = ("metric", "control", "treatment", "change", "interval", "must stay above", "")
    rows = [
        tag(
            "tr",
            tag("th", f.name, scope="row"),
            *(tag("td", text, class_="number") for text in (f"{f.control:.5g}", f"{f.treatment:.5g}", percent(f.lift))),
            tag("td", f"{percent(f.lift_low)} to {percent(f.lift_high)}", class_="number"),
            tag("td", percent(item.border), class_="number"),
            tag("td", needed(f)),
        )
        for f, item in zip(findings, intervals, strict=True)
    ]
    head = tag("tr", *(tag("th", name, scope="col") for name in columns))
    label = "; ".join(f"{item.name} {percent(item.value)}" for item in intervals)
    return tag(
        "section",
        tag("h2", "Every metric, relative to control"),
        tag(
            "div",
            forest(intervals, label=f"Intervals: {label}", told=percent),
            tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="table"),
            class_="panel",
        ),
    )


def _method(judged: Judged, plan: Plan, rejected: int, other_arms: int) -> Element:
    planned = f"{100 * plan.treatment_share:.3g} %"
    told = {
        "Assignment": f"{planned} of the units were to be treated; chi-square gives p = {judged.assignment_p:.3g}. "
        f"Below {MISMATCH_LEVEL} nothing else is believed.",
        "Intervals": f"asymptotic confidence sequences at {100 * (1 - plan.alpha):.3g} %, narrowest at "
        f"{plan.planned_units:,} units; ratios by the delta method over units of assignment.",
        "Adjusted": "by what the same units did before (CUPED), which took "
        f"{100 * judged.goal.spared:.0f} % of the goal's variance away.",
        "Ship": "when the goal's interval is above its border and every guardrail's above its margin.",
        "Stop": "when the assignment is broken, a guardrail is below its margin, or the goal falls or gains less than "
        "is worthwhile. Else go on.",
        "Left out": f"{rejected:,} broken rows and units, {other_arms:,} units of other arms.",
    }
    return notes("How it was judged", told)
