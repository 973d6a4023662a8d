"""Long videos through a bundle: how right it is by length and by how often it looks.

Shape letters: N videos, K tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.bundle import Bundle
from engines.evaluation.long.joined import ADULT, HARMLESS, Joined, Joiner
from engines.evaluation.metrics import recall_at_false_positives, spearman, weighted_area_under_roc
from engines.evaluation.resampling import seed_error
from engines.evaluation.study import Estimate
from engines.learn.stored import judge_batches
from engines.spec import TASKS
from engines.training.features import FeatureBatch, FeatureSet
from engines.training.joined_clips import joined_batch

#: Clips after each other: of 4 s to 128 s.
PARTS = (1, 2, 4, 8, 16, 32)
#: Of each length in each draw; half of them are restricted.
VIDEOS = 200
#: Of harmless videos that may be called.
RATE = 0.05
#: Videos that are judged together.
BATCH = 20
CLICKBAIT, RELEVANCE = TASKS.index("clickbait"), TASKS.index("relevance")

Float64 = NDArray[np.float64]


class Looked(msgspec.Struct, frozen=True):
    """One length, looked at so often at most. Means over draws.

    adult_recall: at 5 % false positives. by_evidence: the same by what gives restricted videos away, of all draws.
    found, flagged: restricted and harmless videos that reach the bundle's threshold, by the network's score alone.
    """

    seconds: float
    looks: int
    adult_auc: Estimate
    adult_recall: Estimate
    clickbait_auc: Estimate
    relevance: Estimate
    found: Estimate
    flagged: Estimate
    by_evidence: Mapping[str, float]


def looks_of(bundle: Bundle, parts: int) -> tuple[int, ...]:
    """As often as a short video, and, where that is more, once in each part and twice, as far as the bundle goes."""
    sizes = bundle.preprocessing
    few = sizes.max_frames
    return tuple(sorted({max(few, min(sizes.most_frames, times * parts)) for times in (0, 1, 2)}))


def cells(bundle: Bundle) -> list[tuple[int, int]]:
    """Parts and looks of all that is measured."""
    return [(parts, looks) for parts in PARTS for looks in looks_of(bundle, parts)]


def steps(bundle: Bundle, draws: int) -> int:
    """How often `on_batch` is called."""
    return len(cells(bundle)) * draws * -(-VIDEOS // BATCH)


def measured(bundle: Bundle, features: FeatureSet, draws: int, on_batch: Callable[[], None]) -> list[Looked]:
    """Every length, with the same videos however often one looks; of `draws` seeds. Raises as `judge_stored`."""
    joiner = Joiner(features, max(PARTS))
    found = []
    for parts, looks in cells(bundle):
        videos = [_videos(joiner, parts, seed) for seed in range(draws)]
        logits_NK = judge_batches(bundle, features, _batches(bundle, features, videos, looks), on_batch).logits_NK
        found.append(_looked(bundle, looks, videos, np.split(logits_NK.astype(np.float64), draws)))
    return found


def _videos(joiner: Joiner, parts: int, seed: int) -> list[Joined]:
    rng = np.random.default_rng([seed, parts])
    return [joiner.draw(parts, n % 2 == 0, rng) for n in range(VIDEOS)]


def _batches(
    bundle: Bundle, features: FeatureSet, draws: Sequence[Sequence[Joined]], looks: int
) -> Iterator[FeatureBatch]:
    for seed, videos in enumerate(draws):
        rng = np.random.default_rng([seed, len(videos[0].parts), looks])
        for start in range(0, len(videos), BATCH):
            of = videos[start : start + BATCH]
            clips, said = [video.parts for video in of], [video.said for video in of]
            yield joined_batch(features, clips, said, looks, bundle.preprocessing.max_windows, rng)


def _looked(bundle: Bundle, looks: int, draws: Sequence[Sequence[Joined]], logits: Sequence[Float64]) -> Looked:
    rows = [_values(bundle, videos, logits_NK) for videos, logits_NK in zip(draws, logits, strict=True)]
    estimates = {name: _estimate([row[name] for row in rows]) for name in rows[0]}
    return Looked(seconds=draws[0][0].seconds, looks=looks, by_evidence=_by_evidence(draws, logits), **estimates)


def _values(bundle: Bundle, videos: Sequence[Joined], logits_NK: Float64) -> dict[str, float]:
    """Of one draw, by the names of `Looked`."""
    truth_NK = np.array([video.truth_K for video in videos])
    restricted_N, adult_N = truth_NK[:, ADULT], logits_NK[:, ADULT]
    called_N = bundle.calibration.scores(logits_NK.astype(np.float32))[:, ADULT] >= bundle.thresholds["adult"]
    return {
        "adult_auc": _auc(restricted_N, adult_N),
        "adult_recall": recall_at_false_positives(restricted_N, adult_N, RATE),
        "clickbait_auc": _auc(truth_NK[:, CLICKBAIT], logits_NK[:, CLICKBAIT]),
        "relevance": spearman(truth_NK[:, RELEVANCE], logits_NK[:, RELEVANCE]),
        "found": float(called_N[restricted_N == 1].mean()),
        "flagged": float(called_N[restricted_N == 0].mean()),
    }


def _by_evidence(draws: Sequence[Sequence[Joined]], logits: Sequence[Float64]) -> dict[str, float]:
    """Recall of restricted videos at 5 % false positives of all draws together."""
    adult_N = np.concatenate(logits)[:, ADULT]
    by_N = np.array([video.restricted_by for videos in draws for video in videos])
    bar = np.quantile(adult_N[by_N == HARMLESS], 1 - RATE)
    return {str(name): float((adult_N[by_N == name] > bar).mean()) for name in np.unique(by_N) if name != HARMLESS}


def _auc(labels_N: Float64, scores_N: Float64) -> float:
    return float(weighted_area_under_roc(labels_N, scores_N, np.ones((1, len(labels_N))))[0])


def _estimate(values: Sequence[float]) -> Estimate:
    value_S = np.array(values)
    return Estimate.of(float(value_S.mean()), 0.0, seed_error(value_S), len(value_S))
