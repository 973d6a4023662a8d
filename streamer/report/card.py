"""One video of the page: what it is, what was perceived of it, and the verdicts with their reasons."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

import msgspec

from streamer.records import TASKS, Action, Modality, State, Task, Verdict
from streamer.report import words
from streamer.report.shown import Shown
from streamer.report.tag import tag
from streamer.report.timeline import timeline

#: Digits of a hash that tell verdicts apart by eye; the full value is one hover away.
_HASH_DIGITS = 12
_STAGE_COLOURS = 8
_COLUMNS = ("task", "score", "action", "attribution")


def card(shown: Shown, anchor: str) -> Element:
    """An article with the id `anchor`."""
    drawing = timeline(shown)
    known = tag("div", _verdicts(shown), *_facts(shown), class_="known") if shown.verdicts else None
    perceived = drawing if drawing is not None else _nothing_perceived(shown)
    body = tag("div", tag("div", perceived, class_="perceived"), known, class_="columns")
    return tag("article", _head(shown), body, id=anchor, aria_labelledby=f"{anchor}-name", class_=_kind(shown))


def _kind(shown: Shown) -> str:
    gravest = words.gravest(shown.verdicts)
    return "card" if gravest is None else f"card {gravest.action.value}"


def _head(shown: Shown) -> Element:
    event = shown.event
    anchor_title = event.title or "(no title)"
    tags = " ".join(f"#{hashtag.lstrip('#')}" for hashtag in event.hashtags)
    asked = tag("span", "asked: ", tag("bdi", f"“{event.query}”")) if event.query else None
    truth = tag("p", tag("b", "True: "), shown.truth.text, class_="truth") if shown.truth else None
    return tag(
        "header",
        tag("h3", tag("bdi", anchor_title)),
        tag(
            "p",
            tag("bdi", shown.file, class_="file"),
            tag("bdi", tags, class_="hashtags") if tags else None,
            asked,
            class_="about",
        ),
        truth,
    )


def _nothing_perceived(shown: Shown) -> Element:
    """The reason why there is no clip, in place of the time line."""
    if shown.dead_letter is not None:
        letter = shown.dead_letter
        title, code, text = letter.ending.capitalize(), letter.reason, letter.error
    else:
        first = shown.verdicts[0]
        title, code, text = words.state(first).capitalize(), None, first.reason or "no reason given"
    return tag(
        "div",
        tag("p", tag("strong", title), tag("code", code) if code else None),
        tag("p", tag("bdi", text)),
        class_="reason",
    )


def _verdicts(shown: Shown) -> Element:
    labels = shown.truth.labels if shown.truth else {}
    scale = max((abs(shift) for verdict in shown.verdicts for shift in verdict.attribution.values()), default=1.0)
    asked = [verdict for task in TASKS if (verdict := shown.verdict(task)) is not None]
    return tag(
        "table",
        tag("caption", f"Verdicts on {words.clean(shown.file)}", class_="unseen"),
        tag("thead", tag("tr", *(tag("th", column, scope="col") for column in _COLUMNS))),
        tag("tbody", *(_row(verdict, scale, labels) for verdict in asked)),
        class_="verdicts",
    )


def _row(verdict: Verdict, scale: float, labels: Mapping[Task, bool]) -> Element:
    state = None if verdict.state == State.DECIDED else tag("span", words.state(verdict), class_="state")
    action = tag(
        "span", f"{words.SIGNS[verdict.action]} {verdict.action.value}", class_=f"badge {verdict.action.value}"
    )
    parts = words.judged_parts(verdict)
    return tag(
        "tr",
        tag("th", verdict.task.value, _truth(verdict, labels.get(verdict.task)), scope="row"),
        tag("td", _score(verdict), tag("span", parts, class_="state") if parts else None, class_="wide"),
        tag("td", action, state),
        tag("td", _attribution(verdict, scale), class_="wide"),
    )


def _truth(verdict: Verdict, label: bool | None) -> Element | None:
    """Whether the score stands on the side of the threshold where the truth is."""
    if label is None:
        return None
    known = f"true: {'yes' if label else 'no'}"
    if verdict.score is None:
        return tag("span", known, class_="label")
    right = (verdict.score >= verdict.threshold) == label
    return tag("span", known, " ✓" if right else " ✗ wrong", class_="label right" if right else "label wrong")


def _score(verdict: Verdict) -> Element:
    """The score as a bar, the threshold as a line across it."""
    if verdict.score is None:
        return tag("span", "not scored", class_="muted")
    over = verdict.score >= verdict.threshold
    limit = f"{100 * verdict.threshold:.2f}%"
    label = f"{verdict.score:.2f} {'≥' if over else '<'} {verdict.threshold:.2f}"
    look = "calm" if verdict.action == Action.ALLOW else "flagged"
    bar = tag(
        "svg",
        tag("rect", x=0, width="100%", y=4, height=8, rx=2, class_="track"),
        tag("rect", x=0, width=f"{100 * verdict.score:.2f}%", y=4, height=8, rx=2, class_=look),
        tag("line", x1=limit, x2=limit, y1=0, y2=16, class_="threshold"),
        class_="score",
        height=16,
        aria_hidden="true",
    )
    return tag("div", bar, tag("span", label, class_="number"), class_="scored")


def _attribution(verdict: Verdict, scale: float) -> Element:
    """How far the logit would fall (right) or rise (left) without each modality."""
    if not verdict.attribution:
        return tag("span", "none", class_="muted")
    rows, said = [], []
    for index, modality in enumerate(Modality):
        shift = verdict.attribution.get(modality)
        if shift is None or modality in verdict.missing_modalities:
            said.append(f"{modality.value} missing")
            continue
        said.append(f"{modality.value} {shift:+.1f}")
        width = 49 * abs(shift) / max(scale, 1e-6)
        x = 50.0 if shift >= 0 else 50 - width
        rows.append(tag("rect", x=f"{x:.2f}%", width=f"{width:.2f}%", y=1 + 7 * index, height=5, class_=modality.value))
    label = "Logit with all minus logit without: " + ", ".join(said)
    centre = tag("line", x1="50%", x2="50%", y1=0, y2=22, class_="rule")
    hint = tag("title", label)
    return tag("svg", hint, centre, *rows, class_="attribution", height=22, role="img", aria_label=label)


def _facts(shown: Shown) -> list[Element]:
    """Coverage, what was missing, time and origin."""
    first = shown.verdicts[0]
    absent = words.missing(shown.verdicts)
    parts = [
        tag("p", "Missing: ", ", ".join(modality.value for modality in absent), class_="missing") if absent else None,
        tag("p", words.covered(first.coverage), class_="muted") if first.coverage else None,
        _latency(shown),
        _lineage(first),
    ]
    return [part for part in parts if part is not None]


def _latency(shown: Shown) -> Element | None:
    total = shown.spent_ms or 0.0
    if total <= 0:
        return None
    bars, names, at = [], [], 0.0
    for index, (stage, spent_ms) in enumerate(shown.stages_ms.items()):
        shade = f"stage-{index % _STAGE_COLOURS}"
        width = 100 * spent_ms / total
        hint = tag("title", f"{stage} {words.milliseconds(spent_ms)}")
        bars.append(tag("rect", hint, x=f"{at:.3f}%", width=f"{width:.3f}%", y=0, height=10, class_=shade))
        swatch = tag("svg", tag("rect", width=9, height=9, class_=shade), width=9, height=9, aria_hidden="true")
        names.append(tag("li", swatch, f" {stage} ", tag("b", words.milliseconds(spent_ms))))
        at += width
    return tag(
        "div",
        tag("p", "Time in stages ", tag("b", words.milliseconds(total)), class_="spent"),
        tag("svg", *bars, class_="latency", height=10, aria_hidden="true"),
        tag("ul", *names, class_="stages"),
    )


def _lineage(verdict: Verdict) -> Element:
    origin: dict[str, object] = {"verdict_id": verdict.verdict_id, **msgspec.structs.asdict(verdict.lineage)}
    if verdict.source is not None:
        origin["source"] = f"{verdict.source.topic}[{verdict.source.partition}]@{verdict.source.offset}"
    pairs: list[Element] = []
    for name, value in origin.items():
        text = str(value) if value is not None else "none"
        hashed = len(text) >= 32 and all(digit in "0123456789abcdef-" for digit in text)
        shown = f"{text[:_HASH_DIGITS]}…" if hashed else text
        pairs += [tag("dt", name.replace("_", " ")), tag("dd", tag("code", shown, title=text if hashed else None))]
    return tag("details", tag("summary", "Lineage"), tag("dl", *pairs, class_="lineage"))
