"""Videos at hand -> clips, decoded by the stream's own command: what is looked at here is what is judged there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engines.bundle import Preprocessing
from engines.data.clips import Clip, read_clip


def decode(files: Sequence[Path], folder: Path, sizes: Preprocessing) -> list[Clip]:
    """Of each file what the stream would look at, kept in `folder`; nothing where the stream would reject it.

    Raises `ValueError` when the command itself fails.
    """
    earshot = Path(sys.executable).with_name("earshot")
    shape = ["--frame-pixels", str(sizes.frame_pixels), "--window-samples", str(sizes.window_samples)]
    command = [str(earshot), "decode", "--json", "--save", str(folder), *shape, *map(str, files)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  our own command on files at hand
    if len(done.stdout.splitlines()) != len(files):
        raise ValueError(f"earshot decode ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
    return [_clip(folder / f"{file.stem}.safetensors", sizes) for file in files]


def _clip(path: Path, sizes: Preprocessing) -> Clip:
    pixels, samples = sizes.frame_pixels, sizes.window_samples
    if path.exists():
        return read_clip(path, frame_pixels=pixels, window_samples=samples)
    nothing = np.zeros(0)
    return Clip(np.zeros((0, 3, pixels, pixels), np.uint8), nothing, np.zeros((0, samples), np.float32), nothing)
