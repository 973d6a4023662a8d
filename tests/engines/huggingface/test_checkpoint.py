"""Checkpoints that are not whole, of another kind, or that would run code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.models.huggingface.audio import audio_tower
from engines.models.huggingface.checkpoint import CheckpointError, open_checkpoint
from engines.models.huggingface.text import text_tower
from engines.models.huggingface.tokenizer import tokenizer_json
from engines.models.huggingface.vision import vision_tower

pytestmark = [pytest.mark.train, pytest.mark.slow]

Copy = Callable[[str], Path]


@pytest.fixture
def copy(checkpoints: Callable[[str], Path], tmp_path: Path) -> Copy:
    """A whole copy of a checkpoint, to be broken."""
    return lambda name: Path(shutil.copytree(checkpoints(name), tmp_path / name))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))


def test_hash_names_the_content(copy: Copy) -> None:
    folder = copy("clip")
    before = open_checkpoint(folder)
    assert (before.model_type, len(before.sha256)) == ("clip_vision_model", 64)
    (folder / "README.md").write_text("not read, not counted")
    assert open_checkpoint(folder).sha256 == before.sha256
    edit(folder / "preprocessor_config.json", image_mean=[0.4, 0.4, 0.4])
    assert open_checkpoint(folder).sha256 != before.sha256


def test_pickled_weights_are_refused(copy: Copy) -> None:
    folder = copy("bert")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"pickled weights \['pytorch_model.bin'\].*save_pretrained"):
        open_checkpoint(folder)


@pytest.mark.parametrize(("lost", "says"), [("config.json", "missing"), ("model.safetensors", "no weights")])
def test_missing_file_is_named(copy: Copy, lost: str, says: str) -> None:
    folder = copy("ast")
    (folder / lost).unlink()
    with pytest.raises(CheckpointError, match=says):
        open_checkpoint(folder)


def test_missing_shard_is_named(copy: Copy) -> None:
    folder = copy("ast")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "part-1.safetensors"}}))
    with pytest.raises(CheckpointError, match="part-1"):
        open_checkpoint(folder)


def test_missing_processor_is_named(copy: Copy) -> None:
    vision, audio, text = copy("siglip"), copy("clap"), copy("xlm-roberta")
    (vision / "preprocessor_config.json").unlink()
    (audio / "preprocessor_config.json").unlink()
    (text / "tokenizer.json").unlink()
    (text / "tokenizer_config.json").unlink()
    with pytest.raises(CheckpointError, match="AutoImageProcessor"):
        vision_tower(open_checkpoint(vision), 40)
    with pytest.raises(CheckpointError, match="AutoFeatureExtractor"):
        audio_tower(open_checkpoint(audio), 16_000, 15_600, 3)
    with pytest.raises(CheckpointError, match="came no tokenizer"):
        tokenizer_json(open_checkpoint(text))


def test_wrong_kind_names_both_sides(checkpoints: Callable[[str], Path]) -> None:
    with pytest.raises(CheckpointError, match=r"'bert', a vision tower reads \['clip'"):
        vision_tower(open_checkpoint(checkpoints("bert")), 40)
    with pytest.raises(CheckpointError, match="'siglip', a text tower reads"):
        text_tower(open_checkpoint(checkpoints("siglip")), 16)
    with pytest.raises(CheckpointError, match="'siglip', an audio tower reads"):
        audio_tower(open_checkpoint(checkpoints("siglip")), 16_000, 15_600, 3)


def test_missing_weights_are_not_made_up(copy: Copy) -> None:
    folder = copy("bert")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.0.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks 1 weights of BertModel.*encoder.layer.0.output.dense"):
        text_tower(open_checkpoint(folder), 16)


def test_weights_of_other_shapes_and_damaged_ones_are_refused(copy: Copy) -> None:
    folder = copy("bert")
    edit(folder / "config.json", intermediate_size=50)
    with pytest.raises(CheckpointError, match="cannot be read as BertModel"):
        text_tower(open_checkpoint(folder), 16)
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="cannot be read as BertModel"):
        text_tower(open_checkpoint(folder), 16)


def test_code_beside_a_checkpoint_is_not_run(copy: Copy, tmp_path: Path) -> None:
    folder = copy("bert")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: ...\n")
    auto = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil", "AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    edit(folder / "config.json", auto_map=auto)
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]})
    text_tower(open_checkpoint(folder), 16)
    edit(folder / "config.json", model_type="evil")
    with pytest.raises(CheckpointError, match="'evil'"):
        text_tower(open_checkpoint(folder), 16)
    assert not (tmp_path / "ran").exists()


def test_sizes_that_do_not_fit_are_named(copy: Copy) -> None:
    with pytest.raises(CheckpointError, match="expected at most 38"):
        text_tower(open_checkpoint(copy("bert")), 39)
    audio = open_checkpoint(copy("ast"))
    with pytest.raises(CheckpointError, match="expected 1 to 128"):
        audio_tower(audio, 16_000, 32_000, 3)
    with pytest.raises(CheckpointError, match="tokens: came 11, expected 1 to 10"):
        audio_tower(audio, 16_000, 15_600, 11)
    vision = copy("clip")
    edit(vision / "preprocessor_config.json", crop_size={"height": 21, "width": 21})
    with pytest.raises(CheckpointError, match="processor gives 21 pixels, the model takes 28"):
        vision_tower(open_checkpoint(vision), 40)


def test_hub_that_does_not_answer_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="pass the folder"):
        open_checkpoint("earshot/none-such")
    with pytest.raises(CheckpointError, match="pass the folder"):
        open_checkpoint("no/such/folder")


def test_no_package_that_breaks_beside_torch_is_loaded(checkpoints: Callable[[str], Path]) -> None:
    script = (
        "import sys; from engines.models.huggingface import checkpoint, vision, tuning;"
        "tower = vision.vision_tower(checkpoint.open_checkpoint(sys.argv[1]), 40);"
        "tuning.tune(tower, tuning.LowRank());"
        "print([name for name in ('torchvision', 'torchaudio', 'timm', 'torchcodec') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script, checkpoints("siglip")], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
