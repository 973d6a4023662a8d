"""Records to one self-contained HTML page: no script, no request, nothing that a stranger's title could set off."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from streamer.audit import AuditReport
from streamer.records import TASKS, Modality, State, Task
from streamer.report import words
from streamer.report.card import card
from streamer.report.shell import masthead, shell
from streamer.report.shown import Part, Shown, Summary
from streamer.report.tag import tag


def page(parts: Sequence[Part]) -> str:
    """The page as text, to be written as UTF-8."""
    shown = [item for part in parts for item in part.shown]
    anchors = [f"video-{number}" for number in range(1, len(shown) + 1)]
    anchor = iter(anchors)
    overviews = [_overview(part, [next(anchor) for _ in part.shown]) for part in parts]
    return shell(
        "Earshot: verdicts",
        _masthead(shown, sum(part.summary.wall_seconds for part in parts)),
        tag(
            "main",
            *overviews,
            tag(
                "section",
                tag("h2", "Video by video"),
                legend(truths=any(item.truth and item.truth.spans for item in shown)),
                *(card(item, anchor) for item, anchor in zip(shown, anchors, strict=True)),
            ),
        ),
    )


def _masthead(shown: Sequence[Shown], wall_seconds: float) -> Element:
    right, known = words.agreement(shown)
    entries = [("videos", f"{len(shown)}"), ("verdicts", f"{sum(len(item.verdicts) for item in shown)}")]
    if known:
        entries.append(("as the truth says", f"{right} of {known}"))
    entries.append(("wall time", words.seconds(wall_seconds)))
    lead = "What these videos show, say and sound like, and what that means for them."
    return masthead("Earshot", lead, entries)


def _audit(audit: AuditReport | None) -> Element | None:
    if audit is None:
        return None
    balanced = words.balanced(audit)
    verdict = "nothing lost, nothing twice" if balanced else "the conservation law is BROKEN"
    told = tag("strong", f"Audit: {verdict}. ")
    return tag("p", told, words.audited(audit), class_="note" if balanced else "note broken")


def _reupload(summary: Summary) -> Element | None:
    if summary.reupload is None:
        return None
    return tag("p", tag("strong", "Re-upload. "), words.served(summary.reupload), class_="note")


def _overview(part: Part, anchors: Sequence[str]) -> Element:
    header = tag("tr", *(tag("th", name, scope="col") for name in ("video", *TASKS, "time")))
    rows = [_overview_row(item, anchor) for item, anchor in zip(part.shown, anchors, strict=True)]
    return tag(
        "section",
        tag("h2", part.heading),
        tag("p", "Judged by bundle ", tag("code", part.summary.bundle), ".", class_="muted"),
        _audit(part.summary.audit),
        _reupload(part.summary),
        tag("table", tag("thead", header), tag("tbody", *rows), class_="overview"),
    )


def _overview_row(item: Shown, anchor: str) -> Element:
    spent_ms = item.spent_ms
    name = tag("th", tag("a", tag("bdi", item.file), href=f"#{anchor}"), scope="row", id=f"{anchor}-name")
    if item.dead_letter is not None:
        letter = item.dead_letter
        ending = tag("td", f"{letter.ending}: {letter.reason}", colspan=len(TASKS), class_="state")
        return tag("tr", name, ending, tag("td"))
    return tag(
        "tr",
        name,
        *(tag("td", _outcome(item, task)) for task in TASKS),
        tag("td", "" if spent_ms is None else words.milliseconds(spent_ms), class_="number"),
    )


def _outcome(item: Shown, task: Task) -> Element:
    verdict = item.verdict(task)
    if verdict is None:
        return tag("span", "–", tag("span", "not asked", class_="unseen"), class_="muted")
    sign = tag("span", f"{words.SIGNS[verdict.action]} ", aria_hidden="true")
    action = tag("span", verdict.action.value, class_="action")
    badge = tag("span", sign, action, class_=f"badge {verdict.action.value}", title=verdict.action.value)
    state = None if verdict.state == State.DECIDED else tag("span", words.state(verdict), class_="state")
    return tag("div", badge, state)


def legend(*, truths: bool) -> Element:
    """What the marks of a card's time line mean."""

    def entry(look: str, text: str) -> Element:
        swatch = tag("svg", tag("rect", width=12, height=12, class_=look), width=12, height=12, aria_hidden="true")
        return tag("li", swatch, f" {text}")

    return tag(
        "ul",
        entry(Modality.VISION.value, "vision, above the line"),
        entry(Modality.AUDIO.value, "audio, below the line"),
        entry(Modality.TEXT.value, "text, beside the task's name"),
        entry("true", "where it truly is") if truths else None,
        entry("gap", "largest stretch without a look"),
        entry("unheard", "not listened to"),
        class_="legend",
    )
