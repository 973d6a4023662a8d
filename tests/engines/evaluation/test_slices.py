"""Which clips belong to which slice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engines.data.public.manifest import Labels, Row, Span
from engines.evaluation.slices import (
    Slice,
    by_sense,
    by_title_source,
    counts,
    everything,
    fewest_sources,
    same_source,
    without_audio,
)
from engines.evaluation.truth import Truth


def row(adult: int | None, sense: str = "none", **more: Any) -> Row:
    labels = Labels(clickbait=more.pop("clickbait", None), adult=adult, relevance=more.pop("relevance", None))
    evidence: dict[str, Any] = {"adult": sense, "clickbait": more.pop("kept", "none"), "relevance": "none"}
    return Row(clip_id="c", split="test", labels=labels, evidence=evidence, **more)


def chosen(part: Slice | None) -> list[int]:
    assert part is not None
    return np.flatnonzero(part.chosen_N).tolist()


def test_a_positive_of_a_sense_is_set_against_every_negative() -> None:
    truth = Truth.of([row(1, "audio"), row(1, "speech"), row(0), row(0), row(None)], "test")
    assert {part.key: chosen(part) for part in by_sense(truth, "adult")} == {
        "adult.audio": [0, 2, 3],
        "adult.speech": [1, 2, 3],
    }
    assert chosen(everything(truth, "adult")) == [0, 1, 2, 3]


def test_of_clickbait_a_sense_decides_the_negatives() -> None:
    rows = [row(0, clickbait=1), row(0, clickbait=0, kept="audio"), row(0, clickbait=0, kept="vision")]
    parts = by_sense(Truth.of(rows, "test"), "clickbait")
    assert {part.key: chosen(part) for part in parts} == {"clickbait.vision": [0, 2], "clickbait.audio": [0, 1]}


def test_restricted_clips_are_set_against_harmless_ones_of_the_same_source() -> None:
    shot, blast = ((Span("audio", thing, 0.0, 1.0),) for thing in ("gunshot", "explosion"))
    rows = [
        *(row(1, "audio", spans=shot), row(1, "audio", spans=blast), row(1, "speech")),
        *(row(0, hard_negative=kind) for kind in ("casual_sound", "few_digits", "lookalike")),
        row(0),
    ]
    parts = {part.key: chosen(part) for part in same_source(Truth.of(rows, "test"))}
    assert parts == {"adult.gunshot": [0, 3], "adult.explosion": [1, 3], "adult.digits": [2, 4]}


def test_titles_and_mute_clips() -> None:
    rows = [
        row(label, title_source=name, has_audio=name == "youtube") for label in (0, 1) for name in ("youtube", "wire")
    ]
    truth = Truth.of(rows, "test")
    assert {part.key: chosen(part) for part in by_title_source(truth)} == {
        "adult.wire": [1, 3],
        "adult.youtube": [0, 2],
    }
    assert chosen(without_audio(truth, "adult")) == [1, 3]
    assert without_audio(truth, "clickbait") is None
    assert counts(truth, everything(truth, "adult")) == (2, 2)


def test_fewest_sources_are_what_a_number_hangs_on() -> None:
    rows = [row(1, groups=(f"photo:{n}", f"speaker:{n % 2}")) for n in range(6)]
    rows += [row(0, groups=(f"photo:{n}",)) for n in range(3)]
    truth = Truth.of(rows, "test")
    assert fewest_sources(truth, everything(truth, "adult")) == "2 speaker"
    assert (
        fewest_sources(Truth.of([row(1), row(0)], "test"), everything(Truth.of([row(1), row(0)], "test"), "adult"))
        == ""
    )


def test_a_clip_is_relevant_from_grade_2_on() -> None:
    truth = Truth.of([row(0, relevance=grade) for grade in (0, 1, 2, 3, None)], "test")
    assert truth.labels("relevance").tolist()[:4] == [0, 0, 1, 1]
    assert np.isnan(truth.labels("relevance")[4])
    assert truth.grades_N.tolist()[:4] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="no clip of split 'val'"):
        Truth.of([row(0)], "val")
