"""Words that records share: what can be judged, how, with what outcome; and how texts in them may look."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

CacheTier = Literal["none", "memory", "redis"]

# "(?![\s\S])" is the end of the text in Python and in ECMAScript alike; "$" lets a last line feed through in Python.
PLAIN = r"^[^\u0000-\u001f\u007f-\u009f]*(?![\s\S])"
_NO_ADDRESS = r"^[^@\u0000-\u001f\u007f-\u009f]*(?![\s\S])"
_RFC3339 = r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)(?![\s\S])"

Plain = Annotated[str, Meta(pattern=PLAIN)]
Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=PLAIN)]
#: A person as others know them; without an @, so that no e-mail address passes for one.
OpaqueName = Annotated[str, Meta(min_length=1, max_length=256, pattern=_NO_ADDRESS)]
Instant = Annotated[str, Meta(pattern=_RFC3339)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?![\s\S])")]


class Task(StrEnum):
    """What a verdict is about. The order is the order of the fusion network's logits."""

    CLICKBAIT = "clickbait"
    ADULT = "adult"
    RELEVANCE = "relevance"


TASKS: tuple[Task, ...] = tuple(Task)


class Modality(StrEnum):
    """A way of perceiving a video; the fusion network masks what is missing."""

    VISION = "vision"
    AUDIO = "audio"
    TEXT = "text"


class Action(StrEnum):
    """What the policy asks for, from mild to severe."""

    ALLOW = "allow"
    REVIEW = "review"
    RESTRICT = "restrict"
    BLOCK = "block"


class State(StrEnum):
    """How a verdict came about."""

    DECIDED = "decided"
    MISSING_MODALITY = "missing_modality"  # judged without a modality that the policy requires
    BELOW_COVERAGE = "below_coverage"  # judged on less of the video than the policy asks for
    UNDECODABLE = "undecodable"  # the media could not be turned into a clip
    EXPIRED = "expired"  # the event's deadline passed first
