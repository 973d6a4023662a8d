"""The gate is frozen, and nothing that it holds is learnt from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from engines.data.public.manifest import Labels, Row, read_rows, write_dataset
from engines.learn.gate import freeze, places_of, read_gate, write_gate
from engines.learn.labels import take
from engines.learn.rows import OverlapError, choose
from engines.training.features import HEADER, FeatureSet, shard_path
from streamer.cli import app
from tests.engines.training.synthetic import tokenizer


@pytest.fixture
def gate_file(features: Path, tmp_path: Path) -> Path:
    path = tmp_path / "gate.json"
    done = CliRunner().invoke(app, ["dataset", "gate", str(features), "--out", str(path), "--name", "spring"])
    assert done.exit_code == 0, done.output
    return path


def lines(*values: dict[str, object]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def test_a_gate_that_was_edited_is_refused(gate_file: Path) -> None:
    gate = read_gate(gate_file)
    assert gate.name == "spring" and {row.split for row in gate.rows} == {"test"}
    document = json.loads(gate_file.read_text())
    document["rows"][3]["labels"]["clickbait"] = 1 - document["rows"][3]["labels"]["clickbait"]
    gate_file.write_text(json.dumps(document))
    with pytest.raises(ValueError, match="it was frozen with"):
        read_gate(gate_file)


def test_a_gate_is_never_replaced(features: Path, gate_file: Path) -> None:
    done = CliRunner().invoke(app, ["dataset", "gate", str(features), "--out", str(gate_file)])
    assert done.exit_code == 1 and "is there already" in done.stderr


def test_no_guess_gets_into_a_gate_or_out_of_training() -> None:
    guessed = Row(clip_id="a", split="train", labels=Labels(adult=1), pseudo=("adult",))
    with pytest.raises(ValueError, match="pseudo-labels of a"):
        freeze([guessed], "g")
    for split in ("val", "test"):
        with pytest.raises(ValueError, match="pseudo-label in split"):
            msgspec.structs.replace(guessed, split=split)


def test_clips_of_the_gate_that_changed_are_named(features: Path, gate_file: Path) -> None:
    gate, rows = read_gate(gate_file), read_rows(features)
    clip = gate.rows[2].clip_id
    place = next(n for n, row in enumerate(rows) if row.clip_id == clip)
    rows[place] = msgspec.structs.replace(rows[place], title="another title")
    with pytest.raises(ValueError, match=f"clips {clip} have other words"):
        places_of(gate, rows, features)
    with pytest.raises(ValueError, match=f"lacks clips {clip}"):
        places_of(gate, rows[:place] + rows[place + 1 :], features)


def test_a_label_of_a_gate_clip_is_refused_and_both_are_named(features: Path, gate_file: Path) -> None:
    loaded, gate = FeatureSet(features, tokenizer()), read_gate(gate_file)
    clip = gate.rows[0].clip_id
    taken = take(lines({"video_id": clip, "task": "adult", "value": 1}), loaded.rows)
    with pytest.raises(OverlapError, match=f"{clip} is labelled by line 1 of the labels: gate clip {clip}"):
        choose(loaded, gate, taken, leave_out=False)
    chosen = choose(loaded, gate, taken, leave_out=True)
    assert [one.gate_clip for one in chosen.left_out] == [clip]
    assert all(row.split == "test" and row.labels == Labels() for row in chosen.rows if row.clip_id in gate.ids)


def smuggled(features: Path, out: Path, clip: str, original: str, *, noise: float) -> FeatureSet:
    """The same folder, in which `clip` looks and sounds like `original` but for noise."""
    shutil.copytree(features, out)
    rows = read_rows(out)
    places = {row.clip_id: n for n, row in enumerate(rows)}
    size = json.loads((out / HEADER).read_text())["shard_clips"]
    generator = torch.Generator().manual_seed(0)
    source = load_file(shard_path(out, "clips", places[original] // size))
    path = shard_path(out, "clips", places[clip] // size)
    target = dict(load_file(path))
    for name, tensor in target.items():
        if name != "clips":
            copied = source[name][places[original] % size].clone()
            if name.endswith("features"):
                copied += noise * torch.randn(copied.shape, generator=generator, dtype=copied.dtype)
            target[name] = tensor.clone()
            target[name][places[clip] % size] = copied
    path.unlink()
    save_file(target, path)
    return FeatureSet(out, tokenizer())


def whole_clip(loaded: FeatureSet, split: str) -> str:
    """One with pictures and sound."""
    indices = [n for n in loaded.indices(split) if all(len(loaded.stored("clips", int(n), s)[0]) > 2 for s in SENSES)]
    return loaded.rows[indices[1]].clip_id


SENSES = ("vision", "audio")


def test_a_near_duplicate_of_a_gate_clip_is_refused_and_both_are_named(
    features: Path, gate_file: Path, tmp_path: Path
) -> None:
    loaded, gate = FeatureSet(features, tokenizer()), read_gate(gate_file)
    assert choose(loaded, gate, take(b"", loaded.rows), leave_out=False).left_out == ()
    clip, original = whole_clip(loaded, "train"), whole_clip(loaded, "test")
    copied = smuggled(features, tmp_path / "copied", clip, original, noise=0.05)
    with pytest.raises(OverlapError, match=f"{clip} is a near-duplicate: gate clip {original}"):
        choose(copied, gate, take(b"", copied.rows), leave_out=False)
    chosen = choose(copied, gate, take(b"", copied.rows), leave_out=True)
    assert [one.clip_id for one in chosen.left_out] == [clip]
    assert next(row for row in chosen.rows if row.clip_id == clip).split == "test"


def test_a_clip_of_the_same_source_is_refused(features: Path, tmp_path: Path) -> None:
    shutil.copytree(features, tmp_path / "data")
    rows = read_rows(features)
    train = next(n for n, row in enumerate(rows) if row.split == "train" and row.labels != Labels())
    test = next(n for n, row in enumerate(rows) if row.split == "test" and row.labels != Labels())
    for n in (train, test):
        rows[n] = msgspec.structs.replace(rows[n], groups=("group:one-film",))
    write_dataset(tmp_path / "data", rows, made_with={}, licences={})
    loaded = FeatureSet(tmp_path / "data", tokenizer())
    gate = freeze((row for row in loaded.rows if row.split == "test"), "g")
    with pytest.raises(OverlapError, match=f"{rows[train].clip_id} has group:one-film in common"):
        choose(loaded, gate, take(b"", loaded.rows), leave_out=False)


def test_a_gate_is_written_whole(tmp_path: Path) -> None:
    gate = freeze([Row(clip_id="a", split="val", labels=Labels(adult=0))], "g")
    write_gate(tmp_path / "deep" / "g.json", gate)
    assert read_gate(tmp_path / "deep" / "g.json") == gate
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["g.json"]
