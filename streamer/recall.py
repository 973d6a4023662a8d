"""What is known of a video and its words: keys, look-up, store. Owns what a cached value may depend on.

A key names everything that decides the value: schema, graph fingerprint (graph and preprocessing), what the engine's
numbers depend on, sampling plan and content; of what the fusion network said, the clips too that novelty is measured
by. So the same video with the same words asks for no engine, a changed title re-encodes text only, and a new fusion
head re-scores without decoding. Calibration and policy come after what is remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from engines.bundle import Bundle
from streamer.cache.fused import seal_fused, unseal_fused
from streamer.cache.protocol import Cache
from streamer.cache.sealed import seal, unseal
from streamer.records import Case, Coverage, Embeddings, Event, Fused, Fusion, Modality, Recall, Text, Tokens

#: Change when the meaning of cached values changes.
CACHE_SCHEMA = 2

_MEDIA = (Modality.VISION, Modality.AUDIO)


class Recaller:
    """The cache protocol. Thread-safe; nothing is ever raised for the cache's sake.

    numerics: of the engines (`EngineSet.numerics`); workers with unlike ones do not share what they remember.
    """

    def __init__(self, bundle: Bundle, cache: Cache, *, plan_id: str, secret: bytes, numerics: str = "") -> None:
        self._tokenizer = bundle.tokenizer
        engine = f"+{numerics}" if numerics else ""
        self._fingerprints = {graph: bundle.fingerprint(graph) + engine for graph in (*Modality, "fusion")}
        if bundle.known_id:
            self._fingerprints["fusion"] += f"+{bundle.known_id}"
        self._cache = cache
        self._plan_id = plan_id
        self._secret = secret

    def recall(self, event: Event, content_sha256: str) -> Recall:
        """What is known of this video and this text, in one round trip."""
        text = self._text(event)
        keys = self._token_keys(text, content_sha256)
        fused_key = self._fused_key(keys, content_sha256)
        (blob, *blobs), tier = self._cache.lookup([fused_key, *keys.values()])
        known = unseal_fused(blob, cache_key=fused_key, secret=self._secret) if blob is not None else None
        if known is not None:
            return Recall(text, keys, fused_key, known[0], {}, known[1], tier)
        tokens, coverage = self._unsealed(dict(zip(keys.values(), blobs, strict=True)), keys)
        return Recall(text, keys, fused_key, None, tokens, coverage, tier if coverage is not None else "none")

    def fused(self, cases: Sequence[tuple[Event, str]]) -> list[Fused | None]:
        """What the fusion network said of each event and content, where that is remembered; in one round trip."""
        keys = [self._fused_key(self._token_keys(self._text(event), sha256), sha256) for event, sha256 in cases]
        blobs, _ = self._cache.lookup(keys)
        found: list[Fused | None] = []
        for key, blob in zip(keys, blobs, strict=True):
            known = unseal_fused(blob, cache_key=key, secret=self._secret) if blob is not None else None
            found.append(known[0] if known is not None else None)
        return found

    def keep_tokens(self, cases: Sequence[Case], embeddings: Embeddings) -> None:
        """Remember the tokens that were not recalled."""
        values: dict[str, bytes] = {}
        for case, tokens in zip(cases, embeddings.tokens, strict=True):
            for modality, key in case.recall.keys.items():
                if modality in case.recall.tokens:
                    continue
                coverage = case.coverage if modality in _MEDIA else None
                values[key] = seal(tokens[modality], coverage, cache_key=key, secret=self._secret)
        if values:
            self._cache.put(values)

    def keep_fused(self, cases: Sequence[Case], fusion: Fusion) -> None:
        """Remember what the fusion network said."""
        values: dict[str, bytes] = {}
        for case, fused in zip(cases, fusion.cases, strict=True):
            key = case.recall.fused_key
            values[key] = seal_fused(fused, case.coverage, cache_key=key, secret=self._secret)
        if values:
            self._cache.put(values)

    def _text(self, event: Event) -> Text:
        fields = {
            "title": event.title,
            "description": event.description,
            "hashtags": " ".join(event.hashtags),
            "query": event.query or "",
        }
        ids_L, segments_L = self._tokenizer.encode(fields)
        return Text(ids_L, segments_L)

    def _token_keys(self, text: Text, content_sha256: str) -> dict[Modality, str]:
        words = hashlib.sha256(text.ids_L.tobytes() + text.segments_L.tobytes()).hexdigest()
        video = f"{self._plan_id}:{content_sha256}"
        subjects = {Modality.VISION: video, Modality.AUDIO: video, Modality.TEXT: words}
        return {modality: self._key(modality, subject) for modality, subject in subjects.items()}

    def _fused_key(self, keys: Mapping[Modality, str], content_sha256: str) -> str:
        """Depends on all that the tokens depend on. Ends in the content, so that a video can be found and erased."""
        tokens = hashlib.sha256("\n".join(keys[modality] for modality in Modality).encode()).hexdigest()
        return self._key("fusion", f"{tokens}:{content_sha256}")

    def _key(self, graph: str, subject: str) -> str:
        return f"emb:{CACHE_SCHEMA}:{graph}:{self._fingerprints[graph]}:{subject}"

    def _unsealed(
        self, blobs: Mapping[str, bytes | None], keys: Mapping[Modality, str]
    ) -> tuple[dict[Modality, Tokens], Coverage | None]:
        """The tokens that are whole, and the coverage when the video need not be decoded."""
        tokens: dict[Modality, Tokens] = {}
        coverages: list[Coverage] = []
        for modality, key in keys.items():
            blob = blobs[key]
            found = unseal(blob, cache_key=key, secret=self._secret) if blob is not None else None
            if found is None:
                continue
            tokens[modality], coverage = found
            if coverage is not None:
                coverages.append(coverage)
        complete = all(modality in tokens for modality in _MEDIA) and len(coverages) == len(_MEDIA)
        return tokens, coverages[0] if complete else None
