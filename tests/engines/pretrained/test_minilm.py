"""Our MiniLM against the published one, where `transformers` can read it."""

from __future__ import annotations

import pytest
import torch

from engines.models.pretrained import load, sources
from engines.models.pretrained.minilm import END, START

transformers = pytest.importorskip("transformers")


def test_sentence_embeddings_are_those_of_the_published_model() -> None:
    folder = sources.MINILM.path().parent
    theirs = transformers.BertModel.from_pretrained(folder, local_files_only=True).eval()
    ids_NL = torch.tensor([[START, 2023, 2003, 1037, 3231, END], [START, 7592, END, 0, 0, 0]])
    mask_NL = ids_NL != 0
    with torch.no_grad():
        tokens_NLD = theirs(ids_NL, attention_mask=mask_NL.long()).last_hidden_state
        expected_ND = torch.stack(
            [tokens_LD[seen_L].mean(0) for tokens_LD, seen_L in zip(tokens_NLD, mask_NL, strict=True)]
        )
        torch.testing.assert_close(load.minilm()(ids_NL, mask_NL), expected_ND, rtol=1e-4, atol=1e-5)
