"""The head that reads likeness: what it can say, and that its two forms are one."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from engines.active.kernel import GramHead, KernelHead, fitted, likeness
from engines.active.learner import LogisticHead
from engines.active.vectors import Float32

WIDTHS = (6, 4)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def features(count: int, seed: int = 0) -> Float32:
    return rng(seed).standard_normal((count, sum(WIDTHS))).astype(np.float32)


def test_likeness_is_the_mean_over_senses_of_cosines_and_their_squares() -> None:
    rows, others = features(5), features(3, seed=1)
    rows[0, :6] = 0  # a video without that sense
    kernel_NM = likeness(rows, others, WIDTHS)
    for n, m in ((0, 0), (1, 2), (4, 1)):
        terms = []
        for part in (slice(0, 6), slice(6, 10)):
            norms = np.linalg.norm(rows[n, part]) * np.linalg.norm(others[m, part])
            cosine = float(rows[n, part] @ others[m, part]) / norms if norms else 0.0
            terms.append((cosine + cosine**2) / 2)
        assert kernel_NM[n, m] == pytest.approx(np.mean(terms), abs=1e-6)
    with pytest.raises(ValueError, match=r"came 10 features, expected 11, widths \(6, 5\)"):
        likeness(rows, others, (6, 5))


def test_senses_may_weigh_more_or_less() -> None:
    rows, others = features(5), features(3, seed=1)
    alone_NM = likeness(rows[:, :6], others[:, :6], (6,))
    assert np.allclose(likeness(rows, others, WIDTHS, (1.0, 0.0)), alone_NM, atol=1e-6)
    assert np.allclose(likeness(rows, others, WIDTHS, (0.5, 0.5)), likeness(rows, others, WIDTHS), atol=1e-6)
    label_N = np.array([0, 1, 0, 1, 1], np.float32)
    weighted, first = (
        head.fit(rows[:, :width], label_N, rng())
        for head, width in ((KernelHead(WIDTHS, weights=(1.0, 0.0)), 10), (KernelHead((6,)), 6))
    )
    assert np.allclose(weighted.scores(others), first.scores(others[:, :6]), atol=1e-4)


def test_a_pair_of_traits_is_learnt_where_weights_on_values_are_at_a_loss() -> None:
    """Positive where two values have the same sign: nothing on either alone."""
    rows, test = features(600), features(400, seed=1)
    label_N, label_T = ((part[:, 0] * part[:, 1] > 0).astype(np.float32) for part in (rows, test))
    right = {
        type(head).__name__: float(((head.fit(rows, label_N, rng()).scores(test) > 0.5) == label_T).mean())
        for head in (KernelHead(WIDTHS), LogisticHead())
    }
    assert right["LogisticHead"] < 0.6
    assert right["KernelHead"] > 0.8


def test_with_a_kernel_that_is_known_the_head_says_the_same() -> None:
    pool, test = features(120), features(40, seed=1)
    label_L = (pool[:80, 0] > 0).astype(np.float32)
    places = np.arange(160, dtype=np.float32)[:, None]
    known = GramHead(likeness(pool, np.concatenate([pool, test]), WIDTHS)).fit(places[:80], label_L, rng())
    plain = KernelHead(WIDTHS).fit(pool[:80], label_L, rng())
    assert np.allclose(known.scores(places[120:]), plain.scores(test), atol=1e-5)
    assert np.allclose(known.scores(places[:120]), plain.scores(pool), atol=1e-5)


def test_copies_among_the_labelled_do_no_harm() -> None:
    rows = np.repeat(features(20), 3, axis=0)
    label_L = (rows[:, 0] > 0).astype(np.float32)
    score_L = KernelHead(WIDTHS).fit(rows, label_L, rng()).scores(rows)
    assert np.isfinite(score_L).all()
    assert ((score_L > 0.5) == label_L).mean() > 0.9


def test_without_its_packages_the_head_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.linalg", None)
    with pytest.raises(ValueError, match=r"pip install 'earshot\[active\]'"):
        KernelHead(WIDTHS).fit(features(4), np.array([0, 1, 0, 1], np.float32), rng())


def test_labels_of_one_kind_and_scores_before_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="came 3 labels of one kind"):
        fitted(np.eye(3, dtype=np.float32), np.ones(3, np.float32), 1.0)
    for head in (KernelHead(WIDTHS), GramHead(np.eye(3, dtype=np.float32))):
        with pytest.raises(ValueError, match="`fit` before `scores`"):
            head.scores(features(2))
