"""A checkpoint's tokenizer -> the pipeline file that a bundle carries."""

from __future__ import annotations

import json
from typing import Any

import transformers

from engines.models.huggingface.checkpoint import Checkpoint, CheckpointError, load_processor
from engines.tokenizer import UNKNOWN

#: Without one of these the package makes up an empty tokenizer.
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model")


def tokenizer_json(checkpoint: Checkpoint) -> str:
    """Content for `tokenizer.json`, read by `TextTokenizer.from_file`. Raises `CheckpointError` without a tokenizer.

    The text of an upload is hostile: "[SEP]" in a title must not become the token that ends a sentence. So special
    tokens are taken out of the pipeline (the tower puts them around each field), and the unknown token has our name.
    """
    tokenizer = load_tokenizer(checkpoint)
    document: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    special = {token["content"] for token in document["added_tokens"] if token["special"]}
    document["added_tokens"] = [token for token in document["added_tokens"] if not token["special"]]
    document["post_processor"] = document["truncation"] = document["padding"] = None
    unknown = tokenizer.unk_token
    if unknown is None:
        raise CheckpointError(f"{checkpoint.name}: came a tokenizer without an unknown token, which unseen words need")
    _rename(document["model"], unknown, special - {unknown})
    return json.dumps(document, ensure_ascii=False)


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """The package's tokenizer, backed by a pipeline. Raises `CheckpointError` where there are no files of one."""
    if not any((checkpoint.path / name).is_file() for name in VOCABULARIES):
        raise CheckpointError(f"{checkpoint.name}: came no tokenizer, expected one of {list(VOCABULARIES)}")
    tokenizer = load_processor(checkpoint, transformers.AutoTokenizer)
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise CheckpointError(f"{checkpoint.name}: came a tokenizer in Python, expected one with a tokenizer.json")
    return tokenizer


def _rename(model: dict[str, Any], unknown: str, special: set[str]) -> None:
    """Name the unknown token as ours is, and special pieces so that no text has them: text is cut at every space."""

    def name(piece: str) -> str:
        return UNKNOWN if piece == unknown else f" {piece}" if piece in special else piece

    if isinstance(model["vocab"], dict):
        model["vocab"] = {name(piece): index for piece, index in model["vocab"].items()}
        model["unk_token"] = UNKNOWN
    else:  # a unigram model, which knows its unknown token by number
        model["vocab"] = [[name(piece), score] for piece, score in model["vocab"]]
