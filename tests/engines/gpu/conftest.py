"""Shared by the tests of the path to a GPU: a device in host memory, and the world bundle."""

from __future__ import annotations

import pytest

from engines.testing import HostDevice


@pytest.fixture
def device() -> HostDevice:
    return HostDevice()
