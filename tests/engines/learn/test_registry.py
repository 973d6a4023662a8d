"""The registry: what is current, who may change it, and what is left of a command that died."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from engines.bundle import Bundle, BundleError, read_manifest, save_manifest
from engines.calibration import TaskCalibration
from engines.learn import registry as registry_module
from engines.learn.margins import MARGINS
from engines.learn.page import write_report
from engines.learn.registry import Registry
from engines.learn.report import Comparison, Fidelity, GateName, Learnt, Report
from engines.manifest import HEADS
from engines.parity import Parity
from engines.taught import TAUGHT, Head, Lesson, Taught
from streamer.cli import app

AT = "2026-11-27T12:00:00+00:00"


def line(name: str, current: float, candidate: float, *, thin: bool = False) -> Comparison:
    difference = candidate - current
    return Comparison(
        task=name.partition(".")[0],
        slice=name,
        name=name,
        metric="AP",
        positives=3 if thin else 90,
        negatives=200,
        current=current,
        candidate=candidate,
        difference=difference,
        low=difference - 0.02,
        high=difference + 0.02,
        is_protected=not thin,
    )


LEVEL = (line("clickbait", 0.8, 0.81), line("adult", 0.9, 0.895), line("adult.audio", 0.7, 0.68))


def bundle_like_world(folder: Path, name: str) -> Path:
    """A whole bundle of another id."""
    shutil.copytree(Bundle.load("world").path, folder)
    save_manifest(folder, msgspec.structs.replace(read_manifest(folder), name=name))
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """`world` is current."""
    made = Registry(tmp_path / "registry")
    made.adopt("world", AT)
    return made


@pytest.fixture
def offer(registry: Registry, tmp_path: Path) -> Callable[..., str]:
    """Put a candidate in, with a report; returns its id."""

    def put(name: str, lines: tuple[Comparison, ...] = LEVEL, *, is_kept: bool = True) -> str:
        checkpoint = tmp_path / "checkpoint.safetensors"
        checkpoint.write_bytes(b"weights")
        folder = registry.keep(bundle_like_world(tmp_path / name, name), checkpoint)
        parity = Parity({"logits_NK": 1e-6 if is_kept else 0.3}, 60, 0 if is_kept else 7)
        report = Report(
            candidate=Bundle.load(folder / "bundle").id,
            current=registry.now().bundle,
            made_at=AT,
            gate=GateName(name="g", sha256="0" * 64, clips=290),
            parity=Fidelity(is_kept=is_kept, tolerance=1e-4, graphs={"fusion": parity}),
            lines=lines,
            learnt=Learnt(labels={"adult": {"1": 3}}, clips={"train": 9, "val": 3}, pseudo={}, lineage={}),
        )
        write_report(folder, report)
        return folder.name

    return put


def run(command: str, *arguments: str, registry: Registry) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["bundle", command, *arguments, "--registry", str(registry.folder)])
    return done.exit_code, done.output


def loaded(registry: Registry) -> str:
    """The id of what a worker would run now."""
    return Bundle.load(registry.current).id


def test_a_candidate_within_its_margins_is_promoted_and_rolled_back(
    registry: Registry, offer: Callable[..., str]
) -> None:
    before = loaded(registry)
    name = offer("better")
    assert run("promote", name[:6], registry=registry)[0] == 0
    assert loaded(registry).startswith(name)
    assert run("rollback", "--because", "alarms at night", registry=registry)[0] == 0
    assert loaded(registry) == before
    code, told = run("rollback", registry=registry)
    assert code == 1 and "nothing was current before" in told
    done = CliRunner().invoke(app, ["bundle", "history", "--json", "--registry", str(registry.folder)])
    steps = json.loads(done.stdout)["history"]
    assert [step["action"] for step in steps] == ["adopt", "promote", "rollback"]
    assert steps[2]["because"] == "alarms at night"


def test_a_bundle_from_outside_becomes_current_where_a_person_says_why(registry: Registry, tmp_path: Path) -> None:
    before, other = loaded(registry), bundle_like_world(tmp_path / "calibrated", "calibrated")
    code, told = run("adopt", str(other), registry=registry)
    assert code == 1 and "say --because" in told and loaded(registry) == before
    assert run("adopt", str(other), "--because", "calibrated on March", registry=registry)[0] == 0
    assert loaded(registry) == Bundle.load(other).id
    last = registry.history()[-1]
    assert (last.action, last.before, last.because) == ("adopt", 1, "calibrated on March")
    code, told = run("adopt", str(other), "--because", "once more", registry=registry)
    assert code == 1 and "is current already" in told
    assert run("rollback", registry=registry)[0] == 0 and loaded(registry) == before


def test_a_bundle_that_is_none_leaves_no_registry(tmp_path: Path) -> None:
    code, told = run("adopt", "nowhere", registry=Registry(tmp_path / "new"))
    assert code == 1 and "nowhere" in told and not (tmp_path / "new").exists()


def test_what_people_taught_is_not_lost_unseen(registry: Registry, offer: Callable[..., str], tmp_path: Path) -> None:
    head = Head({"audio": np.zeros(64, np.float32)}, {"audio": np.ones((1, 64), np.float32)}, np.ones(1, np.float32), 0)
    folder = bundle_like_world(tmp_path / "taught", "taught")
    manifest = read_manifest(folder)
    lesson = Lesson(task="adult", senses=("audio",), labels=(9, 9), share=0.5, of="b", graphs="g", sha256="s")
    categories = {**manifest.calibration.categories, "adult": {"vaping": {TAUGHT: TaskCalibration()}}}
    calibration = msgspec.structs.replace(manifest.calibration, categories=categories)
    Taught({"vaping": head}).save(folder / HEADS)
    save_manifest(folder, msgspec.structs.replace(manifest, taught={"vaping": lesson}, calibration=calibration))
    registry.adopt(folder, AT, "it knows vaping")
    name = offer("candidate")
    code, told = run("promote", name, registry=registry)
    assert code == 1 and "it lacks vaping, which people taught" in told
    assert run("promote", name, "--because", "nobody vapes any more", registry=registry)[0] == 0


def test_rollbacks_go_further_back_each_time(registry: Registry, offer: Callable[..., str]) -> None:
    world = loaded(registry)
    first, second = offer("first"), ""
    run("promote", first, registry=registry)
    second = offer("second")
    run("promote", second, registry=registry)
    found = []
    for _ in range(2):
        run("rollback", registry=registry)
        found.append(loaded(registry)[:12])
    assert found == [first, world[:12]]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((line("adult", 0.9, 0.88),), "adult falls by 0.020 AP"),
        ((line("adult", 0.9, 0.9), line("adult.audio", 0.7, 0.6)), "adult.audio falls by 0.100 AP"),
    ],
)
def test_a_fall_beyond_its_margin_is_refused_and_named(
    registry: Registry, offer: Callable[..., str], lines: tuple[Comparison, ...], said: str
) -> None:
    before = loaded(registry)
    name = offer("worse", lines)
    for blank in ([], ["--because", "  "]):
        code, told = run("promote", name, *blank, registry=registry)
        assert code == 1 and said in told and "--because" in told
    assert loaded(registry) == before and len(registry.history()) == 1


def test_a_person_may_override_and_history_says_so(registry: Registry, offer: Callable[..., str]) -> None:
    name = offer("worse", (line("adult", 0.9, 0.7),))
    code, told = run("promote", name, "--because", "the law has changed", registry=registry)
    assert code == 0 and "overridden: adult falls" in told
    assert loaded(registry).startswith(name)
    last = registry.now()
    assert last.because == "the law has changed" and "adult falls by 0.200 AP" in last.overridden[0]


def test_a_thin_slice_does_not_count(registry: Registry, offer: Callable[..., str]) -> None:
    name = offer("fine", (line("adult", 0.9, 0.9), line("adult.audio", 0.9, 0.1, thin=True)))
    assert run("promote", name, registry=registry)[0] == 0


def test_parity_that_failed_is_refused(registry: Registry, offer: Callable[..., str]) -> None:
    code, told = run("promote", offer("broken", is_kept=False), registry=registry)
    assert code == 1 and "7 verdicts flip" in told and "fusion by 3.0e-01" in told


def test_a_registry_states_its_own_margins(registry: Registry, offer: Callable[..., str]) -> None:
    name = offer("slower", LEVEL)
    (registry.folder / MARGINS).write_text('[of]\n"adult.audio" = 0.001\n')
    code, told = run("promote", name, registry=registry)
    assert code == 1 and "adult.audio falls by 0.020" in told and "may by 0.001" in told
    (registry.folder / MARGINS).write_text('[of]\n"adult.odio" = 0.001\n')
    code, told = run("promote", name, registry=registry)
    assert code == 1 and "adult.odio" in told
    (registry.folder / MARGINS).write_text("task = 7\n")
    code, told = run("promote", name, registry=registry)
    assert code == 1 and "margins.task: came 7" in told


def test_a_candidate_that_was_compared_with_another_bundle_is_refused(
    registry: Registry, offer: Callable[..., str]
) -> None:
    late = offer("late")
    run("promote", offer("quick"), registry=registry)
    code, told = run("promote", late, registry=registry)
    assert code == 1 and "compared with" in told and "earshot learn" in told


def test_what_is_not_whole_is_never_promoted(registry: Registry, offer: Callable[..., str]) -> None:
    before, name = loaded(registry), offer("torn")
    (registry.candidate(name) / "bundle" / "fusion.onnx").write_bytes(b"torn")
    code, told = run("promote", name, "--because", "I insist", registry=registry)
    assert code == 1 and "fusion.onnx has sha256" in told
    assert loaded(registry) == before
    code, told = run("promote", "ffff", registry=registry)
    assert code == 1 and "expected one of" in told


def test_a_rollback_to_what_is_gone_changes_nothing(registry: Registry, offer: Callable[..., str]) -> None:
    name = offer("next")
    run("promote", name, registry=registry)
    shutil.rmtree(registry.candidate(registry.entry(1).bundle) / "bundle")
    code, _ = run("rollback", registry=registry)
    assert code == 1 and loaded(registry).startswith(name)


def die_before_the_rename(folder: Path, name: str, what: str) -> None:
    """A process that is killed after the step is written and before `current` is set."""

    class Doomed(type(folder)):  # type: ignore[misc]
        def replace(self, target: Path) -> Path:
            if target.name == registry_module.CURRENT:
                os.kill(os.getpid(), signal.SIGKILL)
            return Path(super().replace(target))

    registry = Registry(Doomed(folder))
    if what == "promote":
        with registry.locked():
            registry.promote(registry.candidate(name), AT, None, ())
    else:
        registry.rollback(AT, None)


@pytest.mark.parametrize("what", ["promote", "rollback"])
def test_a_command_that_dies_half_way_has_changed_nothing(
    registry: Registry, offer: Callable[..., str], what: str
) -> None:
    first = offer("first")
    run("promote", first, registry=registry)
    second = offer("second")
    child = multiprocessing.get_context("fork").Process(
        target=die_before_the_rename, args=(registry.folder, second, what)
    )
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert (registry.folder / "history" / "000003" / "entry.json").exists()
    assert loaded(registry).startswith(first)
    assert [entry.action for entry in registry.history()] == ["adopt", "promote"]
    # Either command goes on from what is in force.
    assert run("promote", second, registry=registry)[0] == 0
    assert loaded(registry).startswith(second)
    assert run("rollback", registry=registry)[0] == 0
    assert loaded(registry).startswith(first)
    assert [entry.step for entry in registry.history()] == [1, 2, 3, 4]


def test_a_bundle_that_was_opened_stays_what_it_is(registry: Registry, offer: Callable[..., str]) -> None:
    opened = Bundle.load(registry.current)
    run("promote", offer("next"), registry=registry)
    assert read_manifest(opened.graph_path("fusion").parent).id == opened.id


def test_a_registry_without_a_bundle_says_so(tmp_path: Path) -> None:
    empty = Registry(tmp_path)
    assert empty.history() == []
    with pytest.raises(ValueError, match="no bundle is current"):
        empty.now()
    with pytest.raises(BundleError):
        Bundle.load(empty.current)
