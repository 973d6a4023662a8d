"""What runs were trained with: differences are told, and seeds of one arm that were trained differently refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engines.evaluation.runs import Card, Run
from engines.evaluation.settings import differences

LOGITS = np.zeros((2, 3), np.float32)


def run(arm: str, seed: int, **lineage: Any) -> Run:
    return Run(Card(arm=arm, seed=seed, dataset="d", lineage=lineage), LOGITS, LOGITS)


def test_what_arms_were_trained_with_is_told_where_it_differs() -> None:
    heard = {"options": {"epochs": 8, "hiding": {"audio": 0.0}}, "sizes": {"heads": 4, "hearing": True}}
    blind = {"options": {"epochs": 8, "hiding": {"audio": 0.1}}, "sizes": {"heads": 4}}
    runs = {
        "vl": {0: run("vl", 0, **blind, code="a", seconds=1), 1: run("vl", 1, **blind, code="b", seconds=2)},
        "vlmae": {0: run("vlmae", 0, **heard)},
        "concat": {0: run("concat", 0, **heard)},
        "made_of_others": {0: run("made_of_others", 0)},
    }
    assert differences(runs) == {
        "options.hiding.audio": {"0.1": ["vl"], "0.0": ["vlmae", "concat"]},
        "sizes.hearing": {"none": ["vl"], "true": ["vlmae", "concat"]},
    }
    assert differences({"vl": runs["vl"]}) == {}


def test_seeds_of_one_arm_that_were_trained_differently_are_not_averaged() -> None:
    runs = {"vl": {seed: run("vl", seed, options={"epochs": epochs}) for seed, epochs in ((0, 8), (3, 8), (4, 12))}}
    with pytest.raises(ValueError, match=r"runs of vl: seeds 0 and 4 .* options\.epochs \(8 and 12\), expected one"):
        differences(runs)
