"""Splits are made of whole groups, and a group on both sides would be found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.data.public.manifest import SPLITS
from engines.data.public.sources import Asset, find_sets, read_assets
from engines.data.public.splits import leaks, split_assets


def photo(number: int, group: int, label: str = "panda", fixed: str | None = None) -> Asset:
    return Asset("photo", "photos", f"{label}/{number}", label, f"photo:{group}", fixed_split=fixed)


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["panda", "pizza"])), max_size=80), st.integers(0, 9))
def test_groups_stay_together_and_nothing_is_lost(drawn: list[tuple[int, str]], seed: int) -> None:
    assets = [photo(number, group, label) for number, (group, label) in enumerate(drawn)]
    parts = split_assets(assets, seed)
    assert leaks((split, asset.group) for split in SPLITS for asset in parts[split]) == []
    assert sorted(asset.id for part in parts.values() for asset in part) == sorted(asset.id for asset in assets)


def test_shares_are_kept_within_each_class() -> None:
    assets = [photo(number, number, "panda" if number < 100 else "pizza") for number in range(200)]
    parts = split_assets(assets, 1)
    counts = {split: Counter(asset.label for asset in parts[split]) for split in SPLITS}
    assert {split: counts[split]["panda"] for split in SPLITS} == {"train": 60, "val": 14, "test": 26}
    assert split_assets(assets, 2) != parts


def test_speakers_are_kept_apart(raw_data: Path) -> None:
    parts = split_assets(read_assets(raw_data, find_sets(raw_data)), 1)
    speakers = {split: {a.group for a in parts[split] if a.source == "fsdd"} for split in SPLITS}
    assert {split: len(of_split) for split, of_split in speakers.items()} == {"train": 3, "val": 1, "test": 2}


def test_a_split_that_the_source_states_is_kept(raw_data: Path) -> None:
    parts = split_assets(read_assets(raw_data, find_sets(raw_data)), 1)
    phrases = {split: {a.member for a in parts[split] if a.source == "instruments"} for split in SPLITS}
    assert phrases["test"] == {f"guitar/test_{number}.opus" for number in range(3)}
    with pytest.raises(ValueError, match="photos/panda/1: split 'dev', expected one of train, val, test"):
        split_assets([photo(1, 1, fixed="dev")], 1)


def test_a_leak_would_be_found() -> None:
    assert leaks([("train", "a"), ("test", "a"), ("train", "b"), ("train", "b")]) == ["a"]
