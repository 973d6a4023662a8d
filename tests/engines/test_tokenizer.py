"""Text fields become a short, valid answer, whatever they hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.bundle import Bundle
from engines.spec import SEGMENTS
from engines.tokenizer import TextTokenizer, fair_lengths, word_pipeline

TOKENIZER = TextTokenizer(word_pipeline(["red", "circle", "bell", "cafe"]), max_text_tokens=16)


def test_segments_follow_fields() -> None:
    ids_L, segments_L = TOKENIZER.encode({"query": "bell", "title": "red circle"})
    assert ids_L.tolist() == [2, 3, 4]
    assert segments_L.tolist() == [0, 0, SEGMENTS.index("query")]
    assert ids_L.dtype == segments_L.dtype == np.int64


@pytest.mark.parametrize("text", ["RED", "red", "ｒｅｄ", "Red!"])
def test_case_and_form_do_not_matter(text: str) -> None:
    assert TOKENIZER.encode({"title": text})[0][0] == 2


def test_accents_do_not_matter() -> None:
    assert TOKENIZER.encode({"title": "Café"})[0].tolist() == TOKENIZER.encode({"title": "cafe"})[0].tolist()


def test_nothing_is_one_unknown_token() -> None:
    ids_L, segments_L = TOKENIZER.encode({})
    assert ids_L.tolist() == [1]
    assert segments_L.tolist() == [0]


def test_long_fields_leave_room_for_short_ones() -> None:
    _, segments_L = TOKENIZER.encode({"title": "red " * 500, "description": "red " * 500, "query": "bell"})
    counts = np.bincount(segments_L, minlength=len(SEGMENTS)).tolist()
    assert sum(counts) == 16
    assert counts[SEGMENTS.index("query")] == 1
    assert abs(counts[0] - counts[1]) <= 1


def test_unknown_field_is_refused() -> None:
    with pytest.raises(ValueError, match=r"came \['titel'\], expected some of"):
        TOKENIZER.encode({"titel": "red"})


@given(st.dictionaries(st.sampled_from(SEGMENTS), st.text(st.characters(), max_size=400)))
@settings(deadline=None)
def test_any_text_gives_valid_ids(fields: dict[str, str]) -> None:
    ids_L, segments_L = TOKENIZER.encode(fields)
    assert 1 <= len(ids_L) == len(segments_L) <= 16
    assert ids_L.min() >= 0
    assert ids_L.max() < TOKENIZER.vocabulary_size


@pytest.mark.parametrize(
    "text",
    [
        "\ud800 lone surrogate",
        "\x00\x01\x02",
        "a" * 5_000_000,
        "\u0301" * 100_000,
        "\ufdfa" * 100_000,
        "‮ right to left",
    ],
    ids=["surrogate", "control", "long", "combining", "expanding", "bidi"],
)
def test_hostile_text_is_harmless(world_bundle: Bundle, text: str) -> None:
    ids_L, _ = world_bundle.tokenizer.encode(dict.fromkeys(SEGMENTS, text))
    assert 1 <= len(ids_L) <= world_bundle.preprocessing.max_text_tokens


@given(st.lists(st.integers(0, 100), min_size=1, max_size=6), st.integers(0, 100))
def test_fair_lengths_spend_the_budget_fairly(lengths: list[int], budget: int) -> None:
    kept = fair_lengths(lengths, budget)
    assert sum(kept) == min(budget, sum(lengths))
    assert all(0 <= given <= asked for given, asked in zip(kept, lengths, strict=True))
    cut = [given for given, asked in zip(kept, lengths, strict=True) if given < asked]
    if cut:
        assert max(kept) <= min(cut) + 1
