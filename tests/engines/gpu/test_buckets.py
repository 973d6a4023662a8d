"""Buckets: few shapes that take whatever comes, at the least padding."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, combinations_with_replacement
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.gpu.buckets import MOST_SHAPES, OVERHEAD_ROWS, Shape, _rounded, choose, cover

LONGEST = (16, 12, 9)
SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 12), st.integers(1, 9))
TRAFFIC = st.dictionaries(SHAPES, st.integers(1, 50), max_size=12)


def cost(shape: Shape) -> float:
    """What a run of a bucket costs: rows and launching, as wide as its tokens."""
    return (shape[0] + OVERHEAD_ROWS) * max(1, sum(shape[1:]))


@given(TRAFFIC, st.integers(1, 6))
def test_never_more_than_asked_for_and_the_longest_has_room(traffic: Mapping[Shape, int], most: int) -> None:
    buckets = choose(traffic, most, LONGEST)
    assert 1 <= len(buckets) <= most
    assert len(set(buckets)) == len(buckets)
    assert any(bucket[1:] == LONGEST[1:] for bucket in buckets)
    assert [cost(bucket) for bucket in buckets] == sorted(cost(bucket) for bucket in buckets)


@given(TRAFFIC, st.integers(1, 6))
def test_all_that_came_fits_and_nothing_is_larger_than_it_may_be(traffic: Mapping[Shape, int], most: int) -> None:
    buckets = choose(traffic, most, LONGEST)
    for rows, *tokens in traffic:
        cover(rows, tuple(tokens), buckets)
    most_rows = min(LONGEST[0], max((rows for rows, *_ in traffic), default=LONGEST[0]))
    for bucket in buckets:
        assert all(size <= limit for size, limit in zip(bucket, LONGEST, strict=True))
        assert bucket[0] <= most_rows


@given(TRAFFIC)
def test_with_room_for_all_every_call_has_its_own_bucket(traffic: Mapping[Shape, int]) -> None:
    buckets = choose(traffic, len(traffic) + 1, LONGEST)
    wanted = {tuple(min(size, limit) for size, limit in zip(shape, LONGEST, strict=True)) for shape in traffic}
    assert wanted <= set(buckets)
    assert len(set(buckets) - wanted) <= 1


def test_what_costs_least_together_is_merged() -> None:
    """63 and 64 rows are nearly the same; 8 would pay for 55 rows that it has not."""
    assert choose({(8,): 10, (63,): 10, (64,): 10}, 2, (64,)) == ((8,), (64,))


def test_how_often_a_shape_comes_decides() -> None:
    often_small = {(1,): 1000, (10,): 1, (30,): 1}
    often_middle = {(1,): 1, (10,): 1000, (30,): 1}
    assert choose(often_small, 2, (64,)) == ((1,), (30,))
    assert choose(often_middle, 2, (64,)) == ((10,), (30,))


def test_shapes_that_grow_along_other_axes_get_a_common_one() -> None:
    assert choose({(4, 10, 1): 1, (4, 1, 9): 1}, 1, LONGEST) == ((4, 12, 9),)


def test_nothing_counted_gives_the_longest() -> None:
    assert choose({}, 4, LONGEST) == (LONGEST,)


def test_more_rows_than_may_be_run_in_chunks() -> None:
    assert choose({(500,): 3}, 2, (64,)) == ((64,),)


def test_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="buckets: came room for 0, expected 1 or more"):
        choose({(1,): 1}, 0, (64,))


@pytest.mark.parametrize("shape", [(4,), (4, 1, 1, 1), (0, 1, 1), (4, -1, 1), ()])
def test_shapes_of_no_graph_are_refused(shape: Shape) -> None:
    with pytest.raises(ValueError, match=r"traffic: came shape .*, expected sizes of 1 or more like \(16, 12, 9\)"):
        choose({shape: 1}, 4, LONGEST)


BUCKETS = st.lists(SHAPES, min_size=1, max_size=4, unique=True).map(tuple)


@given(st.integers(1, 30), st.tuples(st.integers(1, 12), st.integers(1, 9)), BUCKETS)
def test_all_rows_are_covered_and_all_tokens_have_room(rows: int, tokens: Shape, buckets: tuple[Shape, ...]) -> None:
    buckets = (*buckets, (3, 12, 9))
    runs = cover(rows, tokens, buckets)
    assert set(runs) <= set(buckets)
    assert all(size <= room for run in runs for size, room in zip(tokens, run[1:], strict=True))
    assert list(runs) == sorted(runs, reverse=True)
    assert sum(run[0] for run in runs) >= rows
    assert sum(run[0] for run in runs[:-1]) < rows


@given(st.integers(1, 9), st.tuples(st.integers(1, 12), st.integers(1, 9)), BUCKETS)
def test_the_runs_are_the_cheapest_of_all(rows: int, tokens: Shape, buckets: tuple[Shape, ...]) -> None:
    buckets = (*buckets, (3, 12, 9))
    runs = cover(rows, tokens, buckets)
    fitting = [shape for shape in buckets if all(t <= size for t, size in zip(tokens, shape[1:], strict=True))]
    cheapest = min(
        sum(map(cost, chosen))
        for count in range(1, rows + 1)
        for chosen in combinations_with_replacement(fitting, count)
        if sum(shape[0] for shape in chosen) >= rows
    )
    assert sum(map(cost, runs)) == pytest.approx(cheapest)


def test_of_buckets_of_the_same_rows_the_narrow_one_is_taken() -> None:
    """A full batch of short texts must not pay for the longest."""
    buckets = ((8, 32), (32, 32), (32, 64))
    assert cover(32, (16,), buckets) == ((32, 32),)
    assert cover(64, (16,), buckets) == ((32, 32), (32, 32))
    assert cover(32, (33,), buckets) == ((32, 64),)


def test_two_runs_may_be_cheaper_than_one() -> None:
    assert cover(9, (), ((1,), (8,), (64,))) == ((8,), (1,))


def test_too_many_tokens_are_refused_with_both_sides() -> None:
    with pytest.raises(ValueError, match=r"came \(13, 2\) tokens, expected at most \(12, 9\)"):
        cover(1, (13, 2), ((8, 4, 4), (2, 12, 9)))


@given(TRAFFIC, st.integers(1, 6))
def test_always_the_pair_that_adds_least_is_merged(traffic: Mapping[Shape, int], most: int) -> None:
    """Against trying all pairs each time."""
    counts: dict[Shape, int] = {}
    for shape, count in traffic.items():
        fitted = tuple(min(size, limit) for size, limit in zip(shape, LONGEST, strict=True))
        counts[fitted] = counts.get(fitted, 0) + count
    counts.setdefault((max((shape[0] for shape in counts), default=LONGEST[0]), *LONGEST[1:]), 0)

    def added(pair: tuple[Shape, Shape]) -> float:
        common = cost(tuple(map(max, *pair)))
        return sum(counts[shape] * (common - cost(shape)) for shape in pair)

    while len(counts) > most:
        one, other = min(combinations(sorted(counts), 2), key=added)
        both = counts.pop(one) + counts.pop(other)
        common = tuple(map(max, one, other))
        counts[common] = counts.get(common, 0) + both
    assert set(choose(traffic, most, LONGEST)) == set(counts)


def test_thousands_of_shapes_are_chosen_from_after_rounding() -> None:
    longest = (32, 400, 64, 128)
    rng = Random(0)
    traffic = {
        (rng.randint(1, 40), rng.choice((1, 49, 392)), rng.randint(1, 64), rng.randint(1, 90)): rng.randint(1, 9)
        for _ in range(3 * MOST_SHAPES)
    }
    buckets = choose(traffic, 4, longest)
    assert len(buckets) == 4
    for rows, *tokens in traffic:
        cover(rows, tuple(tokens), buckets)
    assert all(size <= limit for bucket in buckets for size, limit in zip(bucket, longest, strict=True))


@pytest.mark.parametrize(("digits", "kept"), [(1, [1, 2, 4, 8, 16, 32]), (2, [1, 2, 3, 4, 6, 8, 12, 16, 24, 32])])
def test_sizes_are_rounded_up(digits: int, kept: list[int]) -> None:
    assert [_rounded(size, digits) for size in range(1, 33)] == [
        next(one for one in kept if one >= size) for size in range(1, 33)
    ]
