"""What a hunt for a new kind was to reach, and what came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from engines.evaluation.selection.findings import HuntFound, TwoHeads
from engines.evaluation.selection.study import ABLATIONS, LSB, WHOLE_KIND

#: What is no published strategy to beat.
NOT_PUBLISHED = (LSB, "random", WHOLE_KIND, *ABLATIONS)
FINDS, LEAST_FINDS = 5, 2
GAIN, LEAST_GAIN = 0.2, 0.1
LOSS = -0.01


class Goal(msgspec.Struct, frozen=True):
    """What was to be reached, what came, and whether that is enough."""

    goal: str
    bar: str
    came: str
    met: bool


class _Kind:
    """LSB and its rivals on one kind."""

    def __init__(self, ours: HuntFound, rivals: Sequence[HuntFound], whole: HuntFound | None) -> None:
        self.ours, self.rivals, self.whole = ours, rivals, whole
        self.best_recall = max(one.recall.value for one in rivals)

    @property
    def left(self) -> float | None:
        """What labels of the whole kind would bring over the best published."""
        return None if self.whole is None else self.whole.recall.value - self.best_recall

    def two(self) -> tuple[TwoHeads, float] | None:
        """LSB's two heads, and the best recall of a published strategy with two."""
        heads = [one.two for one in self.rivals if one.two is not None]
        if self.ours.two is None or not heads:
            return None
        return self.ours.two, max(one.recall.value for one in heads)


def hunt_goals(hunts: Sequence[HuntFound]) -> list[Goal]:
    """On whatever was measured."""
    kinds = _kinds(hunts)
    if not kinds:
        return []
    of = f"mean over {len(kinds)} kinds"
    ratios = {
        name: one.ours.found[0] / max(1e-9, *(rival.found[0] for rival in one.rivals)) for name, one in kinds.items()
    }
    mean = float(np.exp(np.mean(np.log(list(ratios.values())))))
    finds = f"finds of LSB over the best published after 60 labels, geometric {of}"
    gains = {name: one.ours.recall.value - one.best_recall for name, one in kinds.items()}
    left = [one.left for one in kinds.values() if one.left is not None]
    most, least = (_left(float(np.mean(left))), _left(min(left))) if left else ("", "")
    recall = "recall of the kind at 5 % false positives after 120 labels"
    return [
        Goal(finds, f">= {FINDS}", f"{mean:.1f}", mean >= FINDS),
        _on_worst("... on the worst kind", ratios, LEAST_FINDS, "{:.1f}"),
        _on_mean(f"{recall}, {of}", gains, most),
        _on_worst("... on the worst kind", gains, LEAST_GAIN, "{:+.3f}", least),
        *_with_two_heads(kinds, of),
        *_elsewhere(kinds),
    ]


def _kinds(hunts: Sequence[HuntFound]) -> dict[str, _Kind]:
    found = {}
    for kind in dict.fromkeys(one.kind for one in hunts):
        rows = {one.strategy: one for one in hunts if one.kind == kind}
        rivals = [one for name, one in rows.items() if name not in NOT_PUBLISHED]
        if LSB in rows and rivals:
            found[kind] = _Kind(rows[LSB], rivals, rows.get(WHOLE_KIND))
    return found


def _with_two_heads(kinds: Mapping[str, _Kind], of: str) -> list[Goal]:
    """Against published strategies as they are, and against them with the same two heads."""
    pairs = {name: two for name, one in kinds.items() if (two := one.two()) is not None}
    if not pairs:
        return []
    plain = {name: two.recall.value - kinds[name].best_recall for name, (two, _) in pairs.items()}
    same = {name: two.recall.value - best for name, (two, best) in pairs.items()}
    return [
        _on_mean(f"the same with a head of its own for the kind, over published strategies with one head, {of}", plain),
        _on_worst("... on the worst kind", plain, LEAST_GAIN, "{:+.3f}"),
        _on_mean(f"... over published strategies with two heads as well, {of}", same),
        _on_worst("... on the worst kind", same, LEAST_GAIN, "{:+.3f}"),
    ]


def _elsewhere(kinds: Mapping[str, _Kind]) -> list[Goal]:
    kept = {name: one.ours.kept.value for name, one in kinds.items()}
    losses = {
        name: one.ours.others.value - max(rival.others.value for rival in one.rivals) for name, one in kinds.items()
    }
    both = {name: one.ours.two.kept.value for name, one in kinds.items() if one.ours.two is not None}
    others = "AP on all other clips after 120 labels"
    rows = [_on_worst(f"{others}, over that before the hunt, worst kind", kept, LOSS, "{:+.3f}")]
    if both:
        rows.append(_on_worst("... with a head of its own for the kind", both, LOSS, "{:+.3f}"))
    return [*rows, _on_worst(f"{others}, over the best published, worst kind", losses, LOSS, "{:+.3f}")]


def _left(most: float) -> str:
    return f"; the whole kind: {most:+.3f}"


def _on_mean(name: str, gains: Mapping[str, float], left: str = "") -> Goal:
    gained = float(np.mean(list(gains.values())))
    return Goal(name, f">= {GAIN:+.2f}{left}", f"{gained:+.3f}", gained >= GAIN)


def _on_worst(name: str, values: Mapping[str, float], bar: float, shape: str, left: str = "") -> Goal:
    kind = min(values, key=values.__getitem__)
    bar_shown = f">= {bar:+.2f}" if abs(bar) < 1 else f">= {bar:g}"
    return Goal(name, bar_shown + left, f"{shape.format(values[kind])} ({kind})", values[kind] >= bar)
