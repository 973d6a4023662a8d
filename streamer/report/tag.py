"""HTML and SVG elements that escape whatever they hold: text from strangers never becomes markup."""

from __future__ import annotations

from xml.etree.ElementTree import Element, tostring

from streamer.report.words import clean

Child = Element | str | None


def tag(kind: str, /, *children: Child, **attributes: str | int | float | None) -> Element:
    """An element. `class_` stands for class, `aria_label` for aria-label; None leaves an attribute or child out."""
    element = Element(kind)
    for key, value in attributes.items():
        if value is not None:
            element.set(key.rstrip("_").replace("_", "-"), clean(str(value)))
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            element.append(child)
            last = child
        elif child is not None and last is None:
            element.text = (element.text or "") + clean(child)
        elif child is not None and last is not None:
            last.tail = (last.tail or "") + clean(child)
    return element


def verbatim(kind: str, content: str) -> Element:
    """A `style` or `script` element: its content is ours and is not escaped."""
    element = Element(kind)
    element.text = content
    return element


def document(root: Element) -> str:
    """The whole page as text."""
    return "<!doctype html>\n" + tostring(root, encoding="unicode", method="html") + "\n"
