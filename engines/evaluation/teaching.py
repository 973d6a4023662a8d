"""What teaching a category is worth: things of the composed clips, as if each were a policy of its own.

Some clips of the training split are labelled, a quarter of them of the kind; the head is measured on all test clips,
which share no photo, sound or title with them. Tokens have learnt to go with the names of these things, so a head on
what frozen towers say alone, which know none of the clips, is measured beside.

Shape letters: N clips, D size of a view, L labelled clips.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.bundle import Bundle
from engines.data.public.manifest import Row
from engines.data.public.named import topics
from engines.evaluation.metrics import average_precision
from engines.learn.stored import judge_stored
from engines.taught import Float32
from engines.teaching.fit import Examples, taught
from engines.training.features import CLIPS, TEST, TRAIN, FeatureSet

#: Clips of a kind in the test, without which it is none to measure by.
FEWEST = 40
#: Of the labelled clips, that are of the kind.
QUARTER = 4
FALSE_POSITIVES = 0.05

Bool = NDArray[np.bool_]


class Worth(msgspec.Struct, frozen=True):
    """Of heads on one kind of view from so many labels, means over kinds and draws; low, high: 95 % over kinds.

    average_precision and recall at 5 % false positives on test clips; base: what chance has. senses: in how many of
    all cases a sense was read.
    """

    perceived: str
    views: str
    labels: int
    kinds: int
    average_precision: float
    low: float
    high: float
    base: float
    recall: float
    senses: dict[str, float]


@dataclass(frozen=True)
class Kind:
    """A thing that is seen or heard. is_N: in which clips."""

    name: str
    perceived: str
    is_N: Bool


@dataclass(frozen=True)
class Table:
    """Clips: those that may be labelled, then those of the test. views: name of a space -> sense -> (N, D)."""

    views: Mapping[str, Mapping[str, Float32]]
    kinds: Sequence[Kind]
    labelled: int


def open_table(
    bundle: Bundle, folder: Path, most: int, fewest: int = FEWEST, on_batch: Callable[[], None] = lambda: None
) -> Table:
    """most: clips that may be labelled, the first of the training split by chance. fewest: of a kind among them.

    Raises `ValueError` as `judge_stored`, and where there are too few of every kind.
    """
    features = FeatureSet(folder, bundle.tokenizer, without=tuple(bundle.training.get("data", {}).get("without", ())))
    train = np.random.default_rng(0).permutation(features.indices(TRAIN))[:most]
    chosen = np.concatenate([train, features.indices(TEST)])
    said = judge_stored(bundle, folder, chosen.tolist(), on_batch)
    own = {name: np.nan_to_num(view_ND) for name, view_ND in said.pooled.items()}
    towers = {name: _tower(features, chosen, name) for name in ("vision", "audio")}
    rows = [features.rows[int(n)] for n in chosen]
    kinds = _kinds(rows, len(train), fewest)
    if not kinds:
        raise ValueError(
            f"{folder}: came no thing that {fewest} clips of training and {FEWEST} of the test hold, expected some"
        )
    return Table({"bundle": own, "towers": towers}, kinds, len(train))


def worth(
    table: Table, budgets: Sequence[int], seeds: int, on_head: Callable[[], None] = lambda: None
) -> Iterator[Worth]:
    """For what is seen and what is heard, each kind of views, and each number of labels."""
    for perceived in ("seen", "heard"):
        if not (kinds := [kind for kind in table.kinds if kind.perceived == perceived]):
            continue
        for space, views in table.views.items():
            for labels in budgets:
                yield _worth(table, kinds, space, views, labels, seeds, on_head)


def heads(table: Table, budgets: Sequence[int], seeds: int) -> int:
    """How often `on_head` is called."""
    return len(table.kinds) * len(table.views) * len(budgets) * seeds


def _worth(
    table: Table,
    kinds: Sequence[Kind],
    space: str,
    views: Mapping[str, Float32],
    labels: int,
    seeds: int,
    on_head: Callable[[], None],
) -> Worth:
    found, read = [], Counter[str]()
    for kind in kinds:
        for seed in range(seeds):
            rng = np.random.default_rng([seed, labels])
            precision, recall, senses = _measured(table, kind, views, labels, rng)
            found.append((precision, recall))
            read.update(senses)
            on_head()
    measured_KS2 = np.array(found).reshape(len(kinds), seeds, 2)
    precision_K = measured_KS2[:, :, 0].mean(1)
    draws = np.random.default_rng(0).integers(len(kinds), size=(2000, len(kinds)))
    low, high = np.quantile(precision_K[draws].mean(1), [0.025, 0.975]).tolist()
    return Worth(
        perceived=kinds[0].perceived,
        views=space,
        labels=labels,
        kinds=len(kinds),
        average_precision=float(precision_K.mean()),
        low=low,
        high=high,
        base=float(np.mean([kind.is_N[table.labelled :].mean() for kind in kinds])),
        recall=float(measured_KS2[:, :, 1].mean()),
        senses={name: count / len(found) for name, count in sorted(read.items())},
    )


def _measured(
    table: Table, kind: Kind, views: Mapping[str, Float32], labels: int, rng: np.random.Generator
) -> tuple[float, float, Sequence[str]]:
    """Average precision, recall at 5 % false positives, and the senses that the head reads."""
    order = rng.permutation(table.labelled)
    is_kind = kind.is_N[order]
    yes = labels // QUARTER
    chosen = np.concatenate([order[is_kind][:yes], order[~is_kind][: labels - yes]])
    pool = {name: view_ND[: table.labelled] for name, view_ND in views.items()}
    means = {name: _unit(view[view.any(axis=1)]).mean(axis=0) for name, view in pool.items()}
    examples = Examples.of({name: view[chosen] for name, view in pool.items()}, means, kind.is_N[chosen])
    head = taught(examples, rng)
    test = range(table.labelled, len(kind.is_N))
    said_N = head.logits([{name: view[n] for name, view in views.items() if view[n].any()} for n in test])
    said_N, truth_N = np.nan_to_num(said_N, nan=head.bias), kind.is_N[table.labelled :]
    least = np.quantile(said_N[~truth_N], 1 - FALSE_POSITIVES)
    precision = float(average_precision(truth_N.astype(np.float64), said_N.astype(np.float64)))
    return precision, float((said_N[truth_N] > least).mean()), head.senses


def _kinds(rows: Sequence[Row], labelled: int, fewest: int) -> list[Kind]:
    """What topics name, where it is seen and where it is heard, of that there is enough."""
    kinds = []
    for topic in topics():
        for perceived, things in (("seen", topic.seen), ("heard", topic.heard)):
            is_N = np.array([any(span.thing in things for span in getattr(row, perceived)) for row in rows])
            if is_N[:labelled].sum() >= fewest and is_N[labelled:].sum() >= FEWEST:
                kinds.append(Kind(topic.name, perceived, is_N))
    return kinds


def _tower(features: FeatureSet, chosen: NDArray[np.int64], modality: str) -> Float32:
    """The mean of what a frozen tower says of a clip's frames or windows."""
    size = features.feature_shapes[modality][1]
    stored = (features.stored(CLIPS, int(n), modality)[0].float().numpy() for n in chosen)
    return np.stack([one.reshape(-1, size).mean(0) if len(one) else np.zeros(size, np.float32) for one in stored])


def _unit(view_ND: Float32) -> Float32:
    return np.asarray(view_ND / np.linalg.norm(view_ND, axis=1, keepdims=True), np.float32)
