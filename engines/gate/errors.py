"""How far outputs are apart, tensor by tensor, over all that was run.

Shape letters: F frames, windows or videos, D size of a token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.spec import Array

#: Of equally probable classes either may come first, so their indices are not compared; their probabilities are.
UNORDERED = "classes_FI"
#: Outputs whose last axis is a vector that has a direction.
DIRECTED = ("tokens_FPD", "tokens_NLD", "embedding_ND")


class TensorError(msgspec.Struct, frozen=True, kw_only=True):
    """Of one output, over `values` numbers: largest and mean absolute difference from the reference.

    scale: the reference's largest absolute value. relative: `largest` over `scale`. Cosines between the vectors of both
    sides, least and mean; None for what has no direction. not_finite: numbers that only the reference can tell.
    """

    graph: str
    tensor: str
    values: int
    largest: float
    mean: float
    scale: float
    relative: float
    cosine_least: float | None
    cosine_mean: float | None
    not_finite: int


class Tally:
    """Adds up the differences of outputs."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], _Sums] = {}

    def add(
        self,
        graph: str,
        candidate: Mapping[str, Array],
        reference: Mapping[str, Array],
        masks: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> None:
        """Outputs of both for the same inputs. masks: output -> which places of its first axes are no padding.

        Raises `ValueError` when the two have outputs of unlike names or shapes.
        """
        shapes = [{name: array.shape for name, array in outputs.items()} for outputs in (candidate, reference)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{graph}: came outputs {shapes[0]}, the reference gives {shapes[1]}; expected the same")
        for name in sorted(candidate.keys() - {UNORDERED}):
            there = (masks or {}).get(name, ...)
            one, other = (np.asarray(outputs[name], np.float64)[there] for outputs in (candidate, reference))
            self._sums.setdefault((graph, name), _Sums()).add(one, other, directed=name in DIRECTED)

    @property
    def errors(self) -> tuple[TensorError, ...]:
        """Of all outputs, in the order in which they first came."""
        return tuple(sums.error(graph, tensor) for (graph, tensor), sums in self._sums.items())


class _Sums:
    def __init__(self) -> None:
        self._values = self._not_finite = self._vectors = 0
        self._largest = self._total = self._scale = self._cosines = 0.0
        self._least = np.inf

    def add(self, one: NDArray[np.float64], other: NDArray[np.float64], *, directed: bool) -> None:
        known = np.isfinite(other)
        self._not_finite += int((known & ~np.isfinite(one)).sum())
        both = known & np.isfinite(one)
        difference = np.abs(one[both] - other[both])
        self._values += one.size
        self._largest = max(self._largest, float(difference.max(initial=0.0)))
        self._total += float(difference.sum())
        self._scale = max(self._scale, float(np.abs(other[known]).max(initial=0.0)))
        if directed and (whole_F := both.all(-1)).any():
            self._add_cosines(one[whole_F], other[whole_F])

    def _add_cosines(self, one_FD: NDArray[np.float64], other_FD: NDArray[np.float64]) -> None:
        lengths_F = np.linalg.norm(one_FD, axis=-1) * np.linalg.norm(other_FD, axis=-1)
        vectors_F = lengths_F > 0  # nothing is known of the direction of nothing
        cosines_F = np.vecdot(one_FD, other_FD)[vectors_F] / lengths_F[vectors_F]
        self._vectors += cosines_F.size
        self._cosines += float(cosines_F.sum())
        self._least = min(self._least, float(cosines_F.min(initial=np.inf)))

    def error(self, graph: str, tensor: str) -> TensorError:
        has_direction = self._vectors > 0
        return TensorError(
            graph=graph,
            tensor=tensor,
            values=self._values,
            largest=self._largest,
            mean=self._total / max(1, self._values),
            scale=self._scale,
            relative=self._largest / self._scale if self._scale else self._largest,
            cosine_least=self._least if has_direction else None,
            cosine_mean=self._cosines / self._vectors if has_direction else None,
            not_finite=self._not_finite,
        )


def reasons(errors: Iterable[TensorError]) -> list[str]:
    """Why values speak against a candidate, whatever it decides."""
    return [
        f"{error.graph}: {error.tensor} has {error.not_finite:,} values that are not finite where the reference's are"
        for error in errors
        if error.not_finite
    ]
