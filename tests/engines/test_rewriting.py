"""A bundle made of another is whole, or it is not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from engines.bundle import Bundle, read_manifest, save_manifest
from engines.rewriting import rewriting

WORLD = Bundle.load("world")


def renamed(folder: Path, name: str) -> None:
    save_manifest(folder, msgspec.structs.replace(read_manifest(folder), name=name))


def test_what_was_changed_goes_where_it_is_wanted(tmp_path: Path) -> None:
    with rewriting(WORLD.path, tmp_path / "deep" / "other") as folder:
        renamed(folder, "other")
    assert Bundle.load(tmp_path / "deep" / "other").name == "other"
    assert Bundle.load("world").id == WORLD.id
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["other"], "nothing is left lying about"


def test_a_bundle_may_be_changed_where_it_is_and_other_files_stay(tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(WORLD.path, own)
    (own / "notes.txt").write_text("mine")
    with rewriting(own, own) as folder:
        renamed(folder, "changed")
    assert Bundle.load(own).name == "changed" and (own / "notes.txt").read_text() == "mine"


def test_where_it_fails_nothing_has_changed(tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(WORLD.path, own)
    with pytest.raises(OSError, match="disk full"), rewriting(own, own) as folder:
        renamed(folder, "half")
        raise OSError("disk full")
    assert Bundle.load(own).id == WORLD.id
    with pytest.raises(OSError, match="disk full"), rewriting(own, tmp_path / "new"):
        raise OSError("disk full")
    assert [path.name for path in tmp_path.iterdir()] == ["own"]
