"""What a score rests on: spans of the video with their weight and the name of what is seen or heard there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from streamer.records import Category, Evidence, Float32, Float64, Fused, Marks, Modality, Scores

#: Spans below this share of the score say nothing to a reviewer.
_LEAST_WEIGHT = 0.05
_MOST_SPANS = 5
#: A frame or window carries the score when it has this share of the heaviest one's attention.
_CARRYING_SHARE = 0.25
#: Neighbours of the frame or window with a category's highest prior belong to its span from this share of it on.
_CATEGORY_SHARE = 0.5
#: A class less probable than this is no name; a second one needs this share of the first one's probability, too.
_LEAST_NAMED, _SECOND_SHARE = 0.2, 0.5


@dataclass(frozen=True)
class Naming:
    """How a bundle calls what it sees and hears.

    classes: modality -> names of its classes.
    members: modality -> category -> the classes that its prior is made of.
    """

    classes: Mapping[Modality, Sequence[str]] = field(default_factory=dict)
    members: Mapping[Modality, Mapping[str, Sequence[int]]] = field(default_factory=dict)

    def name(self, modality: Modality, marks: Marks) -> str | None:
        """The one or two classes most probable anywhere in a span; None where nothing is probable enough."""
        probable = self._probable(modality, marks)
        most = max(probable.values(), default=0.0)
        named = [index for index, score in probable.items() if score >= max(_LEAST_NAMED, _SECOND_SHARE * most)]
        return "; ".join(self.classes[modality][index] for index in named[:2]) or None

    def category(self, category: Category, marks: Marks) -> str:
        """The category's most probable class in a span, or the category itself where no class stands for it."""
        members = self.members.get(category.modality, {}).get(category.name, ())
        found = [index for index in self._probable(category.modality, marks) if index in members]
        return self.classes[category.modality][found[0]] if found else category.name

    def _probable(self, modality: Modality, marks: Marks) -> dict[int, float]:
        """Class -> its highest probability in a span, most probable first."""
        names = self.classes.get(modality, ())
        highest: dict[int, float] = {}
        for index, score in zip(marks.classes_TI.ravel().tolist(), marks.class_scores_TI.ravel().tolist(), strict=True):
            if index < len(names):
                highest[index] = max(score, highest.get(index, 0.0))
        return dict(sorted(highest.items(), key=lambda item: -item[1]))


def evidence_of(scores: Scores, k: int, naming: Naming) -> tuple[Evidence, ...]:
    """The heaviest spans of task k, heaviest first; the text stands as one item without a span.

    Where a category carries the score, its span comes in with the share of the score that the fusion network did not
    see, and what the network attended to shares the rest.
    """
    fused = scores.fused
    attention = fused.attention
    weights = {Modality.VISION: attention.vision_KT[k], Modality.AUDIO: attention.audio_KT[k]}
    network_share, read = 1.0, float(attention.text_K[k])
    carried: list[Evidence] = []
    if (carrier := scores.carrier(k)) is not None:
        network_share = float(min(1.0, scores.network_K[k] / max(scores.scores_K[k], 1e-9)))
        weights = {modality: network_share * weights_T for modality, weights_T in weights.items()}
        read *= network_share
        carried = [_carried(carrier, 1 - network_share, fused, weights, naming)]
        if carrier.modality is Modality.TEXT:  # one item, with what the network read
            carried, read = [msgspec.structs.replace(carried[0], weight=min(1.0, carried[0].weight + read))], 0.0
    most = _MOST_SPANS - len(carried)
    spans = [span for m, weights_T in weights.items() for span in _spans(m, weights_T) if span.weight >= _LEAST_WEIGHT]
    spans.sort(key=lambda span: -span.weight)
    attended = [Evidence(modality=Modality.TEXT, weight=read)]
    attended += [span.evidence(fused, naming) for span in spans[:most]]  # names cost more than all else here
    attended.sort(key=lambda item: -item.weight)
    heavy = [item for item in attended[:most] if item.weight >= _LEAST_WEIGHT]
    return tuple(sorted(carried + heavy, key=lambda item: -item.weight))


def _carried(
    carrier: Category, share: float, fused: Fused, weights: dict[Modality, Float32], naming: Naming
) -> Evidence:
    """The span of a category, with its own share and the attention inside it, which is taken out of the `weights`.

    Where the modality as a whole speaks for it, all that was looked at or listened to, with its own share alone.
    """
    modality = carrier.modality
    whole = carrier.name if carrier.score >= _LEAST_NAMED else None
    if modality is Modality.TEXT:
        return Evidence(modality=modality, weight=share, name=whole)
    spans_T2 = fused.spans_of(modality)
    if not len(carrier.prior_T):
        return _item(modality, share, spans_T2, whole)
    first, end = _around_highest(carrier.prior_T)
    weight = min(1.0, share + float(weights[modality][first:end].sum()))
    weights[modality] = weights[modality].copy()
    weights[modality][first:end] = 0
    name = naming.category(carrier, fused.marks_of(modality).rows(first, end))
    return _item(modality, weight, spans_T2[first:end], name)


def _around_highest(prior_T: Float32) -> tuple[int, int]:
    """First and end of the neighbours of the highest prior that have a good share of it."""
    peak = int(prior_T.argmax())
    high_T = prior_T >= _CATEGORY_SHARE * prior_T[peak]
    first = end = peak
    while first > 0 and high_T[first - 1]:
        first -= 1
    while end < len(high_T) and high_T[end]:
        end += 1
    return first, end


@dataclass(frozen=True, slots=True)
class _Span:
    """Neighbouring frames or windows, and the sum of their weights."""

    modality: Modality
    first: int
    end: int
    weight: float

    def evidence(self, fused: Fused, naming: Naming) -> Evidence:
        name = naming.name(self.modality, fused.marks_of(self.modality).rows(self.first, self.end))
        return _item(self.modality, self.weight, fused.spans_of(self.modality)[self.first : self.end], name)


def _spans(modality: Modality, weights_T: Float32) -> Iterator[_Span]:
    """Neighbouring frames or windows that carry the score, joined; the weight is their sum.

    Those count that have at least a quarter of the heaviest one's weight. Leaving such spans out changes the score
    in more than nine cases of ten more than leaving out as much elsewhere (tests/engines/test_shipped_world.py).
    """
    if not len(weights_T):
        return
    heavy = np.zeros(len(weights_T) + 2, np.bool_)  # light on either side, so that every span begins and ends
    heavy[1:-1] = weights_T >= _CARRYING_SHARE * weights_T.max()
    edges = np.flatnonzero(heavy[1:] != heavy[:-1])
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield _Span(modality, first, end, float(weights_T[first:end].sum()))


def _item(modality: Modality, weight: float, spans_T2: Float64, name: str | None) -> Evidence:
    start_seconds, end_seconds = float(spans_T2[0, 0]), float(spans_T2[-1, 1])
    return Evidence(
        modality=modality,
        weight=weight,
        start_ms=round(start_seconds * 1000),
        end_ms=round(end_seconds * 1000),
        name=name,
    )
