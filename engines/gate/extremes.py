"""Inputs that no recording has: silence, glare, nothing at all, and what is no number.

A candidate has to answer, to be finite where the reference is, to keep the other rows of the batch as they are, and to
say the same as before to what comes next. What it says of what is no number is its own affair: engines differ in
whether a NaN survives a maximum, and in the stream none gets as far as here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from engines.bundle import Bundle
from engines.engine_set import EngineSet
from engines.gate.cases import ROW, ROWS, Case, cases
from engines.gate.drift import allowed, drift
from engines.gate.shapes import Lengths, random_batch, ranges, trimmed
from engines.runner import Runner, RunnerError
from engines.spec import GRAPHS, Array, GraphSpec


class Extreme(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one case. is_finite: whether the reference's answer is. fault: what the candidate did wrong.

    apart: how far the candidate's answer on that row is from the reference's (`engines.gate.drift`); None where either
    is not finite. It decides nothing: nobody's verdict rests on such inputs.
    """

    graph: str
    case: str
    is_finite: bool
    apart: float | None = None
    fault: str | None = None


def try_extremes(
    bundle: Bundle,
    candidate: EngineSet,
    reference: EngineSet,
    seed: int,
    on_case: Callable[[], None] = lambda: None,
) -> Iterator[Extreme]:
    """Each of `cases`, in the middle of a batch of good rows; before and after it a good batch."""
    for graph in GRAPHS:
        trial = _Trial(bundle, getattr(candidate, graph), getattr(reference, graph), seed)
        for case in cases():
            if case.graph == graph:
                yield trial.run(case)
                on_case()


def reasons(extremes: Sequence[Extreme]) -> list[str]:
    """Why extremes speak against a candidate."""
    return [f"{one.graph} given {one.case}: {one.fault}" for one in extremes if one.fault is not None]


class _Trial:
    """One graph of both sides, and what the candidate says of a good batch."""

    def __init__(self, bundle: Bundle, candidate: Runner, reference: Runner, seed: int) -> None:
        self._candidate, self._reference, self._seed = candidate, reference, seed
        self._spec: GraphSpec = bundle.graphs[candidate.spec.name]
        optima = {name: sizes.optimum for name, sizes in ranges(bundle, self._spec.name).items()}
        self._sizes = {**optima, self._spec.row_axis: ROWS}
        self._good: tuple[dict[str, Array], Lengths] = random_batch(
            bundle, self._spec.name, self._sizes, np.random.default_rng(seed)
        )
        self._good_fault: str | None = None
        try:
            self._before = dict(candidate(self._good[0]))
        except Exception as error:  # whatever a candidate raises is what its report has to say
            self._good_fault = f"a good batch raised {type(error).__name__}: {error}"

    def run(self, case: Case) -> Extreme:
        inputs = {name: array.copy() for name, array in self._good[0].items()}
        case.fill(inputs, np.random.default_rng(self._seed))
        try:
            expected = self._reference(inputs)
        except RunnerError as error:
            raise ValueError(f"the reference cannot judge {case.graph} given {case.name}: {error}") from error
        is_finite = _all_finite(expected)
        apart, fault = self._judge(case, inputs, expected)
        return Extreme(graph=case.graph, case=case.name, is_finite=is_finite, apart=apart, fault=fault)

    def _judge(
        self, case: Case, inputs: dict[str, Array], expected: Mapping[str, Array]
    ) -> tuple[float | None, str | None]:
        """How far the row is apart, and what is wrong."""
        if self._good_fault is not None:
            return None, self._good_fault
        try:
            came = self._candidate(inputs)
        except Exception as error:  # as above
            return None, f"raised {type(error).__name__}: {error}"
        apart, tensor = drift([self._row(came, ROW)], [self._row(expected, ROW)])
        if case.is_number and apart == float("inf"):
            return None, f"{tensor} is not finite where the reference's is"
        if fault := self._moved(came, "the other rows of the batch"):
            return None, fault
        try:
            after = self._candidate(self._good[0])
        except Exception as error:  # as above
            return None, f"then raised on a good batch: {type(error).__name__}: {error}"
        both_finite = _all_finite(expected) and _all_finite(came)
        return apart if both_finite else None, self._moved(after, "the next batch")

    def _moved(self, came: Mapping[str, Array], what: str) -> str | None:
        """Rows that were good all along say the same as before."""
        kept = [row for row in range(ROWS) if row != ROW]
        after, before = ([self._row(outputs, row) for row in kept] for outputs in (came, self._before))
        apart, tensor = drift(after, before)
        return f"changes {tensor} of {what} by {apart:.2g}" if apart > allowed(0.0) else None

    def _row(self, outputs: Mapping[str, Array], row: int) -> dict[str, Array]:
        lengths = self._good[1]
        return {tensor.name: trimmed(outputs[tensor.name], lengths, row, tensor.axes) for tensor in self._spec.outputs}


def _all_finite(outputs: Mapping[str, Array]) -> bool:
    return all(bool(np.isfinite(np.asarray(array, np.float64)).all()) for array in outputs.values())
