"""A page of its own: its style and script inside, and a security policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
from xml.etree.ElementTree import Element

from streamer.report.tag import document, tag, verbatim


def framed(title: str, *body: Element | None, style: str, script: str = "", policy: str = "") -> str:
    """The page as text, to be written as UTF-8.

    Only this style and script are allowed, by their hashes (Content Security Policy Level 3, W3C, section 2.3.1), and
    pictures inside the page; `policy` says what else. No request, and nothing that a stranger's title could set off.
    """
    directives = ["default-src 'none'", "img-src data:", f"style-src '{_hash(style)}'"]
    directives += [f"script-src '{_hash(script)}'"] if script else []
    directives += [policy] if policy else []
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content="; ".join(directives)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        verbatim("style", style),
    )
    last = verbatim("script", script) if script else None
    return document(tag("html", head, tag("body", patterns(), *body, last), lang="en"))


def patterns() -> Element:
    """The hatching that every drawing refers to."""
    ground = tag("rect", width=6, height=6, class_="hatch-ground")
    stroke = tag("line", x1=0, y1=0, x2=0, y2=6, class_="hatch-line")
    turned = {"patternUnits": "userSpaceOnUse", "patternTransform": "rotate(45)"}
    pattern = tag("pattern", ground, stroke, id="hatch", width=6, height=6, **turned)
    return tag("svg", tag("defs", pattern), class_="patterns", aria_hidden="true")


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
