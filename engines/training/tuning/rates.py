"""How fast learning goes over a run."""

from __future__ import annotations

import math


def rate(step: int, steps: int, warm_up: float) -> float:
    """Linear warm-up, then a cosine to zero (arXiv 1608.03983, without restarts), as a share of the peak."""
    warm = max(1, round(warm_up * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / max(1, steps - warm))
