"""Tiny checkpoints with random weights, written by the package itself in the format that real ones have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

FRAME_PIXELS, SAMPLE_RATE_HZ, WINDOW_SAMPLES = 40, 16_000, 15_600
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "dog",
    "barks",
    "at",
    "night",
    "##s",
    "shot",
    "[",
    "]",
    "sep",
]
PIECES = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁a", -2.0), ("▁dog", -3.0), ("▁", -4.0)]
PIECES += [(letter, -6.0) for letter in "abdghinorstk<>/"]

VISION = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT = {**VISION, "vocab_size": 64}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of the checkpoint of that name, written once."""
    root = tmp_path_factory.mktemp("checkpoints")

    def folder(name: str) -> Path:
        if not (root / name).is_dir():
            torch.manual_seed(1)
            WRITERS[name](root / name)
        return root / name

    return folder


def shake(model: torch.nn.Module) -> Any:
    """Biases, norms and positions start at 0 and 1, where faults would not show."""
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def siglip(folder: Path) -> None:
    vision = {**VISION, "image_size": 32, "patch_size": 8}
    config = transformers.SiglipConfig(vision_config=vision, text_config={**TEXT, "bos_token_id": 1, "eos_token_id": 2})
    shake(transformers.SiglipModel(config)).save_pretrained(folder)
    transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


def siglip2(folder: Path) -> None:
    vision = {**VISION, "num_patches": 9, "patch_size": 8}
    shake(transformers.Siglip2VisionModel(transformers.Siglip2VisionConfig(**vision))).save_pretrained(folder)
    transformers.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16).save_pretrained(folder)


def clip(folder: Path) -> None:
    config = transformers.CLIPVisionConfig(**VISION, image_size=28, patch_size=7)
    shake(transformers.CLIPVisionModel(config)).save_pretrained(folder)
    sizes = {"size": {"shortest_edge": 31}, "crop_size": {"height": 28, "width": 28}}
    transformers.CLIPImageProcessorPil(**sizes).save_pretrained(folder)


def ast(folder: Path) -> None:
    sizes = {"num_mel_bins": 32, "max_length": 128}
    shake(transformers.ASTModel(transformers.ASTConfig(**VISION, **sizes))).save_pretrained(folder)
    transformers.ASTFeatureExtractor(**sizes).save_pretrained(folder)


def clap(folder: Path, *, fused: bool = False) -> None:
    sizes: dict[str, Any] = {"patch_embeds_hidden_size": 8, "hidden_size": 64, "depths": [1, 1, 2, 1]}
    sizes |= {"num_attention_heads": [1, 1, 2, 2], "num_hidden_layers": 4, "enable_fusion": fused}
    shake(transformers.ClapAudioModel(transformers.ClapAudioConfig(**sizes))).save_pretrained(folder)
    truncation = "fusion" if fused else "rand_trunc"
    transformers.ClapFeatureExtractor(truncation=truncation).save_pretrained(folder)


def bert(folder: Path) -> None:
    shake(transformers.BertModel(transformers.BertConfig(**TEXT, max_position_embeddings=40))).save_pretrained(folder)
    pipeline = Tokenizer(models.WordPiece({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    pipeline.normalizer, pipeline.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    pipeline.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.BertTokenizer(tokenizer_object=pipeline, mask_token="[MASK]", **special).save_pretrained(folder)


def xlm_roberta(folder: Path) -> None:
    config = transformers.XLMRobertaConfig(**TEXT, max_position_embeddings=42, pad_token_id=1)
    shake(transformers.XLMRobertaModel(config)).save_pretrained(folder)
    transformers.XLMRobertaTokenizer(vocab=PIECES).save_pretrained(folder)


WRITERS: dict[str, Callable[[Path], None]] = {
    "siglip": siglip,
    "siglip2": siglip2,
    "clip": clip,
    "ast": ast,
    "clap": clap,
    "clap-fused": lambda folder: clap(folder, fused=True),
    "bert": bert,
    "xlm-roberta": xlm_roberta,
}
