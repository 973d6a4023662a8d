"""One bundle made of another, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from engines.bundle import read_manifest
from engines.manifest import MANIFEST


@contextmanager
def rewriting(source: Path, out: Path) -> Iterator[Path]:
    """A folder with the files of a bundle, to be changed and saved as another; then they go to `out`.

    Files of an older bundle there are replaced, the manifest last; `source` may be the same folder. Nothing in `out`
    changes where the block raises. Raises `ValueError` for a link.
    """
    if out.is_symlink():
        raise ValueError(f"{out}: came a link, expected a folder of its own; what a registry points at is not changed")
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        folder = Path(scratch)
        for name in (*read_manifest(source).file_names, MANIFEST):
            shutil.copyfile(source / name, folder / name)
        yield folder
        out.mkdir(exist_ok=True)
        for name in (*read_manifest(folder).file_names, MANIFEST):
            (folder / name).replace(out / name)
