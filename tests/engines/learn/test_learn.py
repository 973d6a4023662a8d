"""`earshot learn` from labels to a promoted bundle, through the real commands."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from engines.bundle import Bundle, read_manifest, save_manifest
from engines.data.public.manifest import Labels, read_rows
from engines.learn import run as run_module
from engines.learn.gate import freeze, read_gate
from engines.learn.guessing import guesser
from engines.learn.labels import take
from engines.learn.pseudo import PseudoOptions
from engines.learn.registry import Registry
from engines.learn.rows import choose
from engines.learn.stored import judge_stored
from engines.learn.view import write_view
from engines.manifest import KNOWN
from engines.spec import GRAPHS
from engines.training.checkpoint import load_starter
from engines.training.features import FeatureSet
from engines.training.recipes import TUNED
from engines.training.starter import CHECKPOINT, open_features, train_starter
from streamer.cli import app
from tests.engines.training.synthetic import judged

pytestmark = pytest.mark.slow


class StoppedError(Exception):
    """Stands for a power cut."""


def learn(features: Path, words: Path, place: Path, *more: str) -> Any:
    command = ["learn", str(features), "--words", str(words), "--gate", str(place / "gate.json"), "--threads", "1"]
    options = ["--registry", str(place / "registry"), "--epochs", "2", "--parity-batches", "1", *more]
    return CliRunner().invoke(app, [*command, *options])


@pytest.fixture(scope="module")
def place(features: Path, words: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with one candidate, made by a command that was stopped after its first epoch and given again."""
    folder = tmp_path_factory.mktemp("learn")
    frozen = CliRunner().invoke(app, ["dataset", "gate", str(features), "--out", str(folder / "gate.json")])
    assert frozen.exit_code == 0, frozen.output
    lines = [
        {"video_id": "clip-0", "task": "clickbait", "value": 1},
        {"video_id": "nobody", "task": "adult", "value": 1},
    ]
    (folder / "values.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    whole = run_module.train_starter
    epochs: list[int] = []

    def cut_off(*arguments: Any, on_epoch: Any, **named: Any) -> Path:
        def told(epoch: Any) -> None:
            epochs.append(epoch.epoch)
            if len(epochs) == 1:
                raise StoppedError

        return whole(*arguments, on_epoch=told, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "train_starter", cut_off)
        first = learn(features, words, folder, "--labels", str(folder / "values.jsonl"))
        assert isinstance(first.exception, StoppedError)
        second = learn(features, words, folder, "--labels", str(folder / "values.jsonl"), "--json")
    assert second.exit_code == 0, second.output
    assert epochs == [0, 1]
    (folder / "told.json").write_text(second.stdout)
    return folder


def test_the_report_compares_on_the_gate_and_counts_labels(place: Path) -> None:
    told = json.loads((place / "told.json").read_text())
    report = told["report"]
    whole = {line["slice"]: line for line in report["lines"]}
    assert set(whole) == {"clickbait", "adult", "relevance"}
    assert whole["clickbait"]["candidate"] > whole["clickbait"]["current"]
    assert report["gate"]["clips"] == 32 and report["parity"]["is_kept"]
    assert report["learnt"]["labels"]["clickbait"] == {"1": 1}
    assert report["refused"][0]["video_id"] == "nobody"
    folder = Path(told["folder"])
    assert "clip of that id" in (folder / "report.md").read_text()
    assert "<table>" in (folder / "report.html").read_text()
    lineage = Bundle.load(folder / "bundle").training["learn"]
    assert lineage["gate"] == read_gate(place / "gate.json").sha256


def test_the_candidate_keeps_clips_that_were_learnt_from_to_tell_new_ones_by(place: Path) -> None:
    bundle = Bundle.load(Path(json.loads((place / "told.json").read_text())["folder"]) / "bundle")
    (view,) = (place / "registry" / "runs").glob("*/view")
    rows = read_rows(view)
    assert bundle.known is not None
    assert set(bundle.known.senses) == {"vision", "audio"}
    trained = sum(row.split == "train" for row in rows)
    assert 0.8 * trained < len(bundle.known.senses["vision"].row_NV) < trained, "a few have no pictures"


def test_remembering_changes_nothing_but_what_is_known(features: Path, place: Path, tmp_path: Path) -> None:
    folder = Path(json.loads((place / "told.json").read_text())["folder"]) / "bundle"
    bare, again = Path(shutil.copytree(folder, tmp_path / "bare")), tmp_path / "again"
    (bare / KNOWN).unlink()
    save_manifest(bare, msgspec.structs.replace(read_manifest(bare), known=()), Bundle.load(folder).classes)
    told = CliRunner().invoke(app, ["remember", str(bare), "--features", str(features), "--out", str(again), "--json"])
    assert told.exit_code == 0, told.output
    old, without, new = (Bundle.load(path) for path in (folder, bare, again))
    assert json.loads(told.stdout)["id"] == new.id == old.id != without.id
    assert without.known is None
    assert all(new.fingerprint(graph) == without.fingerprint(graph) for graph in GRAPHS)
    assert (new.calibration, new.thresholds, new.training) == (
        without.calibration,
        without.thresholds,
        without.training,
    )


def test_features_of_other_towers_are_not_remembered_by(features: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["remember", "world", "--features", str(features), "--out", str(tmp_path)])
    assert told.exit_code == 1
    assert "was trained on features of towers" in told.stderr
    assert not list(tmp_path.iterdir())


def test_nothing_of_the_gate_is_in_what_was_trained_on(place: Path) -> None:
    (view,) = (place / "registry" / "runs").glob("*/view")
    gate = read_gate(place / "gate.json").ids
    rows = read_rows(view)
    assert {row.split for row in rows if row.clip_id in gate} == {"test"}
    assert not any(value is not None for row in rows if row.clip_id in gate for value in (row.labels.adult,))
    assert next(row for row in rows if row.clip_id == "clip-0").labels.clickbait == 1


def test_graphs_on_stored_features_say_what_the_network_says(features: Path, place: Path) -> None:
    folder = Path(json.loads((place / "told.json").read_text())["folder"])
    bundle = Bundle.load(folder / "bundle")
    network, _ = load_starter(folder / CHECKPOINT)
    loaded = FeatureSet(features, bundle.tokenizer)
    places = [0, 8, 9, 13]  # 8 lacks pictures and sound
    batch = loaded.batch(places)
    wanted_NK = judged(network, batch)[0].numpy()
    # Weights in 8 bits move logits by hundredths.
    assert np.abs(judge_stored(bundle, features, places).logits_NK - wanted_NK).max() < 0.2


def test_again_is_not_trained_again_and_the_candidate_is_promoted(
    features: Path, words: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(run_module, "train_starter", forbidden)
    monkeypatch.setattr(run_module, "export_bundle", forbidden)
    again = learn(features, words, place, "--labels", str(place / "values.jsonl"), "--json")
    assert again.exit_code == 0, again.output
    name = json.loads(again.stdout)["candidate"]
    assert name == json.loads((place / "told.json").read_text())["candidate"]
    registry = Registry(place / "registry")
    because = ["--because", "first round"]
    done = CliRunner().invoke(app, ["bundle", "promote", name, "--registry", str(registry.folder), *because])
    assert done.exit_code == 0, done.output
    assert Bundle.load(registry.current).id.startswith(name)


def test_a_smuggled_gate_label_ends_the_command(features: Path, words: Path, place: Path) -> None:
    clip = read_gate(place / "gate.json").rows[0].clip_id
    path = place / "smuggled.jsonl"
    path.write_text(json.dumps({"video_id": clip, "task": "adult", "value": 1}) + "\n")
    done = learn(features, words, place, "--labels", str(path))
    assert done.exit_code == 1 and f"gate clip {clip}" in done.stderr
    assert "Traceback" not in done.output


def test_training_goes_on_from_a_checkpoint(features: Path, words: Path, place: Path, tmp_path: Path) -> None:
    """With steps too small to matter it says what it said; a task that nobody labelled keeps its calibration."""
    start = Path(json.loads((place / "told.json").read_text())["folder"]) / CHECKPOINT
    rows = [msgspec.structs.replace(row, labels=Labels(adult=row.labels.adult)) for row in read_rows(features)]
    write_view(features, tmp_path / "view", rows, made_with={})
    recipe = replace(TUNED, tune=replace(TUNED.tune, epochs=1, learning_rate=1e-12))
    path = train_starter(recipe, tmp_path / "view", words, tmp_path / "run", start=start)
    (before, earlier), (after, card) = load_starter(start), load_starter(path)
    for name, tensor in before.fusion.state_dict().items():
        assert "known" in name or torch.allclose(tensor, after.fusion.state_dict()[name], atol=1e-5), name
    assert card.calibration.tasks["clickbait"] == earlier.calibration.tasks["clickbait"]
    assert card.thresholds["clickbait"] == earlier.thresholds["clickbait"]
    with pytest.raises(ValueError, match="expected StarterSizes"):
        train_starter(replace(recipe, layers=3), tmp_path / "view", words, tmp_path / "other", start=start)


def test_guesses_are_marked_and_stay_in_training(features: Path, words: Path) -> None:
    loaded, _ = open_features(features, words)
    gate = freeze((row for row in loaded.rows if row.split == "test"), "g")
    generous = PseudoOptions(positive=0.500001, negative=0.499999, neighbours=1, agreeing=0.0, share=99)
    guessing = guesser(Bundle.load("starter"), loaded, generous, lambda *_: nullcontext(lambda *_: None))
    chosen = choose(loaded, gate, take(b"", loaded.rows), leave_out=False, guessing=guessing)
    marked = [row for row in chosen.rows if row.pseudo]
    open_rows = [row for row in loaded.rows if row.split == "train" and row.labels.adult is None]
    assert {row.clip_id for row in marked} == {row.clip_id for row in open_rows}
    assert {row.split for row in marked} == {"train"} and chosen.pseudo["adult"] == len(marked)
    assert all(row.labels.adult in (0, 1) for row in marked)
