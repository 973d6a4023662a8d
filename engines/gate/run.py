"""The gate: everything that is measured of a candidate beside its reference, in one report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from engines.bundle import Bundle
from engines.engine_set import EngineSet
from engines.gate.boundaries import boundary_sizes, try_boundaries
from engines.gate.cases import cases
from engines.gate.compared import compare_on
from engines.gate.extremes import try_extremes
from engines.gate.flips import count_flips
from engines.gate.growth import measure_growth
from engines.gate.recorded import Recording, in_batches
from engines.gate.report import Inputs, Report, Side, judged
from engines.gate.shift import measure_shift
from engines.manifest import TOKENIZER

#: A bar by its name and length; inside its `with` block a function that is called once for each piece that is done.
Bar = Callable[[str, int], AbstractContextManager[Callable[..., None]]]


@contextmanager
def no_bar(_name: str, _total: int) -> Iterator[Callable[..., None]]:
    """Shows nothing."""
    yield lambda *_: None


def run_gate(
    candidate: tuple[Bundle, EngineSet],
    reference: tuple[Bundle, EngineSet],
    recording: Recording,
    *,
    batches: int,
    seed: int,
    bar: Bar = no_bar,
) -> Report:
    """Load the engines of both and measure. The candidate's bundle calibrates and decides for both.

    batches: of random sizes, over which memory is watched; 0 for none. Raises `ValueError` when the two bundles do not
    take the same inputs, `RunnerError` when engines cannot be loaded or fail on what was recorded.
    """
    bundle, other = candidate[0], reference[0]
    check_alike(bundle, other)
    with candidate[1] as engines, reference[1] as others:
        with bar("inputs", recording.count) as advance:
            compared = compare_on(bundle, engines, others, in_batches(recording.inputs, seed), advance)
        sizes = boundary_sizes(bundle, engines)
        with bar("sizes", len(sizes)) as advance:
            boundaries = tuple(try_boundaries(bundle, engines, others, sizes, seed, advance))
        with bar("extremes", len(cases())) as advance:
            extremes = tuple(try_extremes(bundle, engines, others, seed, advance))
        with bar("batches", batches) as advance:
            growth = tuple(measure_growth(bundle, engines, batches, seed, advance))
        tasks, slices = count_flips(compared, bundle.thresholds)
        report = Report(
            candidate=_side(bundle, engines),
            reference=_side(other, others),
            inputs=Inputs(count=recording.count, source=recording.source, seed=seed),
            tasks=tuple(tasks),
            slices=tuple(slices),
            shift=tuple(measure_shift(compared)),
            errors=compared.errors,
            boundaries=boundaries,
            extremes=extremes,
            growth=growth,
        )
    return judged(report)


def check_alike(bundle: Bundle, other: Bundle) -> None:
    """Raise `ValueError` unless the same inputs fit both bundles and their outputs can be compared."""
    differ = {
        "preprocessing": bundle.preprocessing != other.preprocessing,
        "tokenizers": (bundle.path / TOKENIZER).read_bytes() != (other.path / TOKENIZER).read_bytes(),
        "graphs": bundle.graphs != other.graphs,
    }
    if unlike := [name for name, is_so in differ.items() if is_so]:
        raise ValueError(
            f"{bundle.name} and {other.name} have unlike {' and '.join(unlike)}, expected bundles that take the same "
            "inputs and have the same outputs; earshot evaluate says how good each is by itself"
        )


def _side(bundle: Bundle, engines: EngineSet) -> Side:
    return Side(bundle=bundle.name, bundle_id=bundle.id, engine=engines.engine)
