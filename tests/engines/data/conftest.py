"""Raw data, made once, and a plan drawn from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.data.public.plan import Planned, draw_plan
from engines.data.public.sources import find_sets, read_assets
from engines.data.public.splits import split_assets
from tests.engines.data.raw import write_raw_data


@pytest.fixture(scope="session")
def raw_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_raw_data(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="session")
def planned(raw_data: Path) -> list[Planned]:
    """600 clips of the small set."""
    return draw_plan(split_assets(read_assets(raw_data, find_sets(raw_data)), 3), 600, 3)
