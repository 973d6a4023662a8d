"""What pseudo-labels are worth is measured on test clips alone, and guesses are held against the truth."""

from __future__ import annotations

import numpy as np
import pytest

from engines.data.public.manifest import Labels, Row
from engines.evaluation.truth import Truth
from engines.learn.pseudo import PseudoOptions
from engines.learn.worth import Table, worth


@pytest.fixture(scope="module")
def table() -> Table:
    """Positives lie to one side of a direction; of clickbait nothing is in the features."""
    rng = np.random.default_rng(5)
    rows_NF = rng.standard_normal((600, 12)).astype(np.float32)
    adult_N = rows_NF[:, 0] + 0.3 * rng.standard_normal(600) > 0.5
    coin_N = rng.integers(0, 2, 600)
    rows = [
        Row(
            clip_id=f"clip-{n}",
            split="train" if n < 400 else "test",
            labels=Labels(clickbait=int(coin_N[n]), adult=int(adult_N[n])),
        )
        for n in range(600)
    ]
    return Table(rows_NF[:400], rows_NF[400:], Truth.of(rows, "train"), Truth.of(rows, "test"))


def test_each_task_and_number_of_labels_is_compared(table: Table) -> None:
    options = PseudoOptions(positive=0.9, negative=0.1, neighbours=3, agreeing=0.6)
    found = {(one.task, one.labels): one for one in worth(table, (40, 80), 4, options)}
    assert set(found) == {(task, labels) for task in ("clickbait", "adult") for labels in (40, 80)}
    adult = found["adult", 80]
    assert adult.seeds == 4 and 0 < adult.guesses <= 40 and adult.right > 0.9
    assert adult.without > 0.8 and adult.low <= adult.difference <= adult.high
    assert adult.difference == pytest.approx(adult.with_guesses - adult.without)
    assert found["clickbait", 40].guesses < 10  # a head that knows nothing is sure of nothing


def test_without_guesses_nothing_changes(table: Table) -> None:
    for one in worth(table, (60,), 3, PseudoOptions(share=0.0)):
        assert one.guesses == 0 and one.difference == 0.0


def test_more_labels_than_there_are(table: Table) -> None:
    with pytest.raises(ValueError, match="came 500 labels to draw, there are 400"):
        list(worth(table, (500,), 2, PseudoOptions()))
