"""The index: neighbours against brute force, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError

from engines.active.index import Index
from engines.active.vectors import highest, nearest
from tests.engines.active.conftest import unit
from tests.examples import examples

MINE, OTHER = "a" * 64, "b" * 64


def clustered(count: int, seed: int = 0) -> np.ndarray:
    """Like embeddings of a network: clusters on a curved surface of few dimensions."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((50, 12))[rng.integers(0, 50, count)] + 0.3 * rng.standard_normal((count, 12))
    return np.tanh(latent @ np.random.default_rng(1).standard_normal((12, 48))).astype(np.float32)


def index_of(rows: np.ndarray, *, exact: bool) -> Index:
    index = Index(MINE, rows.shape[1], exact=exact)
    index.add([f"v{n}" for n in range(len(rows))], rows, bundle=MINE)
    return index


@pytest.mark.parametrize("exact", [True, False])
def test_neighbours_are_those_of_brute_force_also_after_more_are_added(exact: bool, tmp_path: Path) -> None:
    rows = clustered(3000)
    index = index_of(rows[:2500], exact=exact)
    index.add([f"v{n}" for n in range(2500, 3000)], rows[2500:], bundle=MINE)
    index.save(tmp_path / "index")
    again = Index.load(tmp_path / "index", bundle=MINE)
    cosine = unit(rows[::30]) @ unit(rows).T
    wanted = np.argsort(-cosine, axis=1)[:, :10]
    for one in (index, again):
        similarity, place = one.search(rows[::30], 10)
        recall = np.mean([len(set(mine) & set(best)) / 10 for mine, best in zip(place, wanted, strict=True)])
        assert recall == 1 if exact else recall >= 0.95
        assert np.abs(similarity - np.take_along_axis(cosine, place, 1)).max() < (1e-5 if exact else 0.02)
    assert again.ids == index.ids
    assert again.kind == index.kind == ("exact" if exact else "hnsw_sq8")


def test_an_index_of_another_bundle_is_refused_with_both_named(tmp_path: Path) -> None:
    index = index_of(clustered(20), exact=True)
    index.save(tmp_path / "index")
    with pytest.raises(ValueError, match="bundle aaaaaaaaaaaa, expected bbbbbbbbbbbb"):
        Index.load(tmp_path / "index", bundle=OTHER)
    with pytest.raises(ValueError, match="bundle bbbbbbbbbbbb, expected those of aaaaaaaaaaaa"):
        index.add(["new"], clustered(1), bundle=OTHER)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda rows: rows.__setitem__((3, 5), np.nan), r"'n3': came NaN"),
        (lambda rows: rows.__setitem__((2, 0), np.inf), r"'n2': came NaN or infinity"),
        (lambda rows: rows.__setitem__(4, 0), r"'n4': came zero"),
    ],
)
def test_broken_rows_are_named_and_nothing_is_added(exact: bool, spoil: object, told: str) -> None:
    index = index_of(clustered(200), exact=exact)
    rows = clustered(6, seed=2)
    spoil(rows)
    with pytest.raises(ValueError, match=told):
        index.add([f"n{n}" for n in range(6)], rows, bundle=MINE)
    assert len(index) == 200
    assert "n0" not in index


def test_another_width_and_ids_that_are_there_are_refused() -> None:
    index = index_of(clustered(20), exact=True)
    with pytest.raises(ValueError, match="'n': came 7 wide, not 48"):
        index.add(["n"], np.ones((1, 7), np.float32), bundle=MINE)
    with pytest.raises(ValueError, match="'v3': came again"):
        index.add(["v3"], clustered(1), bundle=MINE)
    with pytest.raises(ValueError, match="'twice': came again"):
        index.add(["twice", "twice"], clustered(2), bundle=MINE)


def test_a_small_index_gives_all_it_has_and_none_for_nothing() -> None:
    similarity, place = index_of(clustered(4), exact=True).search(clustered(2), 10)
    assert similarity.shape == place.shape == (2, 4)
    with pytest.raises(ValueError, match="k = 0"):
        index_of(clustered(4), exact=True).search(clustered(2), 0)


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(b"not safetensors at all")
    with pytest.raises(ValueError, match="not an index"):
        Index.load(tmp_path / "index", bundle=MINE)


def test_a_save_that_fails_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "index"
    index_of(clustered(20), exact=True).save(path)
    before = path.read_bytes()
    (tmp_path / "index.part").mkdir()  # what is written first cannot be
    with pytest.raises(SafetensorError, match="directory"):
        index_of(clustered(30), exact=True).save(path)
    assert path.read_bytes() == before


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 60), st.integers(0, 2**31))
def test_nearest_is_sorting(rows: int, queries: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    embedding, query = unit(rng.standard_normal((rows, 6))), unit(rng.standard_normal((queries, 6)))
    similarity, place = nearest(query, embedding, k)
    wanted = -np.sort(-(query @ embedding.T), axis=1)[:, :k]
    assert np.allclose(similarity, wanted, atol=1e-6)
    assert np.allclose(np.take_along_axis(query @ embedding.T, place, 1), wanted, atol=1e-6)
    best, which = highest(query, embedding)
    assert np.allclose(best, wanted[:, 0], atol=1e-6)
    assert np.allclose((query * embedding[which]).sum(1), best, atol=1e-6)
