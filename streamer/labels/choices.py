"""The questions that a person is asked, and the words that stand for each value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.records import HIGHEST_VALUE, Task

QUESTIONS: Mapping[Task, str] = {
    Task.CLICKBAIT: "Does the title promise what the video does not keep?",
    Task.ADULT: "Is it for adults only: sexual, violent or frightening?",
    Task.RELEVANCE: "How well does it answer the search query?",
}

#: The word of each value, from 0 on.
WORDS: Mapping[Task, tuple[str, ...]] = {
    Task.CLICKBAIT: ("no", "yes"),
    Task.ADULT: ("no", "yes"),
    Task.RELEVANCE: ("not at all", "a little", "mostly", "fully"),
}

#: From this value on the task's label applies: what learns and selects knows yes and no.
LEAST_YES: Mapping[Task, int] = {Task.CLICKBAIT: 1, Task.ADULT: 1, Task.RELEVANCE: 2}

_ALSO = {"true": 1, "false": 0, "yes": 1, "no": 0}


def value_of(task: Task, answer: Any) -> int:
    """The value that an answer means: a whole number, or a word. Raises `ValueError` saying what was expected."""
    highest = HIGHEST_VALUE[task]
    text = str(answer).strip().lower() if isinstance(answer, str | int | float) else ""
    if text in WORDS[task]:
        return WORDS[task].index(text)
    if text in _ALSO and highest == 1:
        return _ALSO[text]
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if number in range(highest + 1):
        return int(number)
    words = ", ".join(f"{value} ({word})" for value, word in enumerate(WORDS[task]))
    raise ValueError(f"value: came {shown(answer)}, expected {words}")


def shown(value: object) -> str:
    """A value for an error's text: short, one line."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
