"""Token embeddings of a video -> one vector of each sense: to find videos that look, sound or read alike. Pure.

The fusion network's embedding keeps what its tasks need. What a tower makes of a video by itself also tells things
apart that no label has named yet.

D embedding size.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engines.known import pooled_tokens
from streamer.records import Event, Float32, Modality, Tokens

Views = dict[Modality, Float32]


def views_of(event: Event, tokens: Mapping[Modality, Tokens]) -> Views:
    """Of each sense that has tokens, the mean of them, float32 (D,), unit norm.

    Left out is a sense that the video lacks: no frame, no window; of text, no word, as all videos without words have
    the same token. So is a mean that has no direction.
    """
    views = {}
    for sense, found in tokens.items():
        view_D = None if sense is Modality.TEXT and not _has_words(event) else _mean(found)
        if view_D is not None:
            views[sense] = view_D
    return views


def _mean(tokens: Tokens) -> Float32 | None:
    if not tokens.mask_TP.any():
        return None
    mean_D = pooled_tokens(tokens.values_TPD[tokens.mask_TP])
    norm = float(np.linalg.norm(mean_D))
    return np.asarray(mean_D / norm, np.float32) if norm > 0 else None


def _has_words(event: Event) -> bool:
    texts = (event.title, event.description, *event.hashtags, event.query or "")
    return any(text.strip() for text in texts)
