"""What was measured -> a folder: a page to read, and the numbers behind it."""

from __future__ import annotations

from pathlib import Path

import msgspec

PAGE, RESULTS = "README.md", "results.json"


def written(folder: Path, page: str, results: msgspec.Struct) -> list[Path]:
    """Write both, over what is there; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS).write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    (folder / PAGE).write_text(page, encoding="utf-8")
    return [folder / PAGE, folder / RESULTS]
