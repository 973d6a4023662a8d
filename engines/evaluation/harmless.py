"""How often harmless media reach a threshold: read from verdicts, so that what is counted is what would have happened.

Verdicts are those of `earshot judge --json`: policy, categories and what cannot be decoded have had their say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from engines.evaluation.verdicts import DECIDED, Line

#: Scores that are looked at beside the threshold of the verdict itself.
LEVELS = (0.5, 0.9)


class Hit(msgspec.Struct, frozen=True):
    """One file and its score; names: of what it rests on."""

    file: str
    score: float
    names: tuple[str, ...]


class Share(msgspec.Struct, frozen=True):
    """at_least: by level the files whose score is that or more; `threshold` is that of each verdict itself.

    actions: files by action of the verdict. unjudged: files without a score, such as what cannot be decoded.
    """

    task: str
    judged: int
    unjudged: int
    at_least: dict[str, int]
    actions: dict[str, int]
    highest: list[Hit]


def shares(lines: Iterable[Line], *, highest: int) -> list[Share]:
    """One for each task but relevance, where a high score is what is wanted."""
    by_task: dict[str, list[Line]] = {}
    for line in lines:
        if line.task != "relevance":
            by_task.setdefault(line.task, []).append(line)
    return [_share(task, of_task, highest) for task, of_task in sorted(by_task.items())]


def _share(task: str, lines: Sequence[Line], highest: int) -> Share:
    scored = [(line.score, line) for line in lines if line.state == DECIDED and line.score is not None]
    at_least = {
        "threshold": sum(line.threshold is not None and score >= line.threshold for score, line in scored),
        **{f"{level}": sum(score >= level for score, _ in scored) for level in LEVELS},
    }
    actions: dict[str, int] = {}
    for line in lines:
        actions[line.action] = actions.get(line.action, 0) + 1
    ranked = sorted(scored, key=lambda pair: (-pair[0], pair[1].file))[:highest]
    hits = [Hit(line.file, score, _names(line)) for score, line in ranked]
    return Share(task, len(scored), len(lines) - len(scored), at_least, actions, hits)


def _names(line: Line) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.name for one in line.evidence if one.name))
