"""Videos at hand -> clips, decoded by the stream's own command: what is looked at here is what is judged there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from engines.data.clips import Clip, read_clip
from engines.data.public.manifest import Row
from engines.manifest import Preprocessing

#: Clips that are decoded before the first of them is judged.
CHUNK = 64


def decoded(folder: Path, rows: Sequence[Row], sizes: Preprocessing) -> Iterator[Clip]:
    """The clips of rows of a folder, in order, `CHUNK` at a time; nothing of them stays on the disk."""
    for start in range(0, len(rows), CHUNK):
        with tempfile.TemporaryDirectory() as scratch:
            files = [row.path(folder) for row in rows[start : start + CHUNK]]
            yield from decode(files, Path(scratch), sizes)


def decode(files: Sequence[Path], folder: Path, sizes: Preprocessing) -> list[Clip]:
    """Of each file what the stream would look at, kept in `folder`; nothing where the stream would reject it.

    Raises `ValueError` when the command itself fails.
    """
    with tempfile.TemporaryDirectory() as place:
        # The command names what it keeps by the file's stem, and files of unlike folders may share one.
        links = [Path(place) / f"{number}{file.suffix}" for number, file in enumerate(files)]
        for link, file in zip(links, files, strict=True):
            link.symlink_to(file.resolve())
        _decode(links, folder, sizes)
    return [_clip(folder / f"{number}.safetensors", sizes) for number in range(len(files))]


def _decode(files: Sequence[Path], folder: Path, sizes: Preprocessing) -> None:
    earshot = Path(sys.executable).with_name("earshot")
    shape = ["--frame-pixels", str(sizes.frame_pixels), "--window-samples", str(sizes.window_samples)]
    command = [str(earshot), "decode", "--json", "--save", str(folder), *shape, *map(str, files)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  our own command on files at hand
    if len(done.stdout.splitlines()) != len(files):
        raise ValueError(f"earshot decode ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")


def _clip(path: Path, sizes: Preprocessing) -> Clip:
    pixels, samples = sizes.frame_pixels, sizes.window_samples
    if path.exists():
        return read_clip(path, frame_pixels=pixels, window_samples=samples)
    nothing = np.zeros(0)
    return Clip(np.zeros((0, 3, pixels, pixels), np.uint8), nothing, np.zeros((0, samples), np.float32), nothing)
