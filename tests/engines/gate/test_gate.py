"""The whole gate: equals pass, and what decides otherwise is found with the part of the inputs where it does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines.bundle import Bundle
from engines.engine_set import EngineOptions, EngineSet
from engines.gate.recorded import Recording
from engines.gate.report import Report
from engines.gate.run import run_gate
from engines.gate.table import tables
from engines.gate.varied import of_samples
from engines.opening import open_engines
from engines.spec import TASKS
from tests.engines.gate.doubles import Inputs, Outputs, Wrapped, wrapped

INPUTS = 120


@pytest.fixture(scope="module")
def recording(world_bundle: Bundle) -> Recording:
    """Made once, so that it isn't decoded again for every test."""
    found = of_samples(world_bundle.preprocessing, inputs=INPUTS, seed=0)
    return Recording(found.source, found.count, list(found.inputs))


def gate(bundle: Bundle, candidate: EngineSet, recording: Recording, batches: int = 0) -> Report:
    return run_gate((bundle, candidate), (bundle, open_engines(bundle)), recording, batches=batches, seed=0)


def shown(report: Report) -> str:
    from rich.console import Console

    console = Console(width=120, color_system=None)
    with console.capture() as captured:
        for part in tables(report):
            console.print(part)
    return captured.get()


def test_an_engine_passes_beside_itself(world_bundle: Bundle, recording: Recording) -> None:
    report = gate(world_bundle, open_engines(world_bundle), recording, batches=40)
    assert report.ok and report.reasons == ()
    assert [(one.task, one.flips, one.verdicts) for one in report.tasks] == [(task, 0, INPUTS) for task in TASKS]
    assert all(error.largest == 0.0 for error in report.errors)
    assert {error.graph for error in report.errors} == {"vision", "audio", "text", "fusion"}
    assert all(error.cosine_least == pytest.approx(1) for error in report.errors if error.tensor.startswith("tokens"))
    assert all(shift.mean == shift.apart == 0.0 for shift in report.shift)
    assert report.candidate.engine.startswith("onnxruntime") and report.reference.bundle_id == world_bundle.id
    assert report.inputs.count == INPUTS and "sample clips" in report.inputs.source
    assert [one.memory for one in report.growth] == ["resident"]
    told = shown(report)
    assert told.rstrip().endswith("passed") and "0 of 120" in told and "vision F: 1 2 63" in told


def test_flips_are_found_with_the_inputs_that_have_them(world_bundle: Bundle, recording: Recording) -> None:
    def blind_is_adult(inputs: Inputs, outputs: Outputs) -> Outputs:
        logits_NK = np.asarray(outputs["logits_NK"], np.float32).copy()
        unseen_N = ~inputs["vision_mask_NV"].any(1) & inputs["audio_mask_NA"].any(1)
        logits_NK[unseen_N, TASKS.index("adult")] *= -1
        return outputs | {"logits_NK": logits_NK}

    report = gate(world_bundle, wrapped(world_bundle, fusion=lambda inner: Wrapped(inner, blind_is_adult)), recording)
    assert not report.ok
    (reason,) = [reason for reason in report.reasons if "flip" in reason]
    flips = report.tasks[TASKS.index("adult")].flips
    assert reason.startswith(f"adult: {flips} of 120 verdicts flip") and f"'with sound' ({flips} of {flips})" in reason
    where = {part.part for part in report.slices if part.offends and part.flips == part.verdicts == flips}
    assert where == {"with sound", "varied: no picture"} and flips > 3
    assert {part.task for part in report.slices if part.flips} == {"adult"}
    assert {error.graph for error in report.errors if error.largest} == {"fusion"}
    assert report.growth == () and "memory     not watched" in shown(report)
    assert f"- {reason}" in shown(report).replace("\n", " ").replace("  ", " ")


def test_noise_in_a_tower_shows_in_its_tensors_and_in_scores(world_bundle: Bundle, recording: Recording) -> None:
    rng = np.random.default_rng(0)

    def hiss(_: Inputs, outputs: Outputs) -> Outputs:
        tokens = outputs["tokens_FPD"]
        return outputs | {"tokens_FPD": tokens + rng.normal(0, 0.5, tokens.shape).astype(np.float32)}

    report = gate(world_bundle, wrapped(world_bundle, audio=lambda inner: Wrapped(inner, hiss)), recording)
    errors = {(error.graph, error.tensor): error for error in report.errors}
    assert errors["audio", "tokens_FPD"].mean == pytest.approx(0.4, abs=0.01)  # of a normal: 0.5 sqrt(2 / pi)
    assert errors["audio", "tokens_FPD"].cosine_mean < 0.999
    assert all(error.largest == 0.0 for (graph, _), error in errors.items() if graph != "audio")
    assert all(shift.mean_absolute > 0 for shift in report.shift)
    assert any("audio at F=" in reason for reason in report.reasons)  # noise is other noise in another batch


def test_both_sides_see_the_same_batches_of_several_clips(world_bundle: Bundle, recording: Recording) -> None:
    sides = [wrapped(world_bundle, text=lambda inner: Wrapped(inner)) for _ in range(2)]
    run_gate((world_bundle, sides[0]), (world_bundle, sides[1]), recording, batches=0, seed=0)
    rows = []
    for side in sides:
        assert isinstance(side.text, Wrapped)
        rows.append(side.text.rows[:10])
    assert rows[0] == rows[1] and max(rows[0]) > 4


def test_bundles_that_take_other_inputs_are_refused(world_bundle: Bundle, recording: Recording) -> None:
    starter = Bundle.load("starter")
    with pytest.raises(ValueError, match="world and starter have unlike preprocessing and tokenizers and graphs"):
        run_gate(
            (world_bundle, open_engines(world_bundle)), (starter, open_engines(starter)), recording, batches=0, seed=0
        )


@pytest.mark.train
@pytest.mark.slow
def test_compiled_engines_pass_in_16_bits_and_every_bucket_is_tried(
    world_bundle: Bundle, recording: Recording, tmp_path: Path
) -> None:
    from engines.build import Recipe, build
    from engines.gpu.machine import Machine
    from engines.gpu.plans import PlanStore
    from engines.testing import HostCompiler, HostDevice
    from engines.trt import open_trt

    device = HostDevice(memory_bytes=4 << 30)
    machine = Machine(device, HostCompiler(device))
    build(world_bundle, Recipe(precision="fp16"), machine, PlanStore(tmp_path))
    candidate = open_trt(world_bundle, EngineOptions(kind="trt", plans=tmp_path), machine)
    report = gate(world_bundle, candidate, recording, batches=40)
    assert report.ok, report.reasons
    assert all(0 < error.relative < 0.01 for error in report.errors)
    assert [one.memory for one in report.growth] == ["resident", "device"] and report.growth[1].grown_bytes == 0
    assert report.candidate.engine == "double-1.0-fp16"
    sizes = {one.size for one in report.boundaries if one.graph == "audio"}
    assert len(sizes) > 8 and {513, 1} <= sizes
