"""Pools that the stream writes are read by `earshot select` and by the commands that ask people, in either format."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.active.pool_file import read_pool
from streamer.errors import SettingsError
from streamer.labels.pool import PoolRow
from streamer.labels.pool_file import read_facts, write_pool
from streamer.records import Modality, Task

BUNDLE = "b" * 64


def rows(count: int = 3) -> Iterator[PoolRow]:
    """The second has no sound, the third no picture; each third is labelled."""
    rng = np.random.default_rng(3)
    for n in range(count):
        senses = [sense for sense in Modality if (sense, n % 3) not in ((Modality.AUDIO, 1), (Modality.VISION, 2))]
        yield PoolRow(
            video_id=f"v{n}",
            embedding=rng.standard_normal(4).round(7).tolist(),
            scores={Task.ADULT: 0.1234567890123} | ({Task.RELEVANCE: 0.5} if n % 2 else {}),
            bundle=BUNDLE,
            event_id=f"e{n}",
            novelty=0.25,
            views={sense: rng.standard_normal(2 + len(sense)).round(5).tolist() for sense in senses},
            title=f"bell {n}",
            uri=f"s3://m/{n}.mp4" if n else None,
            query="a bell",
            labels={Task.ADULT: n % 2} if n % 3 == 0 else {},
        )


def test_jsonl_and_parquet_are_the_same_pool_to_select(tmp_path: Path) -> None:
    paths = [tmp_path / "pool.jsonl", tmp_path / "pool.parquet"]
    assert [write_pool(path, rows(2_500)) for path in paths] == [2_500, 2_500]
    (lines, none), (columns, neither) = (read_pool(path) for path in paths)
    assert none == neither == []
    assert lines.ids == columns.ids and lines.bundle == columns.bundle == BUNDLE
    assert (lines.titles, lines.uris) == (columns.titles, columns.uris)
    np.testing.assert_allclose(lines.embedding_ND, columns.embedding_ND, atol=1e-6)
    assert lines.views.keys() == columns.views.keys() == {"vision", "audio", "text"}
    for name, view_NV in lines.views.items():
        np.testing.assert_allclose(view_NV, columns.views[name], atol=1e-6)
    assert not lines.views["audio"][1].any() and lines.views["audio"][0].any()
    for task in Task:
        np.testing.assert_array_equal(lines.scores[task], columns.scores[task])
        np.testing.assert_array_equal(lines.labels[task], columns.labels[task])


@pytest.mark.parametrize("name", ["pool.jsonl", "pool.parquet"])
def test_people_are_asked_with_what_either_knows(tmp_path: Path, name: str) -> None:
    write_pool(tmp_path / name, rows())
    facts, broken = read_facts(tmp_path / name)
    assert broken == [] and list(facts) == ["v0", "v1", "v2"]
    assert (facts["v1"].title, facts["v1"].uri, facts["v1"].query, facts["v1"].tenant) == (
        "bell 1",
        "s3://m/1.mp4",
        "a bell",
        None,
    )
    assert facts["v0"].uri is None


def test_parquet_of_others_needs_no_more_than_ids(tmp_path: Path) -> None:
    from pyarrow import Table
    from pyarrow.parquet import write_table

    write_table(Table.from_pylist([{"video_id": "v", "embedding": [1.0]}, {"video_id": None}]), tmp_path / "p.parquet")
    facts, broken = read_facts(tmp_path / "p.parquet")
    assert list(facts) == ["v"] and [item.line for item in broken] == [2]
    (tmp_path / "p.parquet").write_bytes(b"no parquet")
    with pytest.raises(SettingsError, match=r"cannot read .* as Parquet"):
        read_facts(tmp_path / "p.parquet")
    with pytest.raises(SettingsError, match="cannot read"):
        read_facts(tmp_path / "nowhere.parquet")


@pytest.mark.parametrize("name", ["pool.jsonl", "pool.parquet"])
def test_a_pool_that_breaks_off_leaves_the_older_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"an older pool")

    def broken() -> Iterator[PoolRow]:
        yield from rows()
        raise SettingsError("Redis is gone")

    with pytest.raises(SettingsError, match="Redis is gone"):
        write_pool(path, broken())
    assert path.read_bytes() == b"an older pool"
    assert [item.name for item in tmp_path.iterdir()] == [name]


def test_other_endings_are_refused_before_a_row_is_made(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"came a file \.csv, expected \.jsonl or \.parquet"):
        write_pool(tmp_path / "pool.csv", iter(()))


def test_parquet_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"pip install 'earshot\[parquet\]'"):
        write_pool(tmp_path / "pool.parquet", rows())
    assert write_pool(tmp_path / "pool.jsonl", rows()) == 3
