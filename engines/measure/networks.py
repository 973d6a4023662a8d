"""A network of the starter's shape with random weights: what torch takes for it does not depend on them."""

from __future__ import annotations

from engines.bundle import Bundle
from engines.models.starter import StarterNetwork, StarterSizes


def random_network(bundle: Bundle) -> StarterNetwork:
    """As large as the bundle's, but for its word vectors, which are only looked up. Weights are random."""
    sizes = bundle.preprocessing
    return StarterNetwork(
        StarterSizes(
            vocabulary_size=bundle.tokenizer.vocabulary_size,
            word_features=128,
            embedding_size=bundle.embedding_size,
            frame_pixels=sizes.frame_pixels,
            window_samples=sizes.window_samples,
            sample_rate_hz=sizes.sample_rate_hz,
        )
    )
