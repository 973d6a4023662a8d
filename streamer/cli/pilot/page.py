"""Stage 1 to one self-contained page that is read in five minutes."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from engines.pilot.finding import Audio, Finding, Way, WayName
from engines.pilot.uncertainty import Reach
from streamer.cli.pilot.start import Answer, Stage
from streamer.report.card import card
from streamer.report.page import legend
from streamer.report.plot import Interval, forest
from streamer.report.shell import masthead, notes, shell
from streamer.report.tag import tag

WAYS: dict[WayName, str] = {
    "shipped": "as shipped, no label used",
    "by_cost": "as shipped, threshold by your costs",
    "head": "a head learnt from your labels",
}
_BAD = {"clickbait": "are clickbait", "adult": "are not for minors", "relevance": "do not answer their query"}


def page(stage: Stage) -> str:
    """The page as text, to be written as UTF-8."""
    figures = [
        ("videos judged", f"{len(stage.judged):,}"),
        ("with your labels", f"{len(stage.labels.by_file):,}"),
        ("CPU time a video", f"{stage.cpu_seconds:.2f} s"),
        ("left this machine", "nothing"),
    ]
    return shell(
        "Earshot: pilot",
        masthead("Pilot: is it worth going on?", "Your own videos, your own labels, your own costs.", figures),
        tag(
            "main",
            *map(_answer, stage.answers),
            tag("section", tag("h2", "What it caught and missed"), *map(_caught, stage.findings)),
            tag("section", tag("h2", "What sound added on your videos"), *_sound(stage.findings)),
            tag("section", tag("h2", "What it is worth"), _worth_note(), *_worth(stage)),
            _videos(stage),
            _method(stage),
        ),
        styles=("study.css",),
        script="assumptions.js",
    )


def percent(reach: Reach) -> str:
    """A share with its interval: "83 % (55 to 95 %)"."""
    return f"{100 * reach.value:.0f} % ({100 * reach.low:.0f} to {100 * reach.high:.0f} %)"


def points(value: float) -> str:
    """A difference of shares: "+12 points"."""
    return f"{100 * value:+.0f} points"


def _answer(answer: Answer) -> Element:
    look = {"go": "answer yes", "no-go": "answer no"}.get(answer.answer, "answer")
    begin = tag("p", "Begin with: ", tag("bdi", ", ".join(answer.label_next))) if answer.label_next else None
    return tag(
        "div",
        tag("strong", f"{answer.task.capitalize()}: {answer.answer}"),
        tag("p", f"{answer.reason[0].upper()}{answer.reason[1:]}."),
        begin,
        class_=look,
    )


def _caught(found: Finding) -> Element:
    columns = ("way", "bad ones caught", "good ones called", "average precision")
    rows = [_way(name, way, best=name == found.best) for name, way in found.ways.items()]
    head = tag("tr", *(tag("th", column, scope="col") for column in columns))
    told = (
        f"{found.bad} of {found.videos} labelled videos {_BAD[found.task]}. By the way in bold "
        f"{len(found.caught)} of them are caught, {len(found.missed)} are missed, and {len(found.false_alarms)} others "
        "are called."
    )
    return tag(
        "div",
        tag("h3", found.task.capitalize()),
        tag("p", told),
        tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="table"),
        class_="panel",
    )


def _way(name: WayName, way: Way, *, best: bool) -> Element:
    label = tag("th", tag("strong" if best else "span", WAYS[name]), scope="row")
    precise = way.average_precision
    told = f"{precise.value:.2f} ({precise.low:.2f} to {precise.high:.2f})" if precise.of else "–"
    shares = (percent(reach) if reach.of else "–" for reach in (way.caught, way.false_alarms))
    return tag("tr", label, *(tag("td", text) for text in shares), tag("td", told))


def _sound(findings: Sequence[Finding]) -> list[Element]:
    parts = [_heard(found.task, found.audio) for found in findings if found.audio is not None]
    return parts or [tag("p", "Too few labels of both kinds to tell.", class_="absent")]


def _heard(task: str, audio: Audio) -> Element:
    intervals = [
        Interval("caught", audio.caught.value, audio.caught.low, audio.caught.high),
        Interval(
            "average precision",
            audio.average_precision.value,
            audio.average_precision.low,
            audio.average_precision.high,
        ),
    ]
    changed = (
        ("Caught by sound alone", audio.caught_by_sound),
        ("Missed because of sound", audio.lost_by_sound),
        ("Called wrongly because of sound", audio.alarms_by_sound),
        ("Spared a wrong call by sound", audio.spared_by_sound),
    )
    listed = [tag("li", tag("b", f"{name}: "), tag("bdi", ", ".join(files))) for name, files in changed if files]
    label = f"{task}: with sound less without, {points(audio.caught.value)} caught"
    return tag(
        "div",
        tag("h3", task.capitalize()),
        forest(intervals, label=label, told=points),
        tag("ul", *listed, class_="plain") if listed else tag("p", "Sound changed no call."),
        class_="panel",
    )


def _worth_note() -> Element:
    return tag(
        "p",
        "Every number on the left may be changed; what follows from it changes at once, in this page and nowhere else.",
        class_="muted",
    )


def _worth(stage: Stage) -> list[Element]:
    return [
        tag("div", sheet.element(heading=task.capitalize()), class_="panel", id=f"worth-{task}")
        for task, sheet in stage.sheets.items()
    ] or [tag("p", "Nothing can be said without labels of both kinds.", class_="absent")]


def _videos(stage: Stage) -> Element:
    cards = (card(shown, f"video-{number}") for number, shown in enumerate(stage.shown, start=1))
    return tag("section", tag("h2", "Videos to look at"), legend(truths=False), *cards)


def _method(stage: Stage) -> Element:
    failed = [item for item in stage.judged if not item.embedding]
    told = {
        "The rule": "go when Earshot saves money even at the worst ends of both intervals; no-go when it does not even "
        "at the best ends, or when more than 500 labels would be needed to tell; else label more of the kind that the "
        "width of the interval comes from.",
        "Shares": "intervals of Jeffreys at 95 %. Average precision and what sound added: 2,000 bootstrap samples of "
        "the videos; where all is ranked right they cannot tell. All say how far chance reaches, not whether these "
        "videos are like those to come.",
        "Held out": "thresholds and the head are judged on videos they have not seen, five times over, in five folds. "
        "The head is logistic regression on the shipped score and on how alike videos are: in all that was perceived "
        "together, or in the senses in which the labels differ. A later way replaces an earlier one only when it is "
        "cheaper by more than chance.",
        "Without sound": "the same network on the same video with its sound left out.",
        "Judged by": f"bundle {stage.bundle}; {stage.wall_seconds:.0f} s in all.",
        "Left out": f"{len(stage.labels.rejected)} rows of labels that cannot be used, {len(failed)} videos that "
        "cannot be judged.",
        "Here only": "videos, labels and this page have not left this machine.",
    }
    return notes("How sure this is", told)
