"""Two bundles on a gate: differences are paired, slices are named, and thin ones do not count."""

from __future__ import annotations

import numpy as np
import pytest

from engines.data.public.manifest import Labels, Row
from engines.learn.compare import compare
from engines.learn.gate import Gate, freeze
from engines.learn.page import as_html, as_markdown
from engines.learn.report import Fidelity, GateName, Learnt, Report
from engines.parity import Parity

CLIPS = 120


@pytest.fixture(scope="module")
def gate() -> Gate:
    """Tenants of 100 and 20 clips; a third of the clips is adult, of which five are heard; relevance is graded."""
    rows = [
        Row(
            clip_id=f"clip-{n:03d}",
            split="test",
            query="q",
            labels=Labels(clickbait=n % 2, adult=int(n % 3 == 0), relevance=n % 4),
            evidence={"adult": "none" if n % 3 else "audio" if n < 15 else "vision"},
            tenant="<script>" if n < 100 else "b",
            groups=(f"group:{n // 2}",),
        )
        for n in range(CLIPS)
    ]
    return freeze(rows, "g")


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((CLIPS, 3)).astype(np.float32)


def truth(gate: Gate) -> np.ndarray:
    labels = [row.labels for row in gate.rows]
    return np.array([[one.clickbait, one.adult, one.relevance] for one in labels], np.float32)


def test_the_same_logits_differ_by_nothing_for_certain(gate: Gate, noise: np.ndarray) -> None:
    for line in compare(gate, noise, noise.copy(), replicates=50):
        assert (line.difference, line.low, line.high) == (0.0, 0.0, 0.0)


def test_who_knows_the_truth_is_better_for_certain(gate: Gate, noise: np.ndarray) -> None:
    found = {line.slice: line for line in compare(gate, noise, truth(gate) + 0.1 * noise, replicates=100)}
    assert [name for name, line in found.items() if line.is_whole] == ["clickbait", "adult", "relevance"]
    for task, metric in (("clickbait", "AP"), ("adult", "AP"), ("relevance", "Spearman")):
        assert found[task].metric == metric and found[task].candidate > 0.9
        assert found[task].low > 0 and found[task].difference == pytest.approx(
            found[task].candidate - found[task].current
        )
    assert (found["adult"].positives, found["adult"].negatives) == (40, 80)
    assert found["adult.vision"].is_protected and not found["adult.audio"].is_protected
    assert found["adult.tenant:<script>"].is_protected and not found["adult.tenant:b"].is_protected


def test_a_bundle_that_says_the_same_of_all_orders_nothing(gate: Gate, noise: np.ndarray) -> None:
    found = {line.slice: line for line in compare(gate, noise, np.zeros_like(noise), replicates=20)}
    assert found["relevance"].candidate == 0.0 and np.isfinite(found["relevance"].low)


def test_pages_escape_what_comes_from_outside(gate: Gate, noise: np.ndarray) -> None:
    report = Report(
        candidate="1" * 64,
        current="2" * 64,
        made_at="2026-11-27T12:00:00+00:00",
        gate=GateName(name="g", sha256=gate.sha256, clips=CLIPS),
        parity=Fidelity(is_kept=True, tolerance=1e-4, graphs={"fusion": Parity({"logits_NK": 0.0}, 3, 0)}),
        lines=tuple(compare(gate, noise, noise, replicates=10)),
        learnt=Learnt(labels={"adult": {"1": 2}}, clips={"train": 1, "val": 1}, pseudo={"adult": 4}, lineage={}),
    )
    page = as_html(report)
    assert "<script>" not in page and "tenant &lt;script&gt;" in page
    assert "| adult | 40 / 80 | AP |" in as_markdown(report) and "adult 2 of 1" in page
