"""Stage 2: hundreds of labelled videos; rounds of labels, chosen against drawn by chance, to one page."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

import msgspec

from engines.data.rows import write_whole
from engines.pilot.rounds import STRATEGIES, Course, Plan, Race, race
from streamer.assemble import open_parts
from streamer.cli.pilot.judging import Progress
from streamer.cli.pilot.start import REPORT, RESULT, evidence_of, judge_labelled
from streamer.records import Task
from streamer.report.assumptions import Assumption, Result, Sheet
from streamer.report.plot import Line, course
from streamer.report.shell import masthead, notes, shell
from streamer.report.tag import tag
from streamer.settings import Settings

NAMES = {"random": "by chance", "margin": "what the head is unsure of", "lsb": "latent space broadening"}


def run(
    videos: Path, labels_file: Path, pilot: Path, task: Task, plan: Plan, settings: Settings, progress: Progress
) -> Race:
    """Judge what stage 1 has not judged, and play. Raises `ValueError` where labels are too few."""
    with open_parts(settings) as parts:
        judged, labels = judge_labelled(videos, labels_file, pilot, parts, settings, progress)
    evidence = evidence_of(task, judged, labels)
    if evidence is None:
        raise ValueError(f"{labels_file}: came no label of {task} of a video that can be judged, expected hundreds")
    with progress("rounds", plan.seeds * len(STRATEGIES)) as advance:
        return race(task, evidence.traits, evidence.bad_N, plan, on_run=advance)


def sheet_of(played: Race, cost_per_label: float) -> Sheet:
    """What the labels that are not needed would have cost."""
    saved, low, high = played.saved
    source = f"mean of {played.seeds} plays, with the 95 % interval over them"
    assumptions = (
        Assumption("saved", "Labels saved", saved, "", source, {"saved_low": low, "saved_high": high}),
        Assumption("label", "Cost of a label", cost_per_label, "", "said on the command line"),
        Assumption("campaigns", "Such campaigns a year", 12, "", "an assumption; put your own here"),
    )
    results = (
        Result("share", "Of the labels that chance needs", f"saved / {played.labels[-1]}", unit="%"),
        Result("money", "Saved in a campaign", "saved * label", digits=2),
        Result("year", "Saved in a year", "money * campaigns", digits=2),
        Result("year_low", "... at worst", "saved_low * label * campaigns", digits=2),
    )
    return Sheet("rounds", assumptions, results)


def told(played: Race) -> str:
    """The finding in a sentence."""
    saved, low, high = played.saved
    gain, least, most = (100 * value for value in played.gain)
    return (
        f"{played.task}: to find as many bad videos as {played.labels[-1]} labels drawn by chance, broadening needs "
        f"{saved:.0f} fewer ({low:.0f} to {high:.0f}); the head's average precision is {gain:+.1f} points over chance "
        f"({least:+.1f} to {most:+.1f}), mean over the rounds"
    )


def page(played: Race, sheet: Sheet) -> str:
    """The page as text, to be written as UTF-8."""
    figures = [
        ("labelled videos", f"{played.videos:,}"),
        ("bad ones", f"{played.bad:,}"),
        ("plays", f"{played.seeds}"),
        ("labels saved", sheet.told("share")),
    ]
    return shell(
        "Earshot: rounds of labels",
        masthead("Which labels are worth having?", f"Your own labels of {played.task}, hidden and asked for.", figures),
        tag(
            "main",
            tag("div", tag("p", told(played)), class_="answer yes" if played.saved[1] > 0 else "answer"),
            tag("section", tag("h2", "Bad videos found"), _plot(played, found=True)),
            tag("section", tag("h2", "What the head makes of the labels"), _plot(played, found=False)),
            tag(
                "section",
                tag("h2", "What it is worth"),
                tag("div", sheet.element(heading="Assumptions"), class_="panel"),
            ),
            _method(played),
        ),
        styles=("study.css",),
        script="assumptions.js",
    )


def write(played: Race, sheet: Sheet, out: Path) -> dict[str, object]:
    """The page and the numbers behind it; what scripts are told."""
    numbers = {"race": played, "worth": sheet.numbers()}
    write_whole(out / RESULT, msgspec.json.format(msgspec.json.encode(numbers), indent=2) + b"\n")
    write_whole(out / REPORT, page(played, sheet).encode())
    return numbers | {"report": str(out / REPORT)}


def _plot(played: Race, *, found: bool) -> Element:
    lines = [_line(played, one, n, found=found) for n, one in enumerate(played.courses)]
    last = {line.name: line.value[-1] for line in lines}
    label = "; ".join(f"{name} {_percent(value)}" for name, value in last.items())
    names = [
        tag(
            "li",
            tag("svg", tag("rect", width=12, height=12, class_=f"series-{n}"), width=12, height=12, aria_hidden="true"),
            f" {line.name}",
        )
        for n, line in enumerate(lines)
    ]
    level = None if found else played.shipped
    under = (
        "Share of the bad ones of the pool that have a label."
        if found
        else (f"Average precision on held-out videos; the broken line is the bundle as shipped, {played.shipped:.2f}.")
    )
    return tag(
        "div",
        tag("ul", *names, class_="legend"),
        course(lines, label=f"After {played.labels[-1]} labels: {label}", told=_percent, level=level, x_name="labels"),
        tag("p", under, class_="muted"),
        class_="panel",
    )


def _line(played: Race, one: Course, n: int, *, found: bool) -> Line:
    value, low, high = (one.found,) * 3 if found else (one.quality, one.low, one.high)
    return Line(NAMES[one.strategy], played.labels, value, low, high, f"series-{n}")


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _method(played: Race) -> Element:
    entries = {
        "Played": f"{played.seeds} times, each with other first labels and other held-out videos, the same for all "
        "three. All labels are known and hidden; an answer costs nothing here.",
        "The head": "logistic regression on the shipped score and on how alike videos are: in all that was perceived "
        "together, or in the senses in which the labels differ. Fitted anew after each round.",
        "Held out": "a third of the videos, which none may ask about.",
        "Broadening": "is Earshot's design of latent space broadening: from what was just found and what was just "
        "wrong to its neighbours, with a share for each that learns from the answers.",
    }
    return notes("How it was played", entries)
