"""How far two raters agree beyond chance: Cohen's kappa. Pure.

kappa = 1 - observed disagreement / disagreement expected of raters who answer by their own habits, at random (Cohen,
"A coefficient of agreement for nominal scales", 1960). A disagreement weighs as much as the values lie apart (Cohen,
"Weighted kappa", 1968, linear weights), which for yes and no is the kappa of 1960. 1: always the same; 0: no better
than chance.

X questions that both answered, V values.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import msgspec
import numpy as np

from streamer.labels.merge import by_question, votes_of
from streamer.records import HIGHEST_VALUE, TASKS, Int64, Label, Task


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Two raters on one task. kappa: None where both said the same one thing of everything, and chance would too."""

    task: Task
    raters: tuple[str, str]
    questions: int
    same: int
    kappa: float | None


def agreements(labels: Iterable[Label]) -> list[Agreement]:
    """Every two raters who answered a question of a task both; by task, the most questions first."""
    pairs: dict[tuple[Task, str, str], list[tuple[int, int]]] = {}
    for (_, task, _), found in by_question(labels).items():
        votes = votes_of(found)
        for one, other in combinations(sorted(votes), 2):
            pairs.setdefault((task, one, other), []).append((votes[one], votes[other]))
    rows = [
        Agreement(
            task=task,
            raters=(one, other),
            questions=len(values),
            same=sum(left == right for left, right in values),
            kappa=kappa(np.array(values), HIGHEST_VALUE[task]),
        )
        for (task, one, other), values in pairs.items()
    ]
    return sorted(rows, key=lambda row: (TASKS.index(row.task), -row.questions, row.raters))


def kappa(values_X2: Int64, highest: int) -> float | None:
    """Of the values 0 to `highest` that two raters gave the same X questions, X >= 1; None where chance is perfect."""
    observed_VV = np.zeros((highest + 1, highest + 1))
    np.add.at(observed_VV, (values_X2[:, 0], values_X2[:, 1]), 1 / len(values_X2))
    expected_VV = np.outer(observed_VV.sum(axis=1), observed_VV.sum(axis=0))
    values_V = np.arange(highest + 1)
    apart_VV = np.abs(values_V[:, None] - values_V)
    expected = float((apart_VV * expected_VV).sum())
    return None if expected == 0 else 1 - float((apart_VV * observed_VV).sum()) / expected
