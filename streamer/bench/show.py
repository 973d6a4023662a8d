"""Results of benchmarks for people: a table on the terminal, a table for a document."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from os import cpu_count
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from streamer.bench.registry import BENCHES
from streamer.bench.result import BenchResult

_COLUMNS = ("bench", "ratio", "low", "high", "runs", "goal", "what it means")


def table(results: Sequence[BenchResult]) -> Table:
    """One row for each result."""
    shown = Table(*_COLUMNS, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for result in results:
        shown.add_row(*_row(result))
    return shown


def markdown(results: Sequence[BenchResult]) -> str:
    """The machine, the table, and what lies behind each ratio."""
    lines = [machine(), "", _line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    lines += [_line(_row(result)) for result in results]
    lines += [""]
    for result in results:
        told = ", ".join(f"{name} {_plain(value)}" for name, value in result.detail.items())
        lines.append(f"- `{result.bench}`: {told}.")
    return "\n".join(lines)


def machine() -> str:
    """Processor, cores, memory, system and the versions that matter, in one line."""
    processor = _after("/proc/cpuinfo", "model name") or platform.machine()
    memory_gib = int((_after("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 2**20
    versions = ", ".join(f"{name} {version(name)}" for name in ("av", "onnxruntime", "confluent-kafka", "numpy"))
    python = f"Python {platform.python_version()}"
    return f"{processor}, {cpu_count()} cores, {memory_gib:.0f} GiB, Linux {platform.release()}; {python}, {versions}."


def _row(result: BenchResult) -> list[str]:
    bench = BENCHES[result.bench]
    numbers = [f"{value:.2f}" for value in (result.ratio, result.low, result.high)]
    return [result.bench, *numbers, str(result.runs), bench.goal, bench.meaning]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _after(path: str, name: str) -> str | None:
    """What stands behind the colon of the first such line."""
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
