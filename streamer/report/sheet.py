"""Requests for labels to one page that asks a person: works without a network, and keeps the answers to itself.

The person sees the video, its words and the question. Why it is asked stays folded away until it is opened: whoever
reads "a reviewer called this clickbait" first has been told the answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from xml.etree.ElementTree import Element

from streamer.labels.choices import QUESTIONS, WORDS
from streamer.records import Clip, Event, LabelRequest, Like
from streamer.report.frame import framed
from streamer.report.shown import Shown
from streamer.report.tag import tag
from streamer.report.timeline import timeline


@dataclass(frozen=True, slots=True)
class Asked:
    """One request on the sheet, drawn by `asked`. pictured: whether frames or sound are there."""

    request: LabelRequest
    card: Element
    pictured: bool


def sheet(items: Sequence[Asked]) -> str:
    """The page as text, to be written as UTF-8."""
    folder = files("streamer.report")
    style = "".join(folder.joinpath(name).read_text("utf-8") for name in ("page.css", "sheet.css"))
    ids = "\n".join(item.request.request_id for item in items)
    main = tag("main", *(item.card for item in items), data_sheet=hashlib.sha256(ids.encode()).hexdigest()[:16])
    return framed(
        "Earshot: what are these videos?",
        _bar(len(items)),
        main,
        style=style,
        script=folder.joinpath("sheet.js").read_text("utf-8"),
        policy="media-src file:; form-action 'none'; base-uri 'none'",
    )


def asked(request: LabelRequest, clip: Clip | None, file: Path | None) -> Asked:
    """A request with what is at hand of its video: what was perceived of it, and the file itself to be played."""
    buttons = [
        tag("button", tag("kbd", str(value)), f" {word}", type="button", data_value=value, aria_pressed="false")
        for value, word in enumerate(WORDS[request.task])
    ]
    query = tag("p", "Searched for: ", tag("bdi", f"“{request.query}”"), class_="query") if request.query else None
    player = tag("video", src=file.as_uri(), controls="", preload="none") if file is not None else None
    card = tag(
        "article",
        tag(
            "header",
            tag("h2", tag("bdi", request.title or "(no title)")),
            tag("p", tag("bdi", request.video_id), class_="muted"),
        ),
        query,
        _perceived(request, clip, file),
        player,
        tag("p", QUESTIONS[request.task], class_="question"),
        tag("div", *buttons, class_="answers", role="group", aria_label=QUESTIONS[request.task]),
        _why(request),
        class_="card",
        tabindex=-1,
        data_request=request.request_id,
        data_task=str(request.task),
    )
    # As they are, not as they are shown: answers name the video by what stands here.
    card.set("data-video", request.video_id)
    if request.query is not None:
        card.set("data-query", request.query)
    return Asked(request, card, clip is not None)


def _bar(count: int) -> Element:
    """Who answers, how far they are, and what can be done; stays in view."""
    rater = tag("input", id="rater", autocomplete="off", maxlength=256, placeholder="your id, no name", size=18)
    return tag(
        "header",
        tag("h1", "What are these videos?"),
        tag("label", "Rater ", rater, for_="rater"),
        tag("progress", id="progress", value=0, max=count, aria_label="Answered"),
        tag("output", f"0 of {count}", id="count"),
        tag("button", "Undo ", tag("kbd", "u"), id="undo", type="button", disabled=""),
        tag("button", "Save answers ", tag("kbd", "s"), id="save", type="button", disabled=""),
        tag("p", "Digits answer, ", tag("kbd", "j"), " and ", tag("kbd", "k"), " move.", class_="muted"),
        tag("p", id="said", role="status"),
        class_="bar",
    )


def _perceived(request: LabelRequest, clip: Clip | None, file: Path | None) -> Element:
    if clip is None:
        why = "The video is not at hand." if file is None else "The video cannot be decoded."
        address = tag("bdi", f" {request.uri}") if request.uri else None
        return tag("p", why, address, class_="reason")
    event = Event(event_id="", source="", video_id=request.video_id, uri="", title=request.title)
    drawing = timeline(Shown(request.video_id, event, clip=clip))
    assert drawing is not None  # a clip has a coverage
    return tag("div", drawing, class_="perceived")


def _why(request: LabelRequest) -> Element:
    """Folded away; see the module."""
    how = " · ".join(part for part in (request.strategy, request.arm) if part)
    score = None if request.score is None else tag("p", f"Score {request.score:.2f}", class_="muted")
    likes = tag("ul", *(tag("li", _like(item)) for item in request.like)) if request.like else None
    reason = tag("p", tag("bdi", request.reason)) if request.reason else None
    return tag("details", tag("summary", "Why this one"), reason, score, likes, tag("p", how, class_="muted"))


def _like(item: Like) -> Element:
    said = "" if item.label is None else f", labelled {'yes' if item.label else 'no'}"
    return tag("span", "like ", tag("bdi", item.video_id), f" ({item.similarity:.2f}{said})")
