"""Label Studio: requests as its tasks and labelling interface; its exports as answers. Pure.

Formats: "Label Studio JSON format of annotated tasks" and "JSON-MIN" (labelstud.io/guide/export), tasks as in
labelstud.io/guide/tasks, the interface's tags as in labelstud.io/tags. What the tool calls an annotator stays the
number that it has there: names and addresses are not taken over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from streamer.labels.choices import QUESTIONS, WORDS
from streamer.records import LabelRequest

#: Name of the one control of the interface.
_ANSWER = "answer"
_OURS = ("video_id", "task", "query", "request_id", "tenant")


def task_of(request: LabelRequest) -> dict[str, Any]:
    """One task to import. Every value is text, as the tags of the interface show it."""
    reason = request.reason or f"asked for by {request.strategy}"
    data = {
        "video": request.uri or "",
        "question": QUESTIONS[request.task],
        "title": request.title or "(no title)",
        "query": request.query or "",
        "reason": reason,
        "choices": [{"value": word} for word in WORDS[request.task]],
        "video_id": request.video_id,
        "task": str(request.task),
        "request_id": request.request_id,
        "tenant": request.tenant or "",
    }
    return {"data": data, "meta": {"bundle": request.bundle, "strategy": request.strategy, "arm": request.arm or ""}}


def interface() -> str:
    """The labelling interface for these tasks, to be pasted into a project's settings."""
    view = Element("View")
    SubElement(view, "Header", value="$question")
    SubElement(view, "Video", name="video", value="$video")
    SubElement(view, "Text", name="title", value="$title")
    SubElement(view, "Text", name="query", value="$query")
    how = {"choice": "single", "required": "true", "showInline": "true"}
    SubElement(view, "Choices", {"name": _ANSWER, "toName": "video", "value": "$choices", **how})
    # Folded, as on the sheet: a reason may tell what others said.
    fold = SubElement(SubElement(view, "Collapse", open="false"), "Panel", value="Why this one")
    SubElement(fold, "Text", name="reason", value="$reason")
    indent(view)
    return tostring(view, encoding="unicode") + "\n"


def is_export(item: Mapping[str, Any]) -> bool:
    """Whether it is a task of a JSON export."""
    return isinstance(item.get("data"), dict) and isinstance(item.get("annotations"), list)


def is_min(item: Mapping[str, Any]) -> bool:
    """Whether it is an item of a JSON-MIN export."""
    return "annotator" in item and "annotation_id" in item


def rows_of_export(item: Mapping[str, Any]) -> Iterator[dict[str, Any] | str | None]:
    """The answer of each annotation by our field names; a text that says why there is none; None for a skipped one."""
    for annotation in item["annotations"]:
        if not isinstance(annotation, dict):
            yield f"annotation: came {type(annotation).__name__}, expected an object"
        elif annotation.get("was_cancelled"):
            yield None
        else:
            yield {
                **_subject(item["data"]),
                "value": _chosen(annotation.get("result")),
                "rater": _rater(annotation.get("completed_by")),
                "labelled_at": annotation.get("updated_at") or annotation.get("created_at"),
                "adjudicated": annotation.get("ground_truth") is True,
                "source": "label-studio",
            }


def rows_of_min(item: Mapping[str, Any]) -> Iterator[dict[str, Any] | str | None]:
    """As `rows_of_export`; the format has one annotation an item, and none for what was skipped."""
    yield {
        **_subject(item),
        "value": _word(item.get(_ANSWER)),
        "rater": _rater(item.get("annotator")),
        "labelled_at": item.get("updated_at") or item.get("created_at"),
        "source": "label-studio",
    }


def _subject(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in _OURS if data.get(name) not in (None, "")}


def _rater(annotator: Any) -> Any:
    """The tool's number of a person; a person's record is opened for that number alone."""
    number = annotator.get("id") if isinstance(annotator, dict) else annotator
    numbered = isinstance(number, int) or (isinstance(number, str) and number.isdecimal())
    return f"label-studio:{number}" if numbered else number


def _chosen(results: Any) -> Any:
    """The word of the one choice among an annotation's results."""
    found = [
        result["value"]
        for result in (results if isinstance(results, list) else ())
        if isinstance(result, dict) and result.get("from_name") == _ANSWER and isinstance(result.get("value"), dict)
    ]
    return _word(found[0]) if len(found) == 1 else None


def _word(value: Any) -> Any:
    """A choice as text: alone, in a list of one, or as {"choices": [...]}."""
    chosen = value.get("choices") if isinstance(value, dict) else value
    return chosen[0] if isinstance(chosen, list) and len(chosen) == 1 else chosen
