"""Findings as a page: goals, tables of both regimes, and what was missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engines.evaluation.goals import signed
from engines.evaluation.selection.findings import HuntFound, SteadyFound
from engines.evaluation.selection.study import ABLATIONS, LSB, WHOLE_KIND
from engines.evaluation.study import Estimate
from engines.evaluation.tables import markdown

PAGE, RESULTS = "README.md", "results.json"
#: What is no published strategy to beat.
NOT_PUBLISHED = (LSB, "random", WHOLE_KIND, *ABLATIONS)


class Goal(msgspec.Struct, frozen=True):
    """What was to be reached, what came, and whether that is enough."""

    goal: str
    bar: str
    came: str
    met: bool


class Results(msgspec.Struct, frozen=True):
    """All that the page shows. lineage: command, data, seeds, packages."""

    lineage: dict[str, Any]
    goals: list[Goal]
    steady: list[SteadyFound]
    hunts: list[HuntFound]


def goals(steady: Sequence[SteadyFound], hunts: Sequence[HuntFound]) -> list[Goal]:
    """As issue 5 sets them, on whatever was measured."""
    found = []
    for arena in dict.fromkeys(one.arena for one in steady):
        rows = {one.strategy: one for one in steady if one.arena == arena}
        rivals = [one for name, one in rows.items() if name not in NOT_PUBLISHED and one.behind is not None]
        if LSB in rows and rivals:
            best = max(rivals, key=lambda one: one.area.value)
            gain = best.behind
            assert gain is not None
            met = gain.value >= 0.005 or (gain.low <= 0 <= gain.high and gain.value >= -0.005)
            bar = ">= +0.005, or within the interval and >= -0.005"
            found.append(Goal(f"{arena}: area of LSB over {best.strategy}, the best published", bar, signed(gain), met))
        if LSB in rows and "random" in rows:
            chance = rows["random"].recall.value
            lead, left = rows[LSB].recall.value - chance, 1 - chance
            bar = ">= +0.20" if left >= 0.2 else f">= +0.20, but random leaves {left:+.2f} at most"
            found.append(Goal(f"{arena}: R@P80 of LSB over random, last round", bar, f"{lead:+.3f}", lead >= 0.2))
    return found + _hunt_goals(hunts)


def _hunt_goals(hunts: Sequence[HuntFound]) -> list[Goal]:
    ratios, gains, losses, kept, left = {}, {}, {}, {}, {}
    for kind in dict.fromkeys(one.kind for one in hunts):
        rows = {one.strategy: one for one in hunts if one.kind == kind}
        rivals = [one for name, one in rows.items() if name not in NOT_PUBLISHED]
        if LSB in rows and rivals:
            ours = rows[LSB]
            ratios[kind] = ours.found[0] / max(1e-9, *(one.found[0] for one in rivals))
            best = max(one.recall.value for one in rivals)
            gains[kind] = ours.recall.value - best
            if WHOLE_KIND in rows:
                left[kind] = rows[WHOLE_KIND].recall.value - best
            losses[kind] = ours.others.value - max(one.others.value for one in rivals)
            kept[kind] = ours.kept.value
    if not ratios:
        return []
    mean, gained = float(np.exp(np.mean(np.log(list(ratios.values()))))), float(np.mean(list(gains.values())))
    of = f"mean over {len(ratios)} kinds"
    finds = f"finds of LSB over the best published after 60 labels, geometric {of}"
    recall = f"recall of the kind at 5 % false positives after 120 labels, {of}"
    others = "AP on all other clips after 120 labels"
    return [
        Goal(finds, ">= 5", f"{mean:.1f}", mean >= 5),
        _on_worst("... on the worst kind", ratios, 2, "{:.1f}"),
        Goal(
            recall,
            ">= +0.20" + _left(float(np.mean(list(left.values()))) if left else None),
            f"{gained:+.3f}",
            gained >= 0.2,
        ),
        _on_worst("... on the worst kind", gains, 0.1, "{:+.3f}", _left(min(left.values(), default=None))),
        _on_worst(f"{others}, over that before the hunt, worst kind", kept, -0.01, "{:+.3f}"),
        _on_worst(f"{others}, over the best published, worst kind", losses, -0.01, "{:+.3f}"),
    ]


def _left(most: float | None) -> str:
    """What labels of the whole kind would bring."""
    return "" if most is None else f"; the whole kind: {most:+.3f}"


def _on_worst(name: str, values: Mapping[str, float], bar: float, shape: str, left: str = "") -> Goal:
    kind = min(values, key=values.__getitem__)
    bar_shown = f">= {bar:+.2f}" if abs(bar) < 1 else f">= {bar:g}"
    return Goal(name, bar_shown + left, f"{shape.format(values[kind])} ({kind})", values[kind] >= bar)


def write_report(results: Results, folder: Path) -> list[Path]:
    """The page and `results.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS).write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    (folder / PAGE).write_text(page(results), encoding="utf-8")
    return [folder / PAGE, folder / RESULTS]


def page(results: Results) -> str:
    """Markdown."""
    met = sum(goal.met for goal in results.goals)
    goal_rows = [(one.goal, one.bar, one.came, "**met**" if one.met else "**missed**") for one in results.goals]
    parts = [
        "# What choosing videos to label is worth\n",
        f"This page is generated: `{results.lineage['command']}`.\n",
        INTRODUCTION,
        f"## Goals\n\n{met} of {len(results.goals)} are met.\n",
        markdown(("goal", "bar", "came [95 % interval]", "verdict"), goal_rows),
        STEADY_TEXT,
        *(
            f"### {arena}\n\n{_steady_table(results.steady, arena)}"
            for arena in dict.fromkeys(s.arena for s in results.steady)
        ),
        HUNT_TEXT,
        *(f"### {name}\n\n{_hunt_table(results.hunts, name)}" for name in _in_order(results.hunts, "kind")),
    ]
    return "\n".join(parts)


def _in_order(found: Sequence[msgspec.Struct], field: str) -> list[str]:
    return list(dict.fromkeys(getattr(one, field) for one in found))


def _steady_table(found: Sequence[SteadyFound], arena: str) -> str:
    head = ("strategy", "mean AP", "LSB's less its own [95 %]", "R@P80, 860 labels", "labels to 800 random", "seeds")
    rows = [
        (
            one.strategy,
            f"{one.area.value:.3f}",
            "-" if one.behind is None else signed(one.behind),
            f"{one.recall.value:.3f}",
            "never" if np.isinf(one.labels) else f"{one.labels:.0f}",
            str(one.area.seeds),
        )
        for one in found
        if one.arena == arena
    ]
    return markdown(head, rows)


def _hunt_table(found: Sequence[HuntFound], kind: str) -> str:
    head = (
        "strategy",
        "found of 60",
        "of 120",
        "recall at 5 % FP",
        "LSB's less its own [95 %]",
        "AP, others",
        "LSB's less",
        "seeds",
    )
    rows = [
        (
            one.strategy,
            *(f"{count:.1f}" for count in one.found),
            f"{one.recall.value:.3f}",
            _signed(one.recall_behind),
            f"{one.others.value:.3f}",
            _signed(one.others_behind),
            str(one.recall.seeds),
        )
        for one in found
        if one.kind == kind
    ]
    return markdown(head, rows)


def _signed(estimate: Estimate | None) -> str:
    return "-" if estimate is None else signed(estimate)


INTRODUCTION = """The head is a logistic regression on how alike clips are in each sense (cosines and their squares:
`engines.active.kernel`), fitted anew each round, the same for every strategy; the network itself is not trained.
Features are of frozen public towers: they know no label, so that a new kind is new to them as well. Head and LSB were
tuned on other seeds than those shown. Intervals are over seeds: which labels came first, and chance; pool and test are
the same for all.
"""

STEADY_TEXT = """## A steady stream

![AP over labels](curves.svg)

80 labels, 8 of them positive, then 13 rounds of 60. Mean AP is over the rounds, on the test. The last column but one:
labels until the AP that 800 random ones reach. Strategies that are not here were 0.005 or more behind the best on every
pool with weights on values as head.
"""

HUNT_TEXT = """## A kind that is new

![Videos of the new kind among 60 labels](finds.svg)

400 labels without the kind, three reports of it, then 4 rounds of 30. Other strategies have the reports as labels, too.
"AP, others" is of all clips that are not of the kind: what hunting costs elsewhere. "The whole kind" is no strategy:
the head has the 400 labels, and those of all clips of the kind in the pool.
"""
