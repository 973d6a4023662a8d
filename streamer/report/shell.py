"""What all pages share: one file that asks the network for nothing, its style and script named by their hashes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from xml.etree.ElementTree import Element

from streamer.report.tag import document, tag, verbatim


def shell(title: str, *body: Element, styles: Iterable[str] = (), script: str | None = None) -> str:
    """The page as text. Its security policy allows nothing but its own style, its own script and its own pictures.

    styles: of the pages' own, beside `page.css`. script: ours; text of strangers must never be part of it.
    """
    style = "\n".join([_shipped("page.css"), *map(_shipped, styles)])
    content = None if script is None else _shipped(script)
    allowed = f"; script-src '{_named(content)}'" if content is not None else ""
    policy = f"default-src 'none'; img-src data:; style-src '{_named(style)}'{allowed}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        verbatim("style", style),
    )
    running = None if content is None else verbatim("script", content)
    return document(tag("html", head, tag("body", _patterns(), *body, running), lang="en"))


def masthead(heading: str, lead: str, figures: Iterable[tuple[str, str]]) -> Element:
    """The top of a page: what it is, and its figures with their names."""
    entries = (tag("div", tag("dt", name), tag("dd", value)) for name, value in figures)
    return tag(
        "header",
        tag("h1", heading),
        tag("p", lead, class_="lead"),
        tag("dl", *entries, class_="figures"),
        class_="masthead",
    )


def notes(heading: str, entries: Mapping[str, str]) -> Element:
    """A section of sentences, each with its subject in front."""
    told = (tag("li", tag("b", f"{name}: "), text) for name, text in entries.items())
    return tag("section", tag("h2", heading), tag("ul", *told, class_="panel plain"))


def _shipped(name: str) -> str:
    return files("streamer.report").joinpath(name).read_text("utf-8")


def _named(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _patterns() -> Element:
    """The hatching that every drawing refers to."""
    ground = tag("rect", width=6, height=6, class_="hatch-ground")
    stroke = tag("line", x1=0, y1=0, x2=0, y2=6, class_="hatch-line")
    turned = {"patternUnits": "userSpaceOnUse", "patternTransform": "rotate(45)"}
    pattern = tag("pattern", ground, stroke, id="hatch", width=6, height=6, **turned)
    return tag("svg", tag("defs", pattern), class_="patterns", aria_hidden="true")
