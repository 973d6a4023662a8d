"""Makes `words.safetensors` and `tokenizer.json`: titles -> MiniLM -> word vectors, with a report of what was lost.

Shape letters: N titles, V word pieces, D values of MiniLM's embedding, C of a word vector.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from engines.data.public.sources import find_sets, read_assets
from engines.data.public.splits import split_assets
from engines.evaluation.metrics import spearman
from engines.models.pretrained import load, sources
from engines.models.pretrained.minilm import VOCABULARY
from engines.models.pretrained.words import save_words
from engines.tokenizer import TextTokenizer
from engines.training.distil import (
    CHUNK,
    Advance,
    DistilOptions,
    main_directions,
    pooled,
    rarity,
    sentence_embeddings,
    tune,
)
from engines.training.word_pieces import cut_tokenizer, kept_pieces, vocabulary

WORDS, TOKENIZER, REPORT = "words.safetensors", "tokenizer.json", "words.json"
#: Tokens of a title that are read, as in a bundle.
LONGEST = 64
#: Pairs of held-out titles that similarity is compared on; half of them neighbours in the teacher's eyes.
PAIRS, NEIGHBOURS = 200_000, 20


@dataclass(frozen=True)
class Corpus:
    """Texts of each part: `train` and `val` titles, `names` of classes (queries look like those)."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Of all texts in their order."""
        return hashlib.sha256(json.dumps([self.train, self.val, self.names]).encode()).hexdigest()


def read_corpus(data: Path, seed: int) -> Corpus:
    """Titles of the composed benchmark's train and val parts; those of its test part are not looked at."""
    parts = split_assets(read_assets(data, find_sets(data)), seed)
    train, val = (tuple(asset.member for asset in parts[part] if asset.kind == "title") for part in ("train", "val"))
    return Corpus(train, val, (*load.image_class_names(), *load.sound_class_names()))


def taught(corpus: Corpus, folder: Path, advance: Advance) -> dict[str, Tensor]:
    """MiniLM's embeddings of each part (N, D) and of every word piece alone ("pieces"); kept in `folder` once made."""
    key = hashlib.sha256(f"{corpus.sha256} {sources.MINILM.sha256}".encode()).hexdigest()[:16]
    path = folder / f"teacher-{key}.safetensors"
    if path.is_file():
        return load_file(path)
    teacher, tokenizer = load.minilm(), teachers_tokenizer(folder)
    texts = {name: encoded(tokenizer, getattr(corpus, name)) for name in ("val", "names", "train")}
    texts["pieces"] = [torch.tensor([index]) for index in range(VOCABULARY)]
    found = {name: sentence_embeddings(teacher, ids, advance) for name, ids in texts.items()}
    save_file(found, path)
    return found


def chunks(corpus: Corpus) -> int:
    """How often `taught` reports progress."""
    counts = (len(corpus.train), len(corpus.val), len(corpus.names), VOCABULARY)
    return sum(-(-count // CHUNK) for count in counts)


def teachers_tokenizer(folder: Path) -> Path:
    """MiniLM's tokenizer without the marks and the padding that the published file adds to every text."""
    document = sources.MINILM_TOKENIZER.path().read_text("utf-8")
    pieces = vocabulary(document)
    path = folder / "teacher-tokenizer.json"
    cut_tokenizer(document, sorted(pieces, key=pieces.__getitem__), path)
    return path


def distil_words(
    corpus: Corpus, teacher: dict[str, Tensor], folder: Path, options: DistilOptions, advance: Advance
) -> dict[str, object]:
    """Write the three files into `folder` and return the report. `advance` is called once an epoch."""
    document = sources.MINILM_TOKENIZER.path().read_text("utf-8")
    pieces = vocabulary(document)
    whole = encoded(teachers_tokenizer(folder), corpus.train)
    kept = kept_pieces(pieces, Counter(torch.cat(whole).tolist()), options.vocabulary_size)
    cut_tokenizer(document, kept, folder / TOKENIZER)
    texts = {name: encoded(folder / TOKENIZER, getattr(corpus, name)) for name in ("train", "val", "names")}

    main_DC = main_directions(functional.normalize(teacher["train"]), options.word_features)
    alone_VD = teacher["pieces"][[pieces[piece] for piece in kept]]
    alone_VD = alone_VD - alone_VD.mean(0)  # what all words have in common tells no texts apart
    counts_V = torch.bincount(torch.cat(texts["train"]), minlength=len(kept)).float()
    first_VC = rarity(counts_V)[:, None] * (alone_VD @ main_DC)
    goals_NC = functional.normalize(torch.cat([teacher["train"], teacher["names"]]) @ main_DC)
    tuned_VC = tune(first_VC, [*texts["train"], *texts["names"]], goals_NC, options, advance)
    stored_VC = save_words(tuned_VC, folder / WORDS)

    held_out = {
        "projected only": compared(functional.normalize(teacher["val"] @ main_DC), teacher["val"], options.seed),
        "before tuning": compared(pooled_texts(first_VC, texts["val"]), teacher["val"], options.seed),
        "after tuning": compared(pooled_texts(tuned_VC, texts["val"]), teacher["val"], options.seed),
        "as stored": compared(pooled_texts(stored_VC, texts["val"]), teacher["val"], options.seed),
    }
    report: dict[str, object] = {
        "options": asdict(options),
        "titles": {"train": len(corpus.train), "val": len(corpus.val), "sha256": corpus.sha256},
        "teacher": {"name": sources.MINILM.name, "sha256": sources.MINILM.sha256},
        "bytes": (folder / WORDS).stat().st_size,
        "spearman": held_out,
        "torch": torch.__version__,
    }
    (folder / REPORT).write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return report


def encoded(tokenizer: Path, texts: Sequence[str]) -> list[Tensor]:
    """Token ids of each text, int64 (L,), at least one."""
    encoder = TextTokenizer.from_file(tokenizer, LONGEST)
    return [torch.from_numpy(encoder.encode({"title": text})[0]) for text in texts]


def pooled_texts(table_VC: Tensor, texts: Sequence[Tensor]) -> Tensor:
    """Unit-norm mean of each text, (N, C)."""
    ids_NL = pad_sequence(list(texts), batch_first=True)
    lengths_N = torch.tensor([len(text) for text in texts])
    return pooled(table_VC, ids_NL, (torch.arange(ids_NL.shape[1]) < lengths_N[:, None]).float())


def compared(students_NC: Tensor, teacher_ND: Tensor, seed: int) -> dict[str, float]:
    """Spearman's correlation of cosines, student against teacher, over random pairs and over near pairs of texts."""
    teacher_ND = functional.normalize(teacher_ND)
    rng = np.random.default_rng(seed)
    N = len(teacher_ND)
    first = torch.from_numpy(rng.integers(0, N, PAIRS // 2))
    any_other = torch.from_numpy((first.numpy() + rng.integers(1, N, PAIRS // 2)) % N)
    some = torch.from_numpy(rng.choice(N, min(N, PAIRS // 2 // NEIGHBOURS), replace=False))
    near = (teacher_ND[some] @ teacher_ND.T).topk(NEIGHBOURS + 1, dim=1).indices[:, 1:].flatten()
    again = some.repeat_interleave(NEIGHBOURS)
    pairs = {
        "random": (first, any_other),
        "near": (again, near),
        "all": (torch.cat([first, again]), torch.cat([any_other, near])),
    }
    found = {}
    for name, (a, b) in pairs.items():
        cosines = [(vectors[a] * vectors[b]).sum(1).numpy() for vectors in (teacher_ND, students_NC)]
        found[name] = round(spearman(*cosines), 4)
    return found
