"""Pairs of quiet clips: whose sounds they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.data.public.manifest import Labels, Row, read_rows, write_dataset
from engines.data.public.shots import compose_shots
from engines.data.public.sources import find_sets, read_assets

PAIRS = 2


@pytest.fixture
def dataset(raw_data: Path, tmp_path: Path) -> Path:
    """Photos in harmless test clips; all sounds but two of each kind in clips that are learnt from."""
    assets = read_assets(raw_data, find_sets(raw_data))
    photos = [f"photos/{asset.member}" for asset in assets if asset.source == "photos"][:4]
    sounds = [asset for asset in assets if asset.source == "sesa" and asset.label in ("gunshot", "casual")]
    learnt = [asset for asset in sounds if not asset.member.split(".")[0].endswith(("0", "1"))]
    rows = [Row(clip_id="seen", file="0.mp4", split="test", labels=Labels(adult=0), assets=tuple(photos))]
    rows += [
        Row(clip_id=f"c{n}", file=f"c{n}.mp4", split=("train", "val")[n % 2], groups=(asset.group,))  # type: ignore[arg-type]
        for n, asset in enumerate(learnt)
    ]
    write_dataset(tmp_path / "dataset", rows, made_with={}, licences={})
    return tmp_path / "dataset"


def test_held_out_sounds_are_in_no_clip_that_was_learnt_from(raw_data: Path, dataset: Path, tmp_path: Path) -> None:
    compose_shots(raw_data, dataset, tmp_path / "shots", pairs=PAIRS, seed=1, held_out=True)
    learnt = {group for row in read_rows(dataset) if row.split != "test" for group in row.groups}
    heard = {group for row in read_rows(tmp_path / "shots") for group in row.groups}
    assert learnt and len(heard) == 2 * PAIRS and not learnt & heard


def test_too_few_held_out_sounds_are_told(raw_data: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"came 2 recordings of 'gunshot', expected 3; ask for fewer --pairs"):
        compose_shots(raw_data, dataset, tmp_path / "shots", pairs=3, seed=1, held_out=True)
