"""Sealing what the fusion network said: it comes back to the bit; anything else comes out as None."""

from __future__ import annotations

import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamer.cache.fused import seal_fused, unseal_fused
from streamer.cache.sealed import seal, unseal
from streamer.cache.signed import signed
from streamer.records import Attention, Coverage, Float16, Float32, Fused, Modality
from tests.cache.tokens import COVERAGE, all_marks, mark_bits, some_marks, some_tokens

SECRET = b"a secret of some length"
KEY = "emb:1:fusion:abc"
COVERAGE_JSON = msgspec.json.encode(COVERAGE)


def some_fused(V: int = 2, A: int = 3, D: int = 4, seed: int = 0) -> Fused:
    """V frames, A windows, an embedding of D numbers."""
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> Float32:
        return rng.standard_normal(shape).astype(np.float32)

    attention = Attention(numbers(3, V), numbers(3, A), numbers(3), rng.random((V, 2)), rng.random((A, 2)))
    heard = some_marks(A, R=1, seed=seed)
    novelty = {Modality.AUDIO: float(np.float32(rng.random()))}
    views = {Modality.VISION: numbers(D).astype(np.float16)}
    return Fused(numbers(3), numbers(3, 3), numbers(D), novelty, views, attention, some_marks(V), heard)


def bits(fused: Fused) -> list[object]:
    """Everything in it, signs of zero included."""
    attention = fused.attention
    arrays = (
        fused.logits_K,
        fused.without_KM,
        fused.embedding_D,
        attention.vision_KT,
        attention.audio_KT,
        attention.text_K,
        attention.vision_spans_T2,
        attention.audio_spans_T2,
    )
    marks = [*mark_bits(fused.vision_marks), *mark_bits(fused.audio_marks)]
    return [
        {modality: struct.pack("<d", value) for modality, value in fused.novelty.items()},
        {modality: (view_D.dtype, view_D.shape, view_D.tobytes()) for modality, view_D in fused.views.items()},
        *((array.dtype, array.shape, array.tobytes()) for array in arrays),
        *marks,
    ]


def halves(D: int) -> st.SearchStrategy[Float16]:
    return hnp.arrays(np.float16, D, elements=st.floats(allow_nan=False, allow_infinity=False, width=16))


@st.composite
def all_fused(draw: st.DrawFn) -> Fused:
    V, A, D = draw(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 9)))
    singles = st.floats(allow_nan=False, allow_infinity=False, width=32)

    def numbers(*shape: int) -> Float32:
        return draw(hnp.arrays(np.float32, shape, elements=singles))

    spans = [
        draw(hnp.arrays(np.float64, (T, 2), elements=st.floats(allow_nan=False, allow_infinity=False))) for T in (V, A)
    ]
    return Fused(
        numbers(3),
        numbers(3, 3),
        numbers(D),
        draw(st.dictionaries(st.sampled_from(Modality), st.floats(0, 1, width=32))),
        draw(st.dictionaries(st.sampled_from(Modality), halves(D).filter(np.any))),
        Attention(numbers(3, V), numbers(3, A), numbers(3), *spans),
        draw(all_marks(V)),
        draw(all_marks(A)),
    )


def opened(blob: bytes, key: str = KEY, secret: bytes = SECRET) -> tuple[Fused, Coverage] | None:
    return unseal_fused(blob, cache_key=key, secret=secret)


@given(all_fused(), st.text(max_size=20), st.binary(min_size=1, max_size=40))
def test_comes_back_to_the_bit(fused: Fused, key: str, secret: bytes) -> None:
    found = opened(seal_fused(fused, COVERAGE, cache_key=key, secret=secret), key, secret)
    assert found is not None
    assert bits(found[0]) == bits(fused)
    assert found[1] == COVERAGE


@given(st.data())
def test_any_corruption_is_a_miss(data: st.DataObject) -> None:
    blob = seal_fused(some_fused(), COVERAGE, cache_key=KEY, secret=SECRET)
    start = data.draw(st.integers(0, len(blob)))
    end = data.draw(st.integers(start, len(blob)))
    corrupt = blob[:start] + data.draw(st.binary(max_size=64)) + blob[end:]
    if corrupt != blob:
        assert opened(corrupt) is None


def test_every_flipped_bit_is_a_miss() -> None:
    blob = seal_fused(some_fused(1, 1, 1), COVERAGE, cache_key=KEY, secret=SECRET)
    for index in range(len(blob)):
        flipped = bytearray(blob)
        flipped[index] ^= 1 << (index % 8)
        assert opened(bytes(flipped)) is None


def test_a_value_under_another_key_or_secret_is_a_miss() -> None:
    blob = seal_fused(some_fused(), COVERAGE, cache_key=KEY, secret=SECRET)
    assert opened(blob, key=KEY + "d") is None
    assert opened(blob, secret=SECRET + b"!") is None
    assert opened(blob) is not None


def test_tokens_and_what_was_fused_are_never_taken_for_each_other() -> None:
    tokens = seal(some_tokens(), COVERAGE, cache_key=KEY, secret=SECRET)
    fused = seal_fused(some_fused(), COVERAGE, cache_key=KEY, secret=SECRET)
    assert opened(tokens) is None
    assert unseal(fused, cache_key=KEY, secret=SECRET) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_broken_is_not_sealed(bad: float) -> None:
    broken = some_fused()
    broken.attention.audio_KT[1, 2] = bad
    with pytest.raises(ValueError, match="not finite"):
        seal_fused(broken, COVERAGE, cache_key=KEY, secret=SECRET)


# Below: values with a valid tag, as an older or a broken writer with the secret could leave them.


def body(
    *,
    magic: bytes = b"ESHF",
    version: int = 4,
    V: int = 1,
    tail: bytes = COVERAGE_JSON,
    number: float = 0.5,
    novelty: tuple[float, float, float] = (0.75, -1.0, -1.0),
    view: float = 1.0,
    prior: float = 0.25,
) -> bytes:
    """One frame with one class and one prior, no sound, an embedding of one number."""
    header = struct.pack("<4sB3xIIIIIIII", magic, version, 1, V, 0, 1, 1, 0, 2, len(COVERAGE_JSON))
    singles = [*[number] * (3 + 9 + 1), *novelty, *[number] * (3 + 3)]
    numbers = struct.pack(f"<{len(singles)}f", *singles) + struct.pack("<dd", 1.0, 2.0)
    views = struct.pack("<eee", 0.0, view, 0.0)
    return header + numbers + views + struct.pack("<iff", 7, 0.5, prior) + tail


def judged(content: bytes) -> tuple[Fused, Coverage] | None:
    return opened(signed(content, purpose=b"earshot sealed fusion\0", cache_key=KEY, secret=SECRET))


def test_the_layout_is_the_documented_one() -> None:
    found = judged(body())
    assert found is not None
    assert found[0].attention.vision_spans_T2.tolist() == [[1.0, 2.0]]
    assert found[0].attention.audio_KT.shape == (3, 0)
    assert found[0].logits_K.tolist() == [0.5, 0.5, 0.5]
    assert found[0].novelty == {Modality.VISION: 0.75}
    assert {sense: view_D.tolist() for sense, view_D in found[0].views.items()} == {Modality.AUDIO: [1.0]}
    assert found[0].vision_marks.classes_TI.tolist() == [[7]]
    assert found[0].vision_marks.priors_TR.tolist() == [[0.25]]
    assert found[0].audio_marks.priors_TR.shape == (0, 2)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(body()[:39], id="short header"),
        pytest.param(body(magic=b"ESHT"), id="magic"),
        pytest.param(body(version=3), id="version"),
        pytest.param(body(V=2), id="another shape"),
        pytest.param(body(V=2**32 - 1), id="huge shape"),
        pytest.param(body()[:-1], id="too short"),
        pytest.param(body() + b"x", id="too long"),
        pytest.param(body(number=np.inf), id="infinite"),
        pytest.param(body(view=np.nan), id="a view that is no number"),
        pytest.param(body(prior=-0.5), id="prior below zero"),
        pytest.param(body(novelty=(-0.5, -1.0, -1.0)), id="novelty below zero"),
        pytest.param(body(novelty=(0.5, 1.5, -1.0)), id="novelty above one"),
        pytest.param(body(tail=b"{" + b" " * (len(COVERAGE_JSON) - 2) + b"}"), id="coverage"),
    ],
)
def test_signed_nonsense_is_a_miss(content: bytes) -> None:
    assert judged(content) is None
