"""The bundle of the tiny marked network, exported once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engines.bundle import Bundle


@pytest.fixture(scope="session")
def marked_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    pytest.importorskip("torch")
    from tests.marks.network import export_marked

    return Bundle.load(export_marked(tmp_path_factory.mktemp("marked"), small=True))


@pytest.fixture
def marked_copy(marked_bundle: Bundle, tmp_path: Path) -> Path:
    """A whole copy, to be broken."""
    return Path(shutil.copytree(marked_bundle.path, tmp_path / "bundle"))
