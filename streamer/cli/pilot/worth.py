"""What a way of calling videos is worth: the assumptions, the formulas, and the rule that answers go or no-go."""

from __future__ import annotations

from dataclasses import dataclass

from engines.pilot.finding import Finding
from engines.pilot.uncertainty import Reach
from streamer.report.assumptions import Assumption, Result, Sheet

#: Above this number of labels a difference is too small to be worth looking for.
MOST_MORE = 500


@dataclass(frozen=True, slots=True)
class Terms:
    """What the user said, in one currency. A call is looked at by a person, at `label`."""

    label: float
    miss: float
    false_alarm: float
    videos_a_day: float
    core_hour: float
    base_rate: float | None = None


#: Per 1,000 videos. Nobody: all bad ones pass. People: all are looked at, and people miss nothing, which favours them.
_EARSHOT = (
    "1000 * ({rate} * (1 - {caught}) * miss + ({rate} * {caught} + (1 - {rate}) * {alarms}) * label"
    " + (1 - {rate}) * {alarms} * false_alarm + cpu_seconds / 3600 * core_hour)"
)


def _cost(caught: str, alarms: str) -> str:
    return _EARSHOT.format(rate="base_rate", caught=caught, alarms=alarms)


def sheet_of(finding: Finding, terms: Terms, cpu_seconds: float) -> Sheet:
    """Assumptions and results of one task under its recommended way."""
    way = finding.ways[finding.best]
    base = finding.bad / finding.videos if terms.base_rate is None else terms.base_rate
    given = "said on the command line"
    of_labels = f"{finding.bad} of your {finding.videos} labelled videos; if you picked them, put the real rate here"
    assumptions = (
        Assumption("videos_a_day", "Videos a day", terms.videos_a_day, "", given),
        Assumption("base_rate", "Bad ones among them", base, "%", of_labels if terms.base_rate is None else given),
        _reached("caught", "Bad ones that are caught", way.caught, "bad"),
        _reached("alarms", "Good ones that are called", way.false_alarms, "good"),
        Assumption("miss", "Cost of a miss", terms.miss, "", given),
        Assumption("label", "Cost of one look by a person", terms.label, "", given),
        Assumption("false_alarm", "Cost of a false alarm beside the look", terms.false_alarm, "", given),
        Assumption("cpu_seconds", "CPU time of a video", cpu_seconds, "s", "measured on your videos on this machine"),
        Assumption("core_hour", "Cost of a core for an hour", terms.core_hour, "", given),
    )
    had = (
        Result("bad_labels", "", f"{finding.bad}", hidden=True),
        Result("good_labels", "", f"{finding.videos - finding.bad}", hidden=True),
    )
    return Sheet(finding.task, assumptions, (*had, *_RESULTS))


def _reached(name: str, label: str, reach: Reach, kind: str) -> Assumption:
    source = f"measured on {reach.of} {kind} videos, with the 95 % interval"
    return Assumption(name, label, reach.value, "%", source, {f"{name}_low": reach.low, f"{name}_high": reach.high})


_RESULTS = (
    Result("nobody", "Nobody looks: cost of 1,000 videos", "1000 * base_rate * miss"),
    Result("people", "People look at all", "1000 * label"),
    Result("earshot", "Earshot calls, people look at what it calls", _cost("caught", "alarms")),
    Result("instead", "", "min(nobody, people)", hidden=True),
    Result("saving", "Saved on 1,000 videos, against the cheaper of the two", "instead - earshot"),
    Result("saving_low", "... at worst", f"instead - ({_cost('caught_low', 'alarms_high')})"),
    Result("saving_high", "... at best", f"instead - ({_cost('caught_high', 'alarms_low')})"),
    Result("year", "Saved in a year", "saving / 1000 * videos_a_day * 365"),
    Result("looked_at", "Looks by people on 1,000 videos", "1000 * (base_rate * caught + (1 - base_rate) * alarms)"),
    Result("spared", "Looks saved against looking at all", "1 - looked_at / 1000", unit="%"),
    Result(
        "reach_bad", "", f"(({_cost('caught_low', 'alarms')}) - ({_cost('caught_high', 'alarms')})) / 2", hidden=True
    ),
    Result(
        "reach_good", "", f"(({_cost('caught', 'alarms_high')}) - ({_cost('caught', 'alarms_low')})) / 2", hidden=True
    ),
    Result("from_bad", "", "reach_bad > reach_good", hidden=True),
    Result("wide", "", "max(reach_bad, reach_good)", hidden=True),
    Result("narrow", "", "min(reach_bad, reach_good)", hidden=True),
    Result("had", "", "from_bad * bad_labels + (1 - from_bad) * good_labels", hidden=True),
    Result("room", "", "max(abs(saving) - narrow, 0.000001)", hidden=True),
    Result("more", "", "max(10, ceil(had * ((wide / room) ** 2 - 1) / 10) * 10)", hidden=True),
    Result(
        "answer",
        "Answer",
        f"(saving_low > 0) - max(saving_high < 0, (more > {MOST_MORE}) * (1 - (saving_low > 0)))",
        texts={"1": "Go", "-1": "No-go", "0": "Label more"},
    ),
)
