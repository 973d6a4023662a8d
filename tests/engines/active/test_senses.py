"""A head that finds out which senses tell the labels apart."""

from __future__ import annotations

import numpy as np
import pytest

from engines.active import senses as module
from engines.active.senses import SensesHead, deciding, shared_out, side_by_side

N, D = 60, 12


def spaces(kind: str, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two senses, in one of which a quarter of the videos lie near each other."""
    rng = np.random.default_rng(seed)
    label_N = rng.permutation(N) < N // 4
    found = {name: rng.standard_normal((N, D)) for name in ("vision", "audio")}
    found[kind][label_N, :2] += 4
    return {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in found.items()}, label_N


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize("kind", ["vision", "audio"])
def test_it_reads_the_sense_in_which_labels_differ(kind: str) -> None:
    found, label_N = spaces(kind)
    widths, features_NF = side_by_side(found)
    head = SensesHead(widths).fit(features_NF, label_N.astype(np.float32), rng())
    assert head.reads == (kind,)
    other, other_label_N = spaces(kind, seed=7)
    said_N = head.scores(side_by_side(other)[1])
    assert (said_N[other_label_N][:, None] > said_N[~other_label_N][None]).mean() > 0.95


def test_senses_that_are_told_are_not_looked_for() -> None:
    found, label_N = spaces("vision")
    widths, features_NF = side_by_side(found)
    assert SensesHead(widths, only=("audio",)).fit(features_NF, label_N.astype(np.float32), rng()).reads == ("audio",)


def test_other_labels_are_read_in_other_senses() -> None:
    """A learner fits the head that it has fitted before."""
    seen, seen_N = spaces("vision")
    heard, heard_N = spaces("audio")
    widths, seen_NF = side_by_side(seen)
    head = SensesHead(widths).fit(seen_NF, seen_N.astype(np.float32), rng())
    again = head.fit(side_by_side(heard)[1], heard_N.astype(np.float32), rng())
    assert (head.reads, again.reads) == (("vision",), ("audio",))


def test_another_judge_is_trusted_as_far_as_it_is_told() -> None:
    """Senses say nothing; the log odds in the first column say all."""
    noise, _ = spaces("vision")
    _, label_N = spaces("vision", seed=3)
    widths, rows_NF = side_by_side(noise)
    features_NF = np.column_stack([np.where(label_N, 4.0, -4.0), rows_NF]).astype(np.float32)
    head = SensesHead(widths, trust=0.1).fit(features_NF, label_N.astype(np.float32), rng())
    said_N = head.logits(features_NF)
    assert said_N[label_N].min() > said_N[~label_N].max()


def test_a_mean_is_that_of_videos_that_have_the_sense() -> None:
    rows = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    widths, features_NF = side_by_side({"audio": rows})
    assert widths == {"audio": 2}
    np.testing.assert_allclose(features_NF, [[0.5, -0.5], [0, 0], [-0.5, 0.5]])


def test_few_labels_decide_nothing() -> None:
    found, _ = spaces("vision")
    rows = {name: one.astype(np.float32) for name, one in found.items()}
    assert deciding(rows, np.arange(N) < 3, rng()) == ("vision", "audio")


def test_more_labels_than_are_looked_at_decide_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 40)
    found, label_N = spaces("audio")
    rows = {name: one.astype(np.float32) for name, one in found.items()}
    assert deciding(rows, label_N, rng()) == ("audio",)


def test_parts_share_labels_out_evenly() -> None:
    label_N = np.arange(N) < 13
    parts = shared_out(label_N, 4, rng())
    assert sorted(np.concatenate(parts).tolist()) == list(range(N))
    assert {int(label_N[part].sum()) for part in parts} == {3, 4}


def test_a_head_without_labels_says_so() -> None:
    with pytest.raises(ValueError, match="`fit` before `scores`"):
        SensesHead({"vision": 2}).scores(np.zeros((1, 2), np.float32))
