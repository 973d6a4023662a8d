"""Word vectors out of a bundle: who trains on labels of their own needs none of the titles that they come from.

Shape letters: V words, C values of a word vector.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from engines.bundle import BundleError, find, read_manifest
from engines.manifest import TOKENIZER
from engines.models.pretrained.words import save_words
from engines.training.starter import WORDS

#: Where what was taken out of a bundle is kept, by the bundle's id.
KEPT = Path("~/.cache/earshot/words")
#: The table in the text graph of a starter network.
_TABLE = "words.table.weight"


def words_folder(words: str | Path) -> Path:
    """A folder of word vectors as it is; or one with those of the bundle of that name or folder, without any loss.

    Raises `ValueError` for what is neither.
    """
    if (Path(words) / WORDS).is_file():
        return Path(words)
    try:
        bundle = find(words)
        kept = KEPT.expanduser() / read_manifest(bundle).id
    except RuntimeError as error:
        raise ValueError(f"--words: no home to keep the words of {words} in, expected a folder of words") from error
    except BundleError as error:
        raise ValueError(
            f"{words}: came neither a folder with {WORDS} and {TOKENIZER} nor a bundle: {error}"
        ) from error
    if not (kept / WORDS).is_file():
        _take_out(bundle, kept)
    return kept


def _take_out(bundle: Path, folder: Path) -> None:
    table_VC = _table(bundle / "text.onnx")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as part:
        whole = Path(part) / folder.name
        whole.mkdir()
        save_words(table_VC, whole / WORDS)
        shutil.copyfile(bundle / TOKENIZER, whole / TOKENIZER)
        folder.mkdir(exist_ok=True)
        for name in (TOKENIZER, WORDS):  # the words last: they say that all is there
            (whole / name).replace(folder / name)


def _table(graph: Path) -> Tensor:
    """float32 (V, C), exactly as the text graph has it, in 8 bits or not."""
    tensors = {item.name: numpy_helper.to_array(item) for item in onnx.load(graph).graph.initializer}
    if _TABLE in tensors:
        return torch.tensor(tensors[_TABLE])
    try:
        values_VC, scale_V = tensors[f"{_TABLE}.int8"], tensors[f"{_TABLE}.scale"]
    except KeyError as error:
        raise ValueError(
            f"{graph.parent}: its text graph has no table of word vectors, expected a bundle of the recipe starter"
        ) from error
    return torch.tensor(values_VC.astype(np.float32) * scale_V[:, None])
