"""Raw data are read as their tables say, each asset once, and what is missing or broken is told."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from engines.data.public.sources import Media, find_sets, plain, read_assets
from tests.engines.data.raw import PHOTOS


def test_every_set_is_found_and_read(raw_data: Path) -> None:
    assets = read_assets(raw_data, find_sets(raw_data))
    counts = Counter(asset.source for asset in assets)
    assert counts["photos"] == len(PHOTOS) * 8 + 1
    assert counts["esc10"] == 32
    assert counts["fsdd"] == 120
    assert {asset.group for asset in assets if asset.source == "fsdd"} == {
        f"speaker:{who}" for who in ("ada", "bob", "cid", "dora", "eve", "fay")
    }


def test_heads_count_as_the_animal_and_mixed_photos_are_left_out(raw_data: Path) -> None:
    photos = {asset.member: asset for asset in read_assets(raw_data, find_sets(raw_data)) if asset.kind == "photo"}
    head = photos["crocodile_head/image_0001.jpg"]
    assert head.label == "crocodile"
    assert head.group == photos["crocodile/image_0003.jpg"].group
    assert "BACKGROUND_Google/image_0001.jpg" not in photos


def test_a_title_of_both_collections_is_read_once(raw_data: Path) -> None:
    titles = [plain(asset.member) for asset in read_assets(raw_data, find_sets(raw_data)) if asset.kind == "title"]
    assert len(titles) == len(set(titles))
    assert plain("Rain for 16 Days") in titles


def test_sets_can_be_left_out_by_name(raw_data: Path) -> None:
    assert "sesa" in {one.name for one in find_sets(raw_data)}
    assert "sesa" not in {one.name for one in find_sets(raw_data, frozenset({"sesa"}))}
    with pytest.raises(ValueError, match="--without sessa: no such set; known are"):
        find_sets(raw_data, frozenset({"sessa"}))
    with pytest.raises(ValueError, match="without the set photos: left out"):
        find_sets(raw_data, frozenset({"photos"}))


def test_what_is_missing_is_named(raw_data: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(raw_data, tmp_path / "raw"))
    (folder / "audio/sesa_flac.tar").unlink()
    assert "sesa" not in {one.name for one in find_sets(folder)}
    (folder / "images/caltech101_max224.tar").unlink()
    with pytest.raises(ValueError, match=r"without the set photos: no .*caltech101_max224\.tar"):
        find_sets(folder)


def test_a_broken_row_is_named(raw_data: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(raw_data, tmp_path / "raw"))
    table = folder / "audio/fsdd.csv"
    lines = table.read_text().splitlines()
    lines[2] = lines[2].rsplit(",", 1)[0] + ",long"
    table.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"fsdd\.csv, line 3: ValueError could not convert"):
        read_assets(folder, find_sets(folder))


def test_media_are_read_by_name(raw_data: Path) -> None:
    media = Media(raw_data)
    assert media.content("photos", "panda/image_0001.jpg").startswith(b"\xff\xd8")
    assert media.content("esc10", "rain/3.ogg").startswith(b"fLaC")
    with pytest.raises(ValueError, match=r"holds no panda/none\.jpg"):
        media.content("photos", "panda/none.jpg")
