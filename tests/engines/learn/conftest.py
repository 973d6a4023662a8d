"""Features of clips that were never there, as if the starter's towers had made them, and words to go with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engines.bundle import Bundle
from engines.manifest import TOKENIZER
from engines.models.pretrained.words import save_words
from engines.models.starter import SOUND_FEATURES
from engines.tokenizer import word_pipeline
from engines.training.features import HEADER
from engines.training.starter import WORDS
from tests.engines.training.synthetic import VOCABULARY, word_vectors, write_features


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_features(tmp_path_factory.mktemp("features"), clips=160, seen=1280, heard=SOUND_FEATURES)
    header = json.loads((folder / HEADER).read_text())
    header["towers"] = Bundle.load("starter").training["data"]["towers"]
    (folder / HEADER).write_text(json.dumps(header))
    return folder


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    save_words(word_vectors().table.weight.data, folder / WORDS)
    word_pipeline(VOCABULARY).save(str(folder / TOKENIZER))
    return folder
