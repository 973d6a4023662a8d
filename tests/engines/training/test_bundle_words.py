"""Word vectors come out of a bundle as they went in, so that nobody has to distil them to train."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from engines.bundle import SHIPPED
from engines.manifest import TOKENIZER
from engines.models.pretrained.words import load_words, save_words
from engines.tokenizer import TextTokenizer
from engines.training import bundle_words
from engines.training.bundle_words import words_folder
from engines.training.starter import WORDS

TABLE = "words.table.weight"


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bundle_words, "KEPT", tmp_path / "kept")
    return tmp_path / "kept"


def shipped_table() -> torch.Tensor:
    graph = onnx.load(SHIPPED / "starter" / "text.onnx").graph
    stored = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    return torch.tensor(stored[f"{TABLE}.int8"].astype(np.float32) * stored[f"{TABLE}.scale"][:, None])


def test_the_shipped_starter_has_words_and_their_tokenizer(kept: Path) -> None:
    folder = words_folder("starter")
    assert folder.parent == kept
    words = load_words(folder / WORDS)
    assert torch.equal(words.table.weight, shipped_table())
    assert TextTokenizer.from_file(folder / TOKENIZER, 64).vocabulary_size == len(words.table.weight)


def test_they_are_taken_out_once(kept: Path) -> None:
    folder = words_folder("starter")
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert words_folder(SHIPPED / "starter") == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    assert list(kept.iterdir()) == [folder]


def test_half_a_folder_is_made_whole() -> None:
    folder = words_folder("starter")
    (folder / WORDS).unlink()
    assert (words_folder("starter") / WORDS).is_file()


def test_a_bundle_in_float32_gives_the_same(tmp_path: Path) -> None:
    exact = tmp_path / "exact"
    shutil.copytree(SHIPPED / "starter", exact, ignore=shutil.ignore_patterns("vision*", "audio*", "fusion*"))
    model = onnx.load(exact / "text.onnx")
    model.graph.initializer.append(numpy_helper.from_array(shipped_table().numpy(), TABLE))
    onnx.save(model, exact / "text.onnx")
    assert torch.equal(load_words(words_folder(exact) / WORDS).table.weight, shipped_table())


def test_a_folder_of_words_is_taken_as_it_is(tmp_path: Path, kept: Path) -> None:
    save_words(torch.randn(4, 3), tmp_path / WORDS)
    assert words_folder(str(tmp_path)) == tmp_path
    assert not kept.exists()


@pytest.mark.parametrize(
    ("words", "expected"), [("world", "no table of word vectors"), ("nowhere", "neither a folder with words")]
)
def test_what_has_no_words_is_refused(words: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        words_folder(words)
