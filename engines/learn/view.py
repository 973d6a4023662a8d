"""A folder of features with rows of its own: the stored shards of another, labelled anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from engines.data.public.manifest import Row, write_dataset
from engines.training.features import HEADER, HEARING, read_header, shard_path, write_json


def write_view(features: Path, out: Path, rows: Sequence[Row], *, made_with: dict[str, Any]) -> None:
    """Shards are linked, not copied: the folder of features has to stay where it is while there is training.

    The header comes last, so that a folder with one is whole. Raises `ValueError` for another number of rows.
    """
    header = read_header(features)
    if len(rows) != header.clips:
        raise ValueError(f"{features}: came {len(rows)} rows for {header.clips} clips, expected as many")
    out.mkdir(parents=True, exist_ok=True)
    for version in header.versions:
        for shard in range(-(-header.clips // header.shard_clips)):
            _link(shard_path(out, version, shard), shard_path(features, version, shard))
    if header.hearing:
        _link(out / HEARING, features / HEARING)
    dataset = write_dataset(out, rows, made_with=made_with, licences={})
    write_json(out / HEADER, msgspec.structs.replace(header, dataset=dataset.sha256))


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target.resolve())
