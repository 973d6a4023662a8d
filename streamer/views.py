"""Token embeddings of a video -> one vector of each sense: to find videos that look, sound or read alike. Pure.

The fusion network's embedding keeps what its tasks need. What a tower makes of a video by itself also tells things
apart that no label has named yet.

D embedding size.
"""

from __future__ import annotations

from collections.abc import Mapping

from engines.known import direction, pooled_tokens
from streamer.records import Event, Float16, Float32, Modality, Tokens

Views = dict[Modality, Float16]


def pooled(tokens: Mapping[Modality, Tokens]) -> dict[Modality, Float32]:
    """Of each sense that has tokens, the mean of them, float32 (D,)."""
    return {sense: pooled_tokens(item.values_TPD[item.mask_TP]) for sense, item in tokens.items() if item.mask_TP.any()}


def views_of(means: Mapping[Modality, Float32]) -> Views:
    """The directions of such means, float16 (D,), unit norm. A mean that has none is left out."""
    found = {sense: direction(mean_D) for sense, mean_D in means.items()}
    return {sense: view_D for sense, view_D in found.items() if view_D is not None}


def worded(event: Event, views: Mapping[Modality, Float16]) -> Views:
    """The same without that of text where there is no word: all videos without words have the same token."""
    has_words = any(text.strip() for text in (event.title, event.description, *event.hashtags, event.query or ""))
    return {sense: view_D for sense, view_D in views.items() if has_words or sense is not Modality.TEXT}
