"""A bundle that names what it sees and hears: what it says of itself, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from engines.bundle import Bundle, BundleError, save_manifest, shipped
from engines.calibration import Calibration, TaskCalibration
from engines.manifest import MANIFEST, NAMES, NOTICE, SCHEMA, Manifest
from engines.opening import open_engines
from engines.ort import OrtRunner
from engines.parity import random_inputs
from engines.spec import TASKS
from streamer.cli import app

pytestmark = [pytest.mark.train, pytest.mark.slow]

MOST_BYTES = {"world": 2_000_000, "starter": 24_000_000}


def test_a_bundle_without_marks_has_the_id_that_it_always_had() -> None:
    world = Bundle.load("world")
    assert (world.classes, world.priors, world.members, world.notices) == ({}, {}, {}, ())
    assert world.calibration.categories == {}
    document = json.loads((world.path / MANIFEST).read_bytes())
    assert not {"classes", "priors", "members", "notices"} & set(document)
    del document["id"]
    assert msgspec.convert(document, Manifest).id == world.id


@pytest.mark.parametrize("name", shipped())
def test_shipped_bundles_are_small(name: str) -> None:
    assert Bundle.load(name).size_bytes <= MOST_BYTES[name]


def test_names_priors_categories_and_notices_are_read(marked_bundle: Bundle) -> None:
    assert marked_bundle.classes["audio"] == ("Silence", "Hum", "Gunshot, gunfire")
    assert marked_bundle.priors == {"vision": ("sexual", "violent"), "audio": ("violent",)}
    assert set(marked_bundle.calibration.categories["adult"]) == {"sexual", "violent"}
    assert marked_bundle.notices[0].licence == "Apache-2.0"
    notice = (marked_bundle.path / NOTICE).read_text()
    assert all(
        word in notice for word in ("weights of nobody", "drawn by a test", "Apache-2.0", "0" * 64, "(c) nobody")
    )


def test_graphs_mark_what_they_see_and_hear(marked_bundle: Bundle) -> None:
    frames_FCHW = np.zeros((3, 3, 64, 64), np.uint8)
    frames_FCHW[0, 0], frames_FCHW[1, 2] = 255, 255
    windows_FS = np.zeros((2, 15_360), np.float32)
    windows_FS[1] = 0.5
    with open_engines(marked_bundle) as engines:
        seen = engines.vision({"frames_FCHW": frames_FCHW})
        heard = engines.audio({"windows_FS": windows_FS})
    assert seen["classes_FI"][:, 0].tolist() == [0, 2, 3]
    assert (np.diff(seen["class_scores_FI"]) <= 0).all()
    assert (seen["priors_FR"] > 0.99).tolist() == [[True, False], [False, True], [False, False]]
    assert heard["classes_FI"][:, 0].tolist() == [0, 2]
    assert (heard["priors_FR"] > 0.99).tolist() == [[False], [True]]


@pytest.mark.parametrize("word", ["weights of nobody", "sexual", "violent", "drawn by a test"])
def test_show_prints_notices_classes_and_categories(marked_bundle: Bundle, word: str) -> None:
    shown = CliRunner().invoke(app, ["bundle", "show", str(marked_bundle.path)])
    assert shown.exit_code == 0, shown.output
    assert word in shown.output


def test_show_speaks_to_scripts(marked_bundle: Bundle) -> None:
    shown = CliRunner().invoke(app, ["bundle", "show", str(marked_bundle.path), "--json"])
    document = json.loads(shown.output)
    assert document["classes"] == {"vision": 4, "audio": 3}
    assert document["notices"][0]["source"] == "drawn by a test"
    assert document["categories"]["adult"]["sexual"]["vision"] == {"temperature": 1.0, "bias": 0.0}


Change = Callable[[dict[str, Any]], None]


def names_of_three(document: dict[str, Any]) -> None:
    document["classes"]["vision"] = 3


def no_classes(document: dict[str, Any]) -> None:
    del document["classes"], document["members"]
    del document["files"][NAMES]


def one_prior(document: dict[str, Any]) -> None:
    document["priors"]["vision"] = ["violent"]
    del document["calibration"]["categories"]["adult"]["sexual"]


def text_classes(document: dict[str, Any]) -> None:
    document["classes"]["text"] = 3


def member_beyond(document: dict[str, Any]) -> None:
    document["members"]["audio"]["violent"] = [3]


def unknown_category(document: dict[str, Any]) -> None:
    document["calibration"]["categories"]["adult"]["sexual"] = {"audio": {"temperature": 1.0, "bias": 0.0}}


def unknown_task(document: dict[str, Any]) -> None:
    document["calibration"]["categories"]["rude"] = {}


def cold(document: dict[str, Any]) -> None:
    document["calibration"]["categories"]["adult"]["sexual"]["vision"]["temperature"] = 0.0


def no_notice(document: dict[str, Any]) -> None:
    del document["files"][NOTICE]


REFUSALS: list[tuple[Change, str]] = [
    (
        names_of_three,
        r"names.json: has \{'audio': 3, 'vision': 4\} names, bundle.json says \{'vision': 3, 'audio': 3\}",
    ),
    (
        no_classes,
        r"audio has outputs \['class_scores_FI', .*\], expected \['priors_FR', 'tokens_FPD'\]|vision has outputs",
    ),
    (one_prior, r"priors_FR float32\('F', 2\), expected float32\('F', 1\)"),
    (text_classes, r"classes: came \['audio', 'text', 'vision'\], expected some of \['vision', 'audio'\]"),
    (member_beyond, r"members of audio/violent: came \[3\], expected a prior of \['violent'\] and classes below 3"),
    (unknown_category, r"category adult/sexual: audio has \['violent'\], not this one"),
    (unknown_task, r"came categories of \['adult', 'rude'\], expected"),
    (cold, r"calibration of adult/sexual by vision: came .*expected temperature > 0"),
    (no_notice, r"lists files .*, expected .*NOTICE"),
]


@pytest.mark.parametrize(("change", "message"), REFUSALS, ids=[change.__name__ for change, _ in REFUSALS])
def test_marks_that_do_not_fit_are_refused(marked_copy: Path, change: Change, message: str) -> None:
    document = json.loads((marked_copy / MANIFEST).read_bytes())
    change(document)
    stated = {name: value for name, value in document.items() if name != "id"}
    with suppress(msgspec.ValidationError):  # refused before its id is looked at
        document["id"] = msgspec.convert(stated, Manifest).id
    (marked_copy / MANIFEST).write_text(json.dumps(document))
    with pytest.raises(BundleError, match=message):
        Bundle.load(marked_copy)


@pytest.mark.parametrize("name", [NAMES, NOTICE])
def test_changed_names_or_notice_are_refused(marked_copy: Path, name: str) -> None:
    with (marked_copy / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(BundleError, match=f"{re.escape(name)} has sha256"):
        Bundle.load(marked_copy)


def test_a_manifest_is_not_saved_beside_other_names(marked_copy: Path) -> None:
    from tests.marks.network import manifest

    with pytest.raises(ValueError, match=r"classes \{'vision': 4, 'audio': 3\}, came names \{'vision': 1\}"):
        save_manifest(marked_copy, manifest(), {"vision": ("red",)})


def test_a_category_is_as_likely_as_the_logit_that_stands_for_it() -> None:
    own, sense = TaskCalibration(temperature=1.7, bias=-0.6), TaskCalibration(temperature=0.8, bias=0.3)
    calibration = Calibration(tasks=dict.fromkeys(TASKS, own), categories={"adult": {"violent": {"audio": sense}}})
    for prior in (0.0, 0.02, 0.5, 0.9, 1.0):
        logits = calibration.category_logits("adult", "violent", {"audio": prior, "vision": 1.0})
        assert list(logits) == ["audio"]
        held = np.clip(prior, 1e-6, 1 - 1e-6)
        expected = 1 / (1 + np.exp(-(np.log(held / (1 - held)) / 0.8 + 0.3)))
        scores_NK = calibration.scores(np.full((1, 3), logits["audio"], np.float32))
        assert scores_NK[0, 1] == pytest.approx(expected, rel=1e-5)
    assert calibration.category_logits("adult", "violent", {}) == {}


def test_a_fresh_reading_says_the_same(marked_bundle: Bundle) -> None:
    assert Bundle.load(marked_bundle.path).id == marked_bundle.id
    assert SCHEMA == 1


def test_marks_survive_splitting(marked_bundle: Bundle) -> None:
    from engines.ort import OrtOptions

    path, spec = marked_bundle.graph_path("vision"), marked_bundle.graphs["vision"]
    inputs = random_inputs(spec, {"F": 7}, np.random.default_rng(0))
    with OrtRunner(path, spec) as whole, OrtRunner(path, spec, OrtOptions(chunk=3)) as split:
        one, other = whole(inputs), split(inputs)
    assert (one["classes_FI"] == other["classes_FI"]).all()
    assert np.allclose(one["priors_FR"], other["priors_FR"], atol=1e-5)
