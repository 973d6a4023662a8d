"""How many random examples a test takes: enough for each run, and `EARSHOT_TEST_EXAMPLES` times as many for a night."""

from __future__ import annotations

import os

#: 1 in every run; 10 and more for a night.
TIMES = int(os.environ.get("EARSHOT_TEST_EXAMPLES", "1"))


def examples(count: int) -> int:
    """`count`, or many times that where somebody has asked for it."""
    return count * TIMES
