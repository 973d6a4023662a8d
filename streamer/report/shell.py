"""What pages about videos and studies share: their style, the top of a page, sections of notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from xml.etree.ElementTree import Element

from streamer.report.frame import framed
from streamer.report.tag import tag


def shell(title: str, *body: Element, styles: Iterable[str] = (), script: str | None = None) -> str:
    """The page as text, framed as all pages are.

    styles: of the pages' own, beside `page.css`. script: ours; text of strangers must never be part of it.
    """
    style = "\n".join([_shipped("page.css"), *map(_shipped, styles)])
    return framed(title, *body, style=style, script="" if script is None else _shipped(script))


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
