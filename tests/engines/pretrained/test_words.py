"""Word vectors: what is stored is what is read, and what a bundle in 8 bits keeps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engines.models.pretrained.words import load_words, save_words
from engines.quantise import rounded
from engines.tokenizer import TextTokenizer
from engines.training.word_pieces import cut_tokenizer, kept_pieces, vocabulary


def published(words: list[str]) -> str:
    """A `tokenizers` file as MiniLM's is: word pieces in lower case, padding and marks around a text."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters), *words]
    normalizer = {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    }
    model = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {piece: index for index, piece in enumerate(pieces)},
    }
    document = {
        "version": "1.0",
        "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {
            "strategy": {"Fixed": 9},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
        "added_tokens": [],
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": None,
        "model": model,
    }
    return json.dumps(document)


def test_what_is_saved_is_what_is_read_and_what_eight_bits_keep(tmp_path: Path) -> None:
    table_VC = torch.randn(50, 16) * torch.rand(50, 1)
    stored_VC = save_words(table_VC, tmp_path / "words.safetensors")
    read_VC = load_words(tmp_path / "words.safetensors").table.weight
    assert torch.equal(read_VC, stored_VC)
    assert (read_VC - table_VC).abs().max() <= table_VC.abs().max() / 127
    values_VC, scales_V = rounded(read_VC.numpy(), 0)
    np.testing.assert_allclose(values_VC * scales_V[:, None], read_VC.numpy(), rtol=1e-6)


def test_masked_words_are_zero(tmp_path: Path) -> None:
    save_words(torch.randn(5, 4), tmp_path / "words.safetensors")
    words = load_words(tmp_path / "words.safetensors")
    features_NLC = words(torch.tensor([[1, 2, 3]]), torch.tensor([[True, True, False]]))
    assert features_NLC.shape == (1, 3, 4)
    assert (features_NLC[0, 2] == 0).all()
    assert (features_NLC[0, :2] != 0).any(1).all()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2, 2)}, tmp_path / "words.safetensors")
    with pytest.raises(ValueError, match=r"came tensors \['weight'\], expected table_VC in int8"):
        load_words(tmp_path / "words.safetensors")


def test_a_cut_vocabulary_keeps_what_is_used_and_spells_the_rest(tmp_path: Path) -> None:
    document = published(["common", "gun", "##shot", "rare", "seldom"])
    pieces = vocabulary(document)
    counts = {pieces["seldom"]: 1, pieces["gun"]: 5, pieces["##shot"]: 3}
    kept = kept_pieces(pieces, counts, 2 + 52 + 3)
    assert kept[:2] == ["[PAD]", "[UNK]"]
    assert {"gun", "##shot", "common"} == {piece for piece in kept if len(piece) > 3} - {"[PAD]", "[UNK]"} | {"gun"}
    cut_tokenizer(document, kept, tmp_path / "tokenizer.json")
    tokenizer = TextTokenizer.from_file(tmp_path / "tokenizer.json", 64)
    assert tokenizer.vocabulary_size == len(kept)

    def split(text: str) -> list[str]:
        return [kept[index] for index in tokenizer.encode({"title": text})[0]]

    assert split("GunShot [CLS] é") == ["gun", "##shot", "[UNK]", "c", "##l", "##s", "[UNK]", "e"]
    assert split("rare") == ["r", "##a", "##r", "##e"]


def test_a_vocabulary_too_small_for_the_letters_is_refused() -> None:
    with pytest.raises(ValueError, match="vocabulary of 10 pieces: expected at least 54"):
        kept_pieces(vocabulary(published([])), {}, 10)


def test_a_tokenizer_of_whole_words_is_refused() -> None:
    with pytest.raises(ValueError, match="expected word pieces"):
        vocabulary('{"model": {"type": "WordLevel", "vocab": {}}}')
