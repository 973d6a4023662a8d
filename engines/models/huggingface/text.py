"""Text towers from BERT-like encoders: BERT, MiniLM, RoBERTa, XLM-R, DistilBERT, ELECTRA, CamemBERT.

Each field is read as the checkpoint was trained to read a sentence: alone, between its special tokens, from position
0. Fields of one row share a sequence and do not see each other; fusion is what brings them together.

Shape letters: N rows, L tokens, G fields, X = G + L + G tokens with what is put around each field; features (N, L, C).
"""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import Tensor, nn

from engines.models.huggingface.checkpoint import Checkpoint, CheckpointError, check_kind, load_model
from engines.models.huggingface.tokenizer import load_tokenizer
from engines.models.huggingface.tower import Tower
from engines.spec import SEGMENTS

#: By model type: the encoder's class, and whether positions count from behind the padding id, as in fairseq.
MODELS: dict[str, Any] = {
    "bert": (transformers.BertModel, False),
    "electra": (transformers.ElectraModel, False),
    "distilbert": (transformers.DistilBertModel, False),
    "roberta": (transformers.RobertaModel, True),
    "xlm-roberta": (transformers.XLMRobertaModel, True),
    "camembert": (transformers.CamembertModel, True),
}


class TextTower(Tower):
    """A bidirectional encoder over the fields of `SEGMENTS`."""

    def __init__(self, backbone: nn.Module, start_id: int, end_id: int, first_position: int) -> None:
        config: Any = backbone.config
        super().__init__(backbone, int(config.hidden_size), 0)
        self.first_position = first_position
        fields = len(SEGMENTS)
        self.register_buffer("start_G", torch.full((fields,), start_id), persistent=False)
        self.register_buffer("end_G", torch.full((fields,), end_id), persistent=False)
        self.register_buffer("field_G", torch.arange(fields), persistent=False)

    def forward(self, ids_NL: Tensor, segments_NL: Tensor, mask_NL: Tensor) -> Tensor:
        """ids, segments int64 and mask bool (N, L) -> features_NLC float32; masked tokens are zero."""
        rows, tokens = ids_NL.shape
        field_NG = self.get_buffer("field_G").expand(rows, -1)
        open_NG = torch.ones_like(field_NG, dtype=torch.bool)
        ids_NX = torch.cat([self._every(rows, "start_G"), ids_NL, self._every(rows, "end_G")], dim=1)
        fields_NX = torch.cat([field_NG, segments_NL, field_NG], dim=1)
        mask_NX = torch.cat([open_NG, mask_NL, open_NG], dim=1)

        # Which tokens each token sees: those of its field. A masked one sees itself, so that no row is empty.
        same_NXX = (fields_NX[:, :, None] == fields_NX[:, None]) & (mask_NX[:, :, None] & mask_NX[:, None])
        sees_NXX = same_NXX | torch.eye(ids_NX.shape[1], dtype=torch.bool, device=ids_NX.device)
        # A token's position is how many of its field came before it.
        positions_NX = same_NXX.to(torch.int64).tril(-1).sum(-1) + self.first_position
        seen: Any = self.backbone(input_ids=ids_NX, attention_mask=sees_NXX[:, None], position_ids=positions_NX)
        start = field_NG.shape[1]
        features_NLC: Tensor = seen.last_hidden_state[:, start : start + tokens]
        return features_NLC * mask_NL[..., None].to(features_NLC.dtype)

    def _every(self, rows: int, name: str) -> Tensor:
        return self.get_buffer(name).expand(rows, -1)


def text_tower(checkpoint: Checkpoint, max_text_tokens: int) -> TextTower:
    """Token ids of `tokenizer_json` -> features. Raises `CheckpointError` for what is no encoder of `MODELS`."""
    check_kind(checkpoint, MODELS, "a text")
    model_class, counts_padding = MODELS[checkpoint.model_type]
    options = {} if checkpoint.model_type in ("distilbert", "electra") else {"add_pooling_layer": False}
    backbone = load_model(checkpoint, model_class, **options)
    config: Any = backbone.config
    if getattr(config, "is_decoder", False):
        raise CheckpointError(f"{checkpoint.name}: came a decoder, expected an encoder (is_decoder false)")
    tokenizer = load_tokenizer(checkpoint)
    ids = tokenizer.cls_token_id, tokenizer.sep_token_id
    if None in ids or len(tokenizer) > config.vocab_size:
        raise CheckpointError(
            f"{checkpoint.name}: came a tokenizer of {len(tokenizer)} tokens, start and end {ids}; "
            f"expected both, and at most the model's {config.vocab_size}"
        )
    first_position = config.pad_token_id + 1 if counts_padding else 0
    if max_text_tokens > (most := config.max_position_embeddings - first_position - 2):
        raise CheckpointError(f"{checkpoint.name}: came max_text_tokens {max_text_tokens}, expected at most {most}")
    return TextTower(backbone, *ids, first_position)
