"""Text fields -> token ids with the segment each comes from. Text is hostile: any `str` gives a short, valid answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from engines.spec import SEGMENTS

#: Characters of a field that are looked at, per token that may come of it; bounds the work on a hostile field.
CHARACTERS_PER_TOKEN = 32

PADDING, UNKNOWN = "[PAD]", "[UNK]"


class TextTokenizer:
    """A `tokenizers` pipeline behind four named fields. Thread-safe: encoding changes nothing."""

    def __init__(self, pipeline: Tokenizer, max_text_tokens: int) -> None:
        """Raises `ValueError` when the vocabulary lacks the unknown token, so that no word can fail later."""
        unknown_id = pipeline.token_to_id(UNKNOWN)
        if unknown_id is None:
            raise ValueError(f"tokenizer: came a vocabulary without {UNKNOWN}, which unseen words need")
        self._pipeline = pipeline
        self._unknown_id = unknown_id
        self._max_text_tokens = max_text_tokens

    @classmethod
    def from_file(cls, path: Path, max_text_tokens: int) -> TextTokenizer:
        """Raises `ValueError` when the file is not a tokenizer."""
        try:
            pipeline = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception for every fault of the file
            raise ValueError(f"{path.name}: not a tokenizer file: {error}") from error
        return cls(pipeline, max_text_tokens)

    @property
    def vocabulary_size(self) -> int:
        """Ids are in [0, vocabulary_size)."""
        return int(self._pipeline.get_vocab_size())

    def encode(self, fields: Mapping[str, str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """`ids_L` and `segments_L` (index into `SEGMENTS`), 1 to `max_text_tokens` long.

        Absent fields are empty. When the fields together are too long, the short ones stay whole and the long ones
        share what is left. Raises `ValueError` for a field that is not one of `SEGMENTS`.
        """
        if not fields.keys() <= set(SEGMENTS):
            raise ValueError(f"text fields: came {sorted(fields)}, expected some of {list(SEGMENTS)}")
        ids = [self._field_ids(fields.get(name, "")) for name in SEGMENTS]
        kept = fair_lengths([len(field) for field in ids], self._max_text_tokens)
        ids_L = [token for field, length in zip(ids, kept, strict=True) for token in field[:length]]
        segments_L = [segment for segment, length in enumerate(kept) for _ in range(length)]
        if not ids_L:
            ids_L, segments_L = [self._unknown_id], [0]
        return np.array(ids_L, np.int64), np.array(segments_L, np.int64)

    def _field_ids(self, text: str) -> list[int]:
        if not text:
            return []  # most events leave fields empty, and asking the library costs 50 microseconds each
        text = text[: CHARACTERS_PER_TOKEN * self._max_text_tokens]
        text = text.encode("utf-8", "replace").decode()  # lone surrogates cannot cross into the library
        return list(self._pipeline.encode(text, add_special_tokens=False).ids)


def fair_lengths(lengths: list[int], budget: int) -> list[int]:
    """Shorten the longest until all fit: [3, 50, 9] in 20 -> [3, 9, 8]."""
    kept = [0] * len(lengths)
    while budget and kept != lengths:
        open_fields = [index for index, length in enumerate(lengths) if kept[index] < length]
        share = max(1, budget // len(open_fields))
        for index in open_fields:
            grant = min(share, lengths[index] - kept[index], budget)
            kept[index] += grant
            budget -= grant
    return kept


def word_pipeline(words: list[str]) -> Tokenizer:
    """A pipeline that knows exactly these words, whatever their case, accents or Unicode form."""
    vocabulary = {word: index for index, word in enumerate([PADDING, UNKNOWN, *dict.fromkeys(words)])}
    pipeline = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    pipeline.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.NFKC(), normalizers.Lowercase()]
    )
    pipeline.pre_tokenizer = pre_tokenizers.Whitespace()
    return pipeline
