"""Sealing: what goes in comes out to the bit; anything else comes out as None."""

from __future__ import annotations

import hashlib
import hmac
import pickle
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamer.cache.sealed import seal, unseal
from streamer.records import Coverage, Marks, Tokens
from tests.cache.tokens import COVERAGE, all_marks, same_tokens, some_tokens

SECRET = b"a secret of some length"
KEY = "emb:1:vision:abc"

coverages = st.none() | st.builds(
    Coverage,
    plan_id=st.text(max_size=8),
    duration_seconds=st.floats(0, 1e5),
    frames=st.integers(0, 100),
    largest_gap_seconds=st.floats(0, 1e5),
    audio_seconds=st.floats(0, 1e5),
    audio_duration_seconds=st.floats(0, 1e5),
    notes=st.lists(st.text(max_size=5), max_size=3).map(tuple),
)


@st.composite
def tokens(draw: st.DrawFn) -> Tokens:
    T, P, D = draw(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 9)))
    halves = st.floats(allow_nan=False, allow_infinity=False, width=16)
    doubles = st.floats(allow_nan=False, allow_infinity=False)
    return Tokens(
        draw(hnp.arrays(np.float16, (T, P, D), elements=halves)),
        draw(hnp.arrays(np.float64, (T, 2), elements=doubles)),
        draw(hnp.arrays(np.bool_, (T, P))),
        draw(all_marks(T)),
    )


@given(tokens(), coverages, st.text(max_size=20), st.binary(min_size=1, max_size=40))
def test_comes_back_to_the_bit(sealed: Tokens, coverage: Coverage | None, key: str, secret: bytes) -> None:
    found = unseal(seal(sealed, coverage, cache_key=key, secret=secret), cache_key=key, secret=secret)
    assert found is not None
    assert same_tokens(found[0], sealed)
    assert found[1] == coverage


@given(st.data())
def test_any_corruption_is_a_miss(data: st.DataObject) -> None:
    blob = seal(some_tokens(), COVERAGE, cache_key=KEY, secret=SECRET)
    start = data.draw(st.integers(0, len(blob)))
    end = data.draw(st.integers(start, len(blob)))
    corrupt = blob[:start] + data.draw(st.binary(max_size=64)) + blob[end:]
    if corrupt != blob:
        assert unseal(corrupt, cache_key=KEY, secret=SECRET) is None


def test_every_flipped_bit_is_a_miss() -> None:
    blob = seal(some_tokens(T=1, P=1, D=4), COVERAGE, cache_key=KEY, secret=SECRET)
    for index in range(len(blob)):
        flipped = bytearray(blob)
        flipped[index] ^= 1 << (index % 8)
        assert unseal(bytes(flipped), cache_key=KEY, secret=SECRET) is None


@given(st.binary(max_size=300))
def test_noise_is_a_miss(noise: bytes) -> None:
    assert unseal(noise, cache_key=KEY, secret=SECRET) is None


def test_value_under_another_key_is_a_miss() -> None:
    blob = seal(some_tokens(), None, cache_key=KEY, secret=SECRET)
    assert unseal(blob, cache_key=KEY + "d", secret=SECRET) is None
    assert unseal(blob, cache_key=KEY, secret=SECRET + b"!") is None
    assert unseal(blob, cache_key=KEY, secret=SECRET) is not None


def test_pickle_is_a_miss_and_never_loaded() -> None:
    assert unseal(pickle.dumps(_Bomb()), cache_key=KEY, secret=SECRET) is None


class _Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("a pickle was loaded",))


def test_missing_modality_is_remembered() -> None:
    nothing = Tokens(np.zeros((0, 1, 16), np.float16), np.zeros((0, 2)), np.zeros((0, 1), np.bool_), Marks.none(0))
    found = unseal(seal(nothing, COVERAGE, cache_key=KEY, secret=SECRET), cache_key=KEY, secret=SECRET)
    assert found is not None
    assert found[0].values_TPD.shape == (0, 1, 16)
    assert found[1] == COVERAGE


def test_recalled_tokens_may_be_written_to() -> None:
    found = unseal(seal(some_tokens(), None, cache_key=KEY, secret=SECRET), cache_key=KEY, secret=SECRET)
    assert found is not None
    assert found[0].values_TPD.flags.writeable and found[0].values_TPD.flags.aligned


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_broken_tokens_are_not_sealed(bad: float) -> None:
    broken = some_tokens()
    broken.values_TPD[1, 0, 3] = bad
    with pytest.raises(ValueError, match="not finite"):
        seal(broken, None, cache_key=KEY, secret=SECRET)


@pytest.mark.parametrize(("array", "bad"), [("priors_TR", 1.5), ("class_scores_TI", np.nan), ("classes_TI", -1)])
def test_broken_marks_are_not_sealed(array: str, bad: float) -> None:
    broken = some_tokens()
    getattr(broken.marks, array)[1, 0] = bad
    with pytest.raises(ValueError, match="not finite"):
        seal(broken, None, cache_key=KEY, secret=SECRET)


# Below: values with a valid tag, as an older or a broken writer with the secret could leave them.


def _signed(body: bytes) -> bytes:
    purpose = b"earshot sealed tokens\0" + struct.pack("<I", len(KEY)) + KEY.encode()
    return body + hmac.new(SECRET, purpose + body, hashlib.sha256).digest()


def _header(
    T: int,
    P: int,
    D: int,
    *,
    magic: bytes = b"ESHT",
    version: int = 2,
    classes: int = 0,
    priors: int = 0,
    coverage: int = 0,
) -> bytes:
    return struct.pack("<4sB3xIIIIII", magic, version, T, P, D, classes, priors, coverage)


def test_the_layout_is_the_documented_one() -> None:
    plain = b"\x3c" + struct.pack("<dd", 1.0, 2.0) + b"\x01"
    found = unseal(_signed(_header(1, 1, 1) + b"\x00" + zlib.compress(plain)), cache_key=KEY, secret=SECRET)
    assert found is not None
    assert found[0].values_TPD.tolist() == [[[1.0]]]
    assert found[0].spans_T2.tolist() == [[1.0, 2.0]]
    marked = plain + struct.pack("<ifff", 7, 0.5, 0.25, 1.0)
    packed = _header(1, 1, 1, classes=1, priors=2) + b"\x00" + zlib.compress(marked)
    found = unseal(_signed(packed), cache_key=KEY, secret=SECRET)
    assert found is not None
    marks = found[0].marks
    assert (marks.classes_TI.tolist(), marks.class_scores_TI.tolist()) == ([[7]], [[0.5]])
    assert marks.priors_TR.tolist() == [[0.25, 1.0]]


_SPANS = struct.pack("<dd", 1.0, 2.0)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(_header(1, 1, 1)[:-1], id="short header"),
        pytest.param(_header(1, 1, 1, version=1) + b"\x00" + zlib.compress(b"\x3c" + _SPANS + b"\x01"), id="version"),
        pytest.param(_header(1, 1, 1, magic=b"ESHU") + b"\x00" + zlib.compress(b"\x3c" + _SPANS + b"\x01"), id="magic"),
        pytest.param(_header(1, 1, 1) + b"\x00" + zlib.compress(b"\x7c" + _SPANS + b"\x01"), id="infinite"),
        pytest.param(_header(1, 1, 1) + b"\x00" + zlib.compress(b"\x3c" + _SPANS + b"\x02"), id="mask of two"),
        pytest.param(_header(1, 1, 1) + b"\x00" + zlib.compress(b"\x3c" + _SPANS), id="too short"),
        pytest.param(_header(1, 1, 1) + b"\x00" + zlib.compress(b"\x3c" + _SPANS + b"\x01\x01"), id="too long"),
        pytest.param(
            _header(1, 1, 1) + b"\x00" + zlib.compress(b"\x3c" + _SPANS + b"\x01") + b"x", id="trailing bytes"
        ),
        pytest.param(_header(1, 1, 1) + b"\x00" + zlib.compress(b"\0" * 10_000_000), id="bomb"),
        pytest.param(_header(2**32 - 1, 2**32 - 1, 2**32 - 1), id="huge shape"),
        pytest.param(_header(2**32 - 1, 0, 0) + zlib.compress(b""), id="huge T"),
        pytest.param(_header(1, 0, 0, priors=2**32 - 1) + zlib.compress(b""), id="huge R"),
        pytest.param(
            _header(1, 1, 1, priors=1) + b"\x00" + zlib.compress(b"\x3c" + _SPANS + b"\x01" + struct.pack("<f", 1.5)),
            id="prior above one",
        ),
        pytest.param(
            _header(1, 1, 1, classes=1)
            + b"\x00"
            + zlib.compress(b"\x3c" + _SPANS + b"\x01" + struct.pack("<if", -1, 0.5)),
            id="class below zero",
        ),
        pytest.param(
            _header(1, 1, 1, coverage=2) + b"\x00" + zlib.compress(b"\x3c" + _SPANS + b"\x01{}"), id="coverage"
        ),
        pytest.param(_header(1, 1, 1) + b"\x00" + b"not deflated", id="not deflated"),
    ],
)
def test_signed_nonsense_is_a_miss(body: bytes) -> None:
    assert unseal(_signed(body), cache_key=KEY, secret=SECRET) is None
