"""The vocabulary of the word vectors: MiniLM's word pieces, cut to those that titles need."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from engines.tokenizer import PADDING, UNKNOWN

#: What pieces of inner word parts begin with.
CONTINUES = "##"
#: The share of a vocabulary that goes by the count in titles; the rest goes by MiniLM's own order, which is roughly
#: that of frequency in English at large, so that words no title had can still be read whole.
SHARE_BY_COUNT = 0.9


def vocabulary(document: str) -> dict[str, int]:
    """Piece -> id of a `tokenizers` file. Raises `ValueError` unless it holds word pieces."""
    model = json.loads(document).get("model", {})
    if model.get("type") != "WordPiece" or not isinstance(model.get("vocab"), dict):
        raise ValueError("tokenizer: expected word pieces")
    return dict(model["vocab"])


def kept_pieces(pieces: Mapping[str, int], counts: Mapping[int, int], size: int) -> list[str]:
    """`size` pieces: padding, unknown, all letters alone (with them every word can be spelled), then the most used.

    counts: how often each id occurs in titles. Raises `ValueError` when the size does not hold the letters.
    """
    letters = [piece for piece in pieces if len(piece.removeprefix(CONTINUES)) == 1 and piece.isascii()]
    always = dict.fromkeys([PADDING, UNKNOWN, *letters])
    if size < len(always):
        raise ValueError(f"vocabulary of {size} pieces: expected at least {len(always)}, the letters")
    whole = [piece for piece in pieces if piece not in always and not piece.startswith("[")]
    by_count = sorted((piece for piece in whole if counts.get(pieces[piece])), key=lambda piece: -counts[pieces[piece]])
    chosen = [*always, *by_count[: int(SHARE_BY_COUNT * (size - len(always)))]]
    rest = sorted(set(whole).difference(chosen), key=pieces.__getitem__)
    plain = [piece for piece in rest if piece.removeprefix(CONTINUES).isascii()]
    return [*chosen, *plain[: size - len(chosen)]]


def cut_tokenizer(document: str, kept: Sequence[str], path: Path) -> None:
    """Write a `tokenizers` file that knows only these pieces and adds nothing of its own to a text."""
    cut = json.loads(document)
    cut["model"]["vocab"] = {piece: index for index, piece in enumerate(kept)}
    cut |= {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    path.write_text(json.dumps(cut, ensure_ascii=False, sort_keys=True, separators=(",", ":")), "utf-8")
