"""Sample clips of the composed benchmark, which come with Earshot: real photos and sounds under real titles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import msgspec

from engines.data.public.manifest import Row

_ROWS = "samples.jsonl"


@contextmanager
def sample_clips() -> Iterator[tuple[Path, list[Row]]]:
    """The folder of the clips, there inside the `with` block, and a row for each."""
    with as_file(files("engines.data.samples")) as folder:
        yield folder, [msgspec.json.decode(line, type=Row) for line in (folder / _ROWS).read_bytes().splitlines()]
