"""Sizes, extremes and memory: a real engine passes, and doubles that do one thing wrong do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.engine_set import EngineSet
from engines.gate import boundaries, extremes, growth
from engines.gate.boundaries import Boundary, boundary_sizes, try_boundaries
from engines.gate.cases import cases
from engines.gate.extremes import Extreme, try_extremes
from engines.gate.growth import Growth, measure_growth, slope
from engines.opening import open_engines
from engines.runner import RunnerError
from engines.spec import Array
from tests.engines.gate.doubles import (
    Bucketed,
    Inputs,
    Leaking,
    Outputs,
    Poisoned,
    Wrapped,
    neighbours_mixed,
    refusing_nan,
    spreading,
    wrapped,
)

Change = Callable[[Inputs, Outputs], Outputs]


def tried(bundle: Bundle, candidate: EngineSet, graph: str) -> list[Boundary]:
    with candidate, open_engines(bundle) as reference:
        sizes = [one for one in boundary_sizes(bundle, candidate) if one[0] == graph]
        return list(try_boundaries(bundle, candidate, reference, sizes, 0))


def went(bundle: Bundle, graph: str, change: Change) -> list[Extreme]:
    candidate = wrapped(bundle, **{graph: lambda inner: Wrapped(inner, change)})
    with candidate, open_engines(bundle) as reference:
        return [one for one in try_extremes(bundle, candidate, reference, 0) if one.graph == graph]


def grown(bundle: Bundle, candidate: EngineSet, batches: int) -> list[Growth]:
    with candidate:
        return measure_growth(bundle, candidate, batches, 0)


def test_a_real_engine_says_of_a_row_the_same_in_every_batch(world_bundle: Bundle) -> None:
    with open_engines(world_bundle) as engines:
        sizes = boundary_sizes(world_bundle, engines)
        found = list(try_boundaries(world_bundle, engines, engines, sizes, 0))
    assert boundaries.reasons(found) == [] and all(one.most == 1e-4 for one in found)
    assert {(one.graph, one.axis) for one in found} == {
        *(("vision", "F"), ("audio", "F"), ("text", "N"), ("text", "L")),
        *(("fusion", axis) for axis in "NVAL"),
    }
    assert [one.size for one in found if one.graph == "vision"] == [1, 2, 63, 64, 65, 511, 512, 513]
    assert max(one.size for one in found if one.axis == "L") == world_bundle.preprocessing.max_text_tokens


def test_every_end_of_a_bucket_is_tried_from_both_sides(world_bundle: Bundle) -> None:
    shapes = ((4, 1, 8, 16), (32, 32, 96, 64))
    candidate = wrapped(world_bundle, fusion=lambda inner: Bucketed(inner, shapes))
    sizes = [(axis, size) for graph, axis, size in boundary_sizes(world_bundle, candidate) if graph == "fusion"]
    for axis, ends in {"N": (4, 32), "V": (32,), "A": (8, 96), "L": (16, 64)}.items():
        tried = {size for name, size in sizes if name == axis}
        assert tried >= {near for end in ends for near in (end - 1, end, end + 1)} - {33 * (axis == "V")} - {65}
    with candidate, open_engines(world_bundle) as reference:
        list(try_boundaries(world_bundle, candidate, reference, [("fusion", "N", 33)], 0))
        assert isinstance(candidate.fusion, Bucketed)
        assert candidate.fusion.rows == [33, *[1] * 8]  # the batch, and of its rows those at the ends of buckets


@pytest.mark.parametrize("graph", ["audio", "fusion"])
def test_rows_that_change_places_are_found(world_bundle: Bundle, graph: str) -> None:
    candidate = wrapped(world_bundle, **{graph: lambda inner: Wrapped(inner, neighbours_mixed)})
    found = tried(world_bundle, candidate, graph)
    assert {one.size for one in found if one.axis in "FN" and not one.offends} == {1}
    assert all("of a row is" in reason for reason in boundaries.reasons(found)) and boundaries.reasons(found)


def test_a_row_that_depends_on_the_padding_of_others_is_found(world_bundle: Bundle) -> None:
    def padded_is_louder(inputs: Inputs, outputs: Outputs) -> Outputs:
        return (
            outputs
            if inputs["text_mask_NL"].all()
            else outputs | {"logits_NK": outputs["logits_NK"] * np.float32(1.01)}
        )

    found = tried(world_bundle, wrapped(world_bundle, fusion=lambda inner: Wrapped(inner, padded_is_louder)), "fusion")
    reasons = boundaries.reasons([one for one in found if one.axis == "L" and one.size > 2])
    assert len(reasons) == 5 and all("logits_NK of a row is 0.0" in reason for reason in reasons)


def test_an_engine_that_fails_at_a_size_is_told_and_not_the_end(world_bundle: Bundle) -> None:
    def small_only(inputs: Inputs, outputs: Outputs) -> Outputs:
        if len(inputs["windows_FS"]) > 100:
            raise RuntimeError("out of memory")
        return outputs

    found = tried(world_bundle, wrapped(world_bundle, audio=lambda inner: Wrapped(inner, small_only)), "audio")
    assert {one.size: one.fault for one in found if one.offends} == dict.fromkeys(
        (511, 512, 513), "RuntimeError: out of memory"
    )
    assert boundaries.reasons(found)[0] == "audio at F=511: RuntimeError: out of memory"


def test_a_real_engine_bears_every_extreme(world_bundle: Bundle) -> None:
    with open_engines(world_bundle) as engines:
        found = list(try_extremes(world_bundle, engines, engines, 0))
    assert extremes.reasons(found) == [] and len(found) == len(cases())
    assert {one.apart for one in found} == {0.0, None}
    answered = {one.case: one.is_finite for one in found if one.graph == "fusion"}
    assert answered["nothing at all"] and not answered["one NaN in text_NLD"]


def test_a_runner_that_fails_on_nan_is_found(world_bundle: Bundle) -> None:
    reasons = extremes.reasons(went(world_bundle, "audio", refusing_nan))
    assert reasons == [
        f"audio given {case}: raised RunnerError: not a number" for case in ("NaN throughout", "one NaN")
    ]


def test_a_runner_that_nan_spoils_for_good_is_found(world_bundle: Bundle) -> None:
    found = went(world_bundle, "fusion", Poisoned())
    first = next(place for place, one in enumerate(found) if "NaN" in one.case)
    assert all(one.fault is None for one in found[:first]) and all(one.fault for one in found[first:])
    assert "of the next batch by" in extremes.reasons(found)[0]


def test_a_row_that_reaches_its_neighbours_is_found(world_bundle: Bundle) -> None:
    reasons = extremes.reasons(went(world_bundle, "audio", spreading))
    assert len(reasons) == 1 and reasons[0].startswith("audio given silence: changes tokens_FPD of the other rows")


def test_an_answer_that_is_not_finite_is_found(world_bundle: Bundle) -> None:
    def glare(inputs: Inputs, outputs: Outputs) -> Outputs:
        white_F = (inputs["frames_FCHW"] == 255).all((1, 2, 3))
        tokens: Array = np.where(white_F[:, None, None], np.float32(np.inf), outputs["tokens_FPD"])
        return outputs | {"tokens_FPD": tokens}

    assert extremes.reasons(went(world_bundle, "vision", glare)) == [
        "vision given white: tokens_FPD is not finite where the reference's is"
    ]


def test_a_candidate_that_never_answers_fails_every_case(world_bundle: Bundle) -> None:
    def fail(_: Inputs, __: Outputs) -> Outputs:
        raise RunnerError("gone")

    found = went(world_bundle, "text", fail)
    assert [one.fault for one in found] == ["a good batch raised RunnerError: gone"] * 4


def test_a_real_engine_does_not_grow(world_bundle: Bundle) -> None:
    (found,) = grown(world_bundle, open_engines(world_bundle), 400)
    assert growth.reasons([found]) == [] and found.memory == "resident"
    assert (found.batches, found.looks) == (200, 101) and found.warm_bytes > 10 << 20


def test_a_leak_is_found(world_bundle: Bundle) -> None:
    candidate = wrapped(world_bundle, text=lambda inner: Leaking(inner, 1 << 18))
    resident, _ = grown(world_bundle, candidate, 400)
    (reason,) = growth.reasons([resident])
    assert reason.startswith("resident memory grows by") and "over 200 batches" in reason
    assert resident.grown_bytes == pytest.approx(50 << 18, rel=0.3)  # a quarter of the batches are of text


def test_a_leak_on_the_device_is_found(world_bundle: Bundle) -> None:
    candidate = wrapped(world_bundle, fusion=lambda inner: Leaking(inner, 1, device_leak_bytes=1 << 20))
    found = grown(world_bundle, candidate, 200)
    assert [one.memory for one in found] == ["resident", "device"]
    (reason,) = growth.reasons(found)
    assert reason.startswith("device memory grows by")


def test_without_batches_nothing_is_said_of_memory(world_bundle: Bundle) -> None:
    assert grown(world_bundle, open_engines(world_bundle), 0) == []


def test_a_slope_is_that_of_the_line_whatever_a_few_points_do() -> None:
    places = list(range(100))
    values = [5 * place for place in places]
    values[10] = values[40] = values[77] = 100_000
    assert slope(places, values) == 5
    assert slope([3], [7]) == 0.0
    assert slope(places, [0] * 50 + [1_000] * 50) < 21  # a step
