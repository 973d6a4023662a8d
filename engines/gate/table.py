"""A report for people: a table for each thing that was measured, and the verdict at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.table import Table

from engines.gate.boundaries import Boundary
from engines.gate.extremes import Extreme
from engines.gate.flips import Flips
from engines.gate.report import Report, Side
from engines.gate.shift import Shift

#: Parts of the inputs that are shown; all are in the JSON.
MOST_PARTS = 5
_MEBIBYTE = 1 << 20


def tables(report: Report) -> Iterator[Table | str]:
    """In the order of reading."""
    yield f"candidate  {_told(report.candidate)}\nreference  {_told(report.reference)}"
    yield f"{report.inputs.count:,} inputs: {report.inputs.source}"
    above = [part for part in report.slices if part.flips][:MOST_PARTS]
    yield _flips([*report.tasks, *above])
    yield _shift(report.shift)
    yield _errors(report)
    yield _boundaries(report.boundaries)
    yield _extremes(report.extremes)
    yield _growth(report)
    yield "passed" if report.ok else "\n".join(["failed", *(f"- {reason}" for reason in report.reasons)])


def _told(side: Side) -> str:
    return f"{side.bundle} {side.bundle_id[:12]} on {side.engine}"


def _table(title: str, *columns: str, rows: Iterable[Sequence[str]]) -> Table:
    table = Table(title, *columns, box=None, pad_edge=False, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    return table


def _flips(flips: Sequence[Flips]) -> Table:
    rows = [
        (
            f"{one.task}, {one.part}",
            f"{one.flips:,} of {one.verdicts:,}",
            f"{one.rate:.2%}",
            f"{one.at_most:.2%}",
            f"{one.worst:.4f}",
        )
        for one in flips
    ]
    return _table("verdicts", "flip", "rate", "95 % below", "scores differ by", rows=rows)


def _shift(shifts: Sequence[Shift]) -> Table:
    rows = [
        (
            one.task,
            f"{one.mean:+.4f}",
            f"{one.mean_absolute:.4f}",
            f"{one.apart:.4f}",
            f"{one.labels:,}",
            "-" if one.reference_error is None else f"{one.reference_error:.4f}",
            "-" if one.candidate_error is None else f"{one.candidate_error:.4f}",
        )
        for one in shifts
    ]
    columns = ("shift", "absolute", "ECE between", "labels", "ECE before", "ECE after")
    return _table("scores", *columns, rows=rows)


def _errors(report: Report) -> Table:
    rows = [
        (
            f"{one.graph} {one.tensor}",
            _small(one.largest),
            _small(one.mean),
            _small(one.relative),
            "-" if one.cosine_least is None else f"{one.cosine_least:.5f}",
            "-" if one.cosine_mean is None else f"{one.cosine_mean:.5f}",
        )
        for one in report.errors
    ]
    columns = ("largest error", "mean", "/ scale", "least cosine", "mean")
    return _table("outputs", *columns, rows=rows)


def _boundaries(boundaries: Sequence[Boundary]) -> Table:
    axes: dict[tuple[str, str], list[Boundary]] = {}
    for one in boundaries:
        axes.setdefault((one.graph, one.axis), []).append(one)
    rows = []
    for (graph, axis), tried in axes.items():
        worst = max(tried, key=lambda one: one.drift - one.most)
        sizes = " ".join(str(one.size) for one in tried)
        rows.append(
            (
                f"{graph} {axis}: {sizes}",
                _small(worst.drift),
                _small(worst.most),
                str(sum(one.offends for one in tried)),
            )
        )
    return _table("sizes", "rows drift by", "may", "wrong", rows=rows)


def _extremes(extremes: Sequence[Extreme]) -> Table:
    graphs = dict.fromkeys(one.graph for one in extremes)
    rows = []
    for graph in graphs:
        tried = [one for one in extremes if one.graph == graph]
        furthest = max((one.apart for one in tried if one.apart is not None), default=0.0)
        wrong = sum(one.fault is not None for one in tried)
        rows.append((graph, str(len(tried)), _small(furthest), str(wrong)))
    return _table("extremes", "tried", "furthest", "wrong", rows=rows)


def _growth(report: Report) -> Table | str:
    if not report.growth:
        return "memory     not watched: no batch was run for it (--batches 0)"
    rows = [
        (
            one.memory,
            f"{one.batches:,}",
            f"{one.warm_bytes / _MEBIBYTE:.1f}",
            f"{one.last_bytes / _MEBIBYTE:.1f}",
            f"{one.grown_bytes / _MEBIBYTE:.2f}",
            f"{one.most_bytes / _MEBIBYTE:.0f}",
        )
        for one in report.growth
    ]
    return _table("memory, MiB", "warm batches", "first", "last", "steady growth", "noise", rows=rows)


def _small(value: float) -> str:
    return f"{value:.1e}" if value else "0"
