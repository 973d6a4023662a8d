"""Finds data too large for the repository: `EARSHOT_DATA`, else a folder `shared` beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path


def root() -> Path | None:
    """The data folder; None when there is none."""
    given = os.environ.get("EARSHOT_DATA")
    if given:
        return Path(given)
    beside = Path(__file__).resolve().parents[2] / "shared"
    return beside if beside.is_dir() else None


def find(name: str) -> Path | None:
    """A file or folder inside the data folder; None when it is not there."""
    folder = root()
    return folder / name if folder is not None and (folder / name).exists() else None
