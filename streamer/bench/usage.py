"""What a process and all its descendants hold, from /proc."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over a process and its descendants."""

    rss_bytes: int
    descriptors: int
    threads: int
    processes: int


def usage_of(pid: int) -> Usage:
    """Of a living process, as it is now; descendants that end meanwhile are left out."""
    rss_bytes = descriptors = threads = processes = 0
    for one in _tree(pid):
        try:
            folder = Path(f"/proc/{one}")
            rss_bytes += int((folder / "statm").read_text().split()[1]) * _PAGE_BYTES
            descriptors += sum(1 for _ in (folder / "fd").iterdir())
            threads += sum(1 for _ in (folder / "task").iterdir())
            processes += 1
        except FileNotFoundError:
            continue
    return Usage(rss_bytes, descriptors, threads, processes)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except FileNotFoundError:
            continue
        for child in children:
            yield from _tree(child)
