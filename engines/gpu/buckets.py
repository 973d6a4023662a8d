"""Shapes that plans are built for, chosen from traffic: every call is padded up to one of them.

A bucket gives the size of each free axis of a graph, the row axis first, in the order of `GraphSpec.ranges`. A call
with more rows than the largest bucket runs in several chunks; one that has more tokens than any bucket does not fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heappush
from itertools import combinations

#: Sizes of the free axes of a graph, the row axis first: (8, 32, 96, 64).
Shape = tuple[int, ...]

#: What a run costs besides its rows, in rows of the same width: launching and waiting. From gpu.md's table: a batch of
#: 8 frames took 1.06 ms and one of 64 5.73 ms, which is 0.39 ms and 0.083 ms a row.
OVERHEAD_ROWS = 4.7

#: Shapes that are merged one by one. Beyond that they are rounded first: merging takes time with their square.
MOST_SHAPES = 400


def choose(traffic: Mapping[Shape, int], most: int, least_covering: Shape) -> tuple[Shape, ...]:
    """At most `most` buckets for calls of these shapes and counts, cheapest in padding; ascending.

    Shapes are merged two by two, always those whose common bucket adds the least cost (agglomeration). Some bucket
    always covers the token axes of `least_covering`, the longest that may come. Raises `ValueError` for no room and
    for shapes that are none of the graph's.
    """
    if most < 1:
        raise ValueError(f"buckets: came room for {most}, expected 1 or more")
    counts: dict[Shape, int] = {}
    for shape, count in traffic.items():
        if len(shape) != len(least_covering) or min(shape) < 1:
            raise ValueError(f"traffic: came shape {shape}, expected sizes of 1 or more like {least_covering}")
        fitted = tuple(min(size, limit) for size, limit in zip(shape, least_covering, strict=True))
        counts[fitted] = counts.get(fitted, 0) + count
    widest = (max((shape[0] for shape in counts), default=least_covering[0]), *least_covering[1:])
    counts = _thinned(counts, widest)
    counts.setdefault(widest, 0)
    pairs = [_pair(counts, *two) for two in combinations(sorted(counts), 2)]
    heapify(pairs)
    while len(counts) > most:
        _, one, other, *of_both = heappop(pairs)
        if [counts.get(one), counts.get(other)] != of_both:
            continue  # one of them was merged with something else meanwhile
        del counts[one], counts[other]
        common = _common(one, other)
        counts[common] = counts.get(common, 0) + sum(of_both)
        for shape in counts.keys() - {common}:
            heappush(pairs, _pair(counts, *sorted((common, shape))))
    return tuple(sorted(counts, key=lambda shape: (_cost(shape), shape)))


def cover(rows: int, tokens: Shape, buckets: Sequence[Shape]) -> tuple[Shape, ...]:
    """The buckets whose runs take these rows, each with room for `tokens`, at the least cost; the largest first.

    Raises `ValueError` when no bucket has room for the tokens.
    """
    fitting = tuple(shape for shape in buckets if all(t <= size for t, size in zip(tokens, shape[1:], strict=True)))
    if not fitting:
        raise ValueError(f"came {tokens} tokens, expected at most {_longest(buckets)}")
    return _cheapest(rows, fitting)


@lru_cache(maxsize=4096)
def _cheapest(rows: int, buckets: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """The cheapest runs for 1, 2, ... rows: each is one more run behind the cheapest for the rows that it leaves."""
    costs = [(_cost(shape), shape) for shape in buckets]
    best: list[tuple[float, Shape]] = [(0.0, ())]
    for left in range(1, rows + 1):
        best.append(min((cost + best[max(0, left - shape[0])][0], shape) for cost, shape in costs))
    runs = []
    while rows > 0:
        runs.append(best[rows][1])
        rows -= runs[-1][0]
    return tuple(sorted(runs, reverse=True))


def _cost(shape: Shape) -> float:
    return (shape[0] + OVERHEAD_ROWS) * max(1, sum(shape[1:]))


def _pair(counts: Mapping[Shape, int], one: Shape, other: Shape) -> tuple[float, Shape, Shape, int, int]:
    """What their common bucket would cost more than their own, and what was counted of both."""
    common = _cost(_common(one, other))
    added = sum(counts[shape] * (common - _cost(shape)) for shape in (one, other))
    return added, one, other, counts[one], counts[other]


def _thinned(counts: dict[Shape, int], widest: Shape) -> dict[Shape, int]:
    """`MOST_SHAPES` at most, or as near as it comes: sizes are rounded up to fewer and fewer binary digits."""
    found = counts
    for digits in (4, 3, 2, 1):
        if len(found) <= MOST_SHAPES:
            break
        found = {}
        for shape, count in counts.items():
            rounded = tuple(min(_rounded(size, digits), most) for size, most in zip(shape, widest, strict=True))
            found[rounded] = found.get(rounded, 0) + count
    return found


def _rounded(size: int, digits: int) -> int:
    """Up to the next number of so many binary digits and zeros behind them: of two digits 1, 2, 3, 4, 6, 8, 12, ..."""
    zeros = max(0, size.bit_length() - digits)
    return -(-size >> zeros) << zeros


def _common(one: Shape, other: Shape) -> Shape:
    return tuple(map(max, one, other))


def _longest(buckets: Sequence[Shape]) -> Shape:
    return max((shape[1:] for shape in buckets), key=math.prod)
