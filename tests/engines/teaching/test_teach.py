"""`earshot teach`: a pool and labels -> a bundle with a category more; bad input is told, nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from engines.active.pool_file import read_pool
from engines.answers import Answers, Beside, collect
from engines.bundle import Bundle
from engines.data.public.manifest import Row
from engines.spec import GRAPHS
from engines.taught import TAUGHT
from engines.training.recalibrate import with_priors
from streamer.cli import app

VIDEOS, LABELLED = 120, 60
WORLD = Bundle.load("world")


def is_kind(n: int) -> bool:
    return n % 4 == 0


def write_pool(path: Path, **changes: Any) -> Path:
    """Every fourth video sounds alike; half of the videos have no words."""
    rng = np.random.default_rng(5)
    with path.open("w") as file:
        for n in range(VIDEOS):
            views = {sense: rng.standard_normal(WORLD.embedding_size) for sense in ("vision", "audio", "text")}
            views["audio"][:3] += 8 * is_kind(n)
            if n % 2:
                del views["text"]
            row = {
                "video_id": f"clips/{n}.mp4",
                "embedding": rng.standard_normal(WORLD.embedding_size).tolist(),
                "views": {sense: view.tolist() for sense, view in views.items()},
                "bundle": WORLD.id,
                "labels": {"adult": int(is_kind(n))} if n < LABELLED else {},
            }
            file.write(json.dumps(row | changes) + "\n")
    return path


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pool(tmp_path_factory.mktemp("pool") / "pool.jsonl")


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text("file,value\n" + "".join(f"{n}.mp4,{int(is_kind(n))}\n" for n in range(LABELLED)))
    return path


def run(bundle: Path | str, pool: Path, out: Path, *more: str, name: str = "vaping") -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["teach", str(bundle), str(pool), "--name", name, "--out", str(out), *more])
    return done.exit_code, done.stdout, done.stderr


def test_a_category_is_told_from_labels_and_everything_else_stays(pool: Path, labels: Path, tmp_path: Path) -> None:
    code, told, failed = run("world", pool, tmp_path / "mine", "--labels", str(labels), "--json")
    assert code == 0, failed
    found = json.loads(told)
    bundle = Bundle.load(tmp_path / "mine")
    assert found["id"] == bundle.id != WORLD.id
    assert [bundle.fingerprint(graph) for graph in GRAPHS] == [WORLD.fingerprint(graph) for graph in GRAPHS]
    assert bundle.thresholds == WORLD.thresholds and bundle.calibration.tasks == WORLD.calibration.tasks
    assert list(bundle.calibration.categories["adult"]["vaping"]) == [TAUGHT]
    assert found["taught"]["senses"] == ["audio"] and found["taught"]["labels"] == [45, 15]
    measured = found["measured"]
    assert measured["found"]["value"] > 0.8 and measured["alarms"]["value"] < 0.1
    assert measured["average_precision"] > 0.9 > measured["base"] == 0.25
    assert measured["unlabelled"]["of"] == VIDEOS - LABELLED
    assert measured["unlabelled"]["value"] == pytest.approx(0.25, abs=0.1), "as every fourth is of the kind"


def test_people_are_told_how_well_it_does(pool: Path, labels: Path, tmp_path: Path) -> None:
    code, told, _ = run("world", pool, tmp_path / "mine", "--labels", str(labels))
    assert code == 0
    assert "vaping, a category of adult, told by audio; 15 labels yes, 45 no" in told
    assert "of the others" in told and "without a label" in told and Bundle.load(tmp_path / "mine").id in told


def test_labels_of_the_pool_do_and_a_second_category_joins_the_first(pool: Path, tmp_path: Path) -> None:
    assert run("world", pool, tmp_path / "one")[0] == 0
    code, _, failed = run(tmp_path / "one", pool, tmp_path / "two", name="scam")
    assert code == 0, failed
    assert set(Bundle.load(tmp_path / "two").lessons) == {"vaping", "scam"}
    one, two = Bundle.load(tmp_path / "one"), Bundle.load(tmp_path / "two")
    np.testing.assert_array_equal(one.taught.heads["vaping"].weight_L, two.taught.heads["vaping"].weight_L)


def test_a_category_may_be_taught_anew_in_place_and_for_another_task(pool: Path, labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    assert run("world", pool, out, "--labels", str(labels))[0] == 0
    assert run(out, pool, out, "--labels", str(labels), "--task", "clickbait", "--sense", "audio")[0] == 0
    categories = Bundle.load(out).calibration.categories
    assert "vaping" in categories["clickbait"] and "vaping" not in categories.get("adult", {})


def test_a_rare_category_needs_more_to_be_raised(pool: Path, labels: Path, tmp_path: Path) -> None:
    said = []
    for share in ("0.25", "0.01"):
        code, told, _ = run("world", pool, tmp_path / share, "--labels", str(labels), "--share", share, "--json")
        assert code == 0
        said.append(json.loads(told))
    usual, rare = (one["measured"] for one in said)
    assert rare["alarms"]["value"] <= usual["alarms"]["value"] and rare["found"]["value"] <= usual["found"]["value"]
    adult = [Bundle.load(tmp_path / share).calibration.categories["adult"] for share in ("0.25", "0.01")]
    usually, rarely = (categories["vaping"][TAUGHT].bias for categories in adult)
    assert usually - rarely == pytest.approx(np.log(0.25 / 0.75) - np.log(0.01 / 0.99), abs=1e-5)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--task", "relevance"), "expected clickbait or adult"),
        (("--share", "1.5"), "expected more than 0 and less than 1"),
        (("--sense", "smell"), "expected some of vision, audio, text"),
        (("--name", "seen"), "category: came 'seen'"),
        (("--name", "Not a name"), "category: came 'Not a name'"),
        (("--labels", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(
    pool: Path, tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    code, _, failed = run("world", pool, tmp_path / "mine", *more)
    assert (code, said in failed) == (1, True), failed
    assert not (tmp_path / "mine").exists()


def test_a_pool_of_another_bundle_is_refused(tmp_path: Path) -> None:
    code, _, failed = run("world", write_pool(tmp_path / "pool.jsonl", bundle="f" * 64), tmp_path / "mine")
    assert code == 1 and "came views of bundle ffffffffffff" in failed


def test_too_few_labels_are_refused_and_broken_ones_listed(pool: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("video_id,value\nnobody,1\n0.mp4,1\n1.mp4,perhaps\n2.mp4,0\n")
    code, _, failed = run("world", pool, tmp_path / "mine", "--labels", str(labels))
    assert code == 1 and "came 1 of yes and 1 of no, expected 8 or more of each" in failed
    assert len((tmp_path / "mine.rejected.jsonl").read_text().splitlines()) == 2


def test_labels_that_say_nothing_are_refused(pool: Path, tmp_path: Path) -> None:
    """Where what is held out scores no higher than the rest; by chance it does once in twenty times."""
    labels = tmp_path / "labels.csv"
    refused = 0
    for seed in range(4):
        values = np.random.default_rng(seed).permutation(np.arange(LABELLED) < 20)
        labels.write_text("file,value\n" + "".join(f"{n}.mp4,{int(value)}\n" for n, value in enumerate(values)))
        code, _, failed = run("world", pool, tmp_path / f"mine-{seed}", "--labels", str(labels))
        refused += code == 1 and "cannot be told from the others" in failed
        assert (tmp_path / f"mine-{seed}").exists() is (code == 0)
    assert refused >= 3


def test_labels_of_videos_that_cannot_be_heard_are_refused(tmp_path: Path) -> None:
    """There is a sense to read, and none of the labelled videos has it."""
    mute = [{"views": {}} if n < LABELLED else {} for n in range(VIDEOS)]
    lines = [json.loads(line) for line in write_pool(tmp_path / "pool.jsonl").read_text().splitlines()]
    pool = tmp_path / "mute.jsonl"
    pool.write_text("".join(json.dumps(line | change) + "\n" for line, change in zip(lines, mute, strict=True)))
    code, _, failed = run("world", pool, tmp_path / "mine", "--sense", "audio")
    assert code == 1 and "cannot be told from the others" in failed


def test_evaluation_and_the_gate_count_what_was_taught(pool: Path, tmp_path: Path) -> None:
    assert run("world", pool, tmp_path / "mine")[0] == 0
    bundle = Bundle.load(tmp_path / "mine")
    found, _ = read_pool(pool)
    rows = [Row(clip_id=video_id, split="val") for video_id in found.ids]
    logits = [np.full(3, -9, np.float32)] * len(rows)
    beside = [Beside({}, {"audio": found.views["audio"][n].astype(np.float16)}) for n in range(VIDEOS)]
    raised_MK = collect(bundle, rows, logits, beside).raised(bundle)
    is_kind_M = np.array([is_kind(n) for n in range(VIDEOS)])
    assert (raised_MK[:, [0, 2]] == -9).all()
    assert raised_MK[is_kind_M, 1].min() > np.quantile(raised_MK[~is_kind_M, 1], 0.9)
    silent = collect(bundle, rows[:1], logits[:1], [Beside({}, {})])
    assert silent.raised(bundle).tolist() == [[-9, -9, -9]], "who cannot hear knows nothing of it"


def test_calibrating_anew_leaves_what_was_taught_as_it_is(pool: Path, tmp_path: Path) -> None:
    assert run("world", pool, tmp_path / "mine")[0] == 0
    bundle = Bundle.load(tmp_path / "mine")
    nothing = Answers(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), {})
    assert with_priors(bundle.calibration, bundle, nothing) == bundle.calibration
