"""What the cells of a log say: texts, numbers, times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def inside(cells: Mapping[str, Any], path: str) -> Any:
    """A column of that name, or else what lies along the path: lineage.bundle_id."""
    if path in cells:
        return cells[path]
    value: Any = cells
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def text(value: Any) -> str:
    """What identifies something; empty for nothing, and for what is no single value."""
    return "" if value is None or isinstance(value, (dict, list)) else str(value).strip()


def number(name: str, value: Any) -> float:
    """Raises `ValueError` naming the column where it is none, or not finite."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{name}: came {str(value)[:60]!r}, expected a number")
    return found


def seconds(name: str, value: Any) -> float:
    """Unix time. A number is seconds, text is ISO 8601; without an offset it is UTC. Raises `ValueError`."""
    try:
        return number(name, value)
    except ValueError:
        pass
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise ValueError(f"{name}: came {str(value)[:60]!r}, expected seconds or a time in ISO 8601") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
