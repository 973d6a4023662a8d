"""MiniLM -> a table of word vectors whose mean stands for its sentence embedding; 4 MB instead of 90.

Each word piece passes through MiniLM alone, is projected to fewer values, and weighted by how rare it is (model2vec's
recipe, with the weights of SIF, Arora et al. 2017). Then the table is tuned until means of titles are as similar to
each other as MiniLM finds the titles. Nothing is labelled: titles are all that is read.

Shape letters: N titles, L tokens, V word pieces, D values of MiniLM's embedding, C of a word vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from engines.models.pretrained.minilm import END, START, MiniLM

#: a of a / (a + p(word)) in SIF.
RARITY = 1e-3
#: Titles that pass through MiniLM at a time.
CHUNK = 64
Advance = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class DistilOptions:
    """How word vectors are tuned. The defaults made the shipped ones."""

    word_features: int = 192
    vocabulary_size: int = 20_300
    seed: int = 1
    epochs: int = 40
    batch: int = 1024
    learning_rate: float = 2e-3
    dropped_words: float = 0.1
    pull: float = 0.3


def sentence_embeddings(teacher: MiniLM, texts: Sequence[Tensor], advance: Advance) -> Tensor:
    """Texts as ids without `START` and `END` -> float32 (N, D), in their order; short ones pass together."""
    found = torch.empty(len(texts), teacher.kind.shape[0])
    by_length = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    for first in range(0, len(texts), CHUNK):
        chosen = by_length[first : first + CHUNK]
        rows = [torch.cat([torch.tensor([START]), texts[index], torch.tensor([END])]) for index in chosen]
        ids_NL = pad_sequence(rows, batch_first=True)
        lengths_N = torch.tensor([len(row) for row in rows])
        mask_NL = torch.arange(ids_NL.shape[1]) < lengths_N[:, None]
        with torch.no_grad():
            found[chosen] = teacher(ids_NL, mask_NL)
        advance()
    return found


def main_directions(embeddings_ND: Tensor, features: int) -> Tensor:
    """(D, C): the directions that keep most of the embeddings' products. Not centred: cosines are not either."""
    _, vectors_DD = torch.linalg.eigh(embeddings_ND.T.double() @ embeddings_ND.double())
    main_DC = vectors_DD[:, -features:].flip(1)
    signs_C = main_DC.gather(0, main_DC.abs().argmax(0, keepdim=True)).sign()  # of either sign; one is chosen
    directions_DC: Tensor = (main_DC * signs_C).float()
    return directions_DC


def rarity(counts_V: Tensor) -> Tensor:
    """SIF's weight of each word, from how often it occurs; one that never does counts as seen half a time."""
    share_V = counts_V.clamp(min=0.5) / counts_V.sum()
    return RARITY / (RARITY + share_V)


def pooled(table_VC: Tensor, ids_NL: Tensor, weights_NL: Tensor) -> Tensor:
    """Unit-norm means of word vectors, (N, C)."""
    sums_NC: Tensor = functional.embedding_bag(ids_NL, table_VC, per_sample_weights=weights_NL, mode="sum")
    return functional.normalize(sums_NC)


def tune(
    table_VC: Tensor, texts: Sequence[Tensor], goals_NC: Tensor, options: DistilOptions, advance: Advance
) -> Tensor:
    """A table whose pooled texts are as similar to each other as `goals_NC` (unit norm) are, and point the same way."""
    generator = torch.Generator().manual_seed(options.seed)
    table_VC = table_VC.clone().requires_grad_()
    optimizer = torch.optim.Adam([table_VC], lr=options.learning_rate)
    steps = options.epochs * (len(texts) // options.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.learning_rate, total_steps=steps, pct_start=0.1)
    ids_NL = pad_sequence(list(texts), batch_first=True)
    lengths_N = torch.tensor([len(text) for text in texts])
    for _ in range(options.epochs):
        order = torch.randperm(len(texts), generator=generator)
        for first in range(0, len(texts) - options.batch + 1, options.batch):
            chosen = order[first : first + options.batch]
            longest = int(lengths_N[chosen].max())
            kept_NL = torch.rand(options.batch, longest, generator=generator) >= options.dropped_words
            present_NL = torch.arange(longest) < lengths_N[chosen, None]
            students_NC = pooled(table_VC, ids_NL[chosen, :longest], (kept_NL & present_NL).float())
            loss = similarity_loss(students_NC, goals_NC[chosen], options.pull)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        advance()
    return table_VC.detach()


def similarity_loss(students_NC: Tensor, goals_NC: Tensor, pull: float) -> Tensor:
    """Squared error of all cosines between texts, and `pull` times how far each text is from its goal."""
    error_NN = students_NC @ students_NC.T - goals_NC @ goals_NC.T
    return error_NN.square().sum() / len(error_NN) + pull * (1 - (students_NC * goals_NC).sum(1)).mean()
