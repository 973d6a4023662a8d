"""Tuning word vectors, with a teacher made up for the purpose."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from engines.models.pretrained.minilm import MiniLM
from engines.training.distil import DistilOptions, main_directions, rarity, sentence_embeddings, tune
from engines.training.word_run import compared, pooled_texts

OPTIONS = DistilOptions(word_features=8, vocabulary_size=60, epochs=30, batch=64, learning_rate=2e-2)


def texts_and_teacher() -> tuple[list[Tensor], Tensor, Tensor]:
    """600 texts of 60 words; the teacher weighs the words unequally and ignores a third of them."""
    generator = torch.Generator().manual_seed(4)
    meaning_VD = torch.randn(60, 24, generator=generator) @ torch.randn(24, 24, generator=generator)
    weight_V = torch.rand(60, generator=generator) * (torch.arange(60) % 3 > 0)
    texts = [torch.randint(0, 60, (length,), generator=generator) for length in [3, 5, 8] * 200]
    teacher_ND = torch.stack([(weight_V[text, None] * meaning_VD[text]).sum(0) + 1e-3 for text in texts])
    return texts, functional.normalize(teacher_ND), meaning_VD


def test_tuning_brings_texts_closer_to_the_teacher_and_repeats_itself() -> None:
    texts, teacher_ND, meaning_VD = texts_and_teacher()
    main_DC = main_directions(teacher_ND, 8)
    first_VC = functional.normalize(meaning_VD) @ main_DC
    epochs: list[int] = []
    goals_NC = functional.normalize(teacher_ND[:500] @ main_DC)
    tuned_VC = tune(first_VC, texts[:500], goals_NC, OPTIONS, lambda: epochs.append(1))
    assert len(epochs) == OPTIONS.epochs
    held_out, truth_ND = texts[500:], teacher_ND[500:]
    before = compared(pooled_texts(first_VC, held_out), truth_ND, seed=1)
    after = compared(pooled_texts(tuned_VC, held_out), truth_ND, seed=1)
    assert after["all"] > before["all"] + 0.05
    assert torch.equal(tuned_VC, tune(first_VC, texts[:500], goals_NC, OPTIONS, lambda: None))


def test_main_directions_keep_the_most_and_have_one_sign() -> None:
    embeddings_ND = torch.randn(500, 6, generator=torch.Generator().manual_seed(1)) * torch.tensor([9, 1, 5, 1, 1, 1.0])
    main_DC = main_directions(embeddings_ND, 2)
    torch.testing.assert_close(main_DC.T @ main_DC, torch.eye(2), atol=1e-5, rtol=0)
    assert main_DC.abs().argmax(0).tolist() == [0, 2]
    assert (main_DC.amax(0) > 0.9).all()


def test_rare_words_weigh_more() -> None:
    weights_V = rarity(torch.tensor([1000.0, 10.0, 1.0, 0.0]))
    assert (weights_V.diff() > 0).all()
    assert 0 < weights_V[0] < 0.01
    assert weights_V[3] < 1


def test_embeddings_come_back_in_the_order_of_the_texts() -> None:
    torch.manual_seed(1)
    teacher = MiniLM().requires_grad_(False).eval()
    texts = [torch.arange(200, 200 + length) for length in (7, 1, 3)]
    together_ND = sentence_embeddings(teacher, texts, lambda: None)
    alone_ND = torch.cat([sentence_embeddings(teacher, [text], lambda: None) for text in texts])
    torch.testing.assert_close(together_ND, alone_ND, rtol=1e-3, atol=1e-4)
