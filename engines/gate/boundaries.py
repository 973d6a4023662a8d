"""Every size at which an engine changes: does a row say the same in a batch as alone?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from engines.bundle import Bundle
from engines.engine_set import EngineSet
from engines.gate.drift import Outputs, allowed, drift
from engines.gate.shapes import Lengths, alone, around, random_batch, ranges, trimmed, turning_points
from engines.runner import Runner
from engines.spec import GRAPHS, Array, GraphSpec

#: Rows of a batch that are run alone as well.
MOST_ROWS = 8
#: Rows of a batch whose other axes are varied.
FEW_ROWS = 3


class Boundary(msgspec.Struct, frozen=True, kw_only=True):
    """One size of one axis of a graph. drift: of the `rows` that were looked at, how far the furthest is from what it
    is alone (`engines.gate.drift`), in which `tensor`; `most`: how far it may be. fault: what was raised instead.
    """

    graph: str
    axis: str
    size: int
    rows: int
    drift: float
    most: float
    tensor: str
    fault: str | None = None

    @property
    def offends(self) -> bool:
        """Whether rows depend on their batch, or the engine failed."""
        return self.fault is not None or self.drift > self.most


def boundary_sizes(bundle: Bundle, engines: EngineSet) -> list[tuple[str, str, int]]:
    """Graph, axis and size of all that is tried.

    Each size that a bucket has or the spec names, one less and one more. There may be one row more than the most, as
    these are run in parts; of what else a row has there may not.
    """
    found = []
    for graph in GRAPHS:
        most = {axis: sizes.maximum for axis, sizes in ranges(bundle, graph).items()}
        most[bundle.graphs[graph].row_axis] += 1
        points = turning_points(bundle, getattr(engines, graph))
        found += [(graph, axis, size) for axis in points for size in around(points[axis], most[axis])]
    return found


def try_boundaries(
    bundle: Bundle,
    candidate: EngineSet,
    reference: EngineSet,
    sizes: Iterable[tuple[str, str, int]],
    seed: int,
    on_size: Callable[[], None] = lambda: None,
) -> Iterator[Boundary]:
    """Each of `boundary_sizes`, on random inputs."""
    for graph, axis, size in sizes:
        runners: tuple[Runner, Runner] = getattr(candidate, graph), getattr(reference, graph)
        yield _try(bundle, *runners, axis, size, np.random.default_rng([seed, size]))
        on_size()


def reasons(boundaries: Sequence[Boundary]) -> list[str]:
    """Why sizes speak against a candidate."""
    found = []
    for one in boundaries:
        where = f"{one.graph} at {one.axis}={one.size}"
        if one.fault is not None:
            found.append(f"{where}: {one.fault}")
        elif one.offends:
            told = f"{one.tensor} of a row is {one.drift:.2g} from what it is alone, at most {one.most:.2g} may be"
            found.append(f"{where}: {told}")
    return found


def _try(
    bundle: Bundle, candidate: Runner, reference: Runner, axis: str, size: int, rng: np.random.Generator
) -> Boundary:
    spec = bundle.graphs[candidate.spec.name]
    optima = {name: sizes.optimum for name, sizes in ranges(bundle, spec.name).items()}
    sizes = {**optima, spec.row_axis: FEW_ROWS, axis: size}
    inputs, lengths = random_batch(bundle, spec.name, sizes, rng)
    rows = _looked_at(sizes[spec.row_axis], turning_points(bundle, candidate)[spec.row_axis])
    expected = [reference(alone(inputs, lengths, row, spec)) for row in rows]
    try:
        whole = candidate(inputs)
        single = [candidate(alone(inputs, lengths, row, spec)) for row in rows]
    except Exception as error:  # whatever a candidate raises is what its report has to say
        return _boundary(spec, axis, size, rows, fault=f"{type(error).__name__}: {error}")
    own_error, wrong = drift(single, expected)
    if own_error == float("inf"):
        return _boundary(spec, axis, size, rows, fault=f"{wrong} is not finite where the reference's is")
    apart, tensor = drift([_of_row(whole, lengths, row, spec) for row in rows], single)
    return _boundary(spec, axis, size, rows, drift=apart, most=allowed(own_error), tensor=tensor)


def _boundary(
    spec: GraphSpec,
    axis: str,
    size: int,
    rows: Sequence[int],
    *,
    drift: float = 0.0,
    most: float = 0.0,
    tensor: str = "",
    fault: str | None = None,
) -> Boundary:
    return Boundary(
        graph=spec.name, axis=axis, size=size, rows=len(rows), drift=drift, most=most, tensor=tensor, fault=fault
    )


def _looked_at(rows: int, buckets: Sequence[int]) -> list[int]:
    """The first and the last row, one between, and those on both sides of a bucket's end."""
    near = [place for bucket in reversed(buckets) for place in (bucket - 1, bucket)]
    chosen = dict.fromkeys(place for place in (0, rows - 1, rows // 2, *near) if 0 <= place < rows)
    return sorted([*chosen][:MOST_ROWS])


def _of_row(outputs: Outputs, lengths: Lengths, row: int, spec: GraphSpec) -> Mapping[str, Array]:
    return {tensor.name: trimmed(outputs[tensor.name], lengths, row, tensor.axes) for tensor in spec.outputs}
