"""What a measurement on a GPU says, for people, for documents and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from engines.measure.line import Line

NAME = "gpu"
_COLUMNS = ("what", "measured", "goal", "met")


class GpuReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that this machine allowed, and what it did not, with the reason."""

    device: str
    library: str
    machine: str
    lines: tuple[Line, ...]
    missing: tuple[str, ...]


def table(report: GpuReport) -> Table:
    """For a terminal."""
    shown = Table(*_COLUMNS, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for line in report.lines:
        shown.add_row(*_row(line))
    return shown


def markdown(report: GpuReport, command: str) -> str:
    """For a document: the machine, the table, what explains each line, and what could not be measured."""
    lines = [
        "# On a GPU",
        "",
        f"Made by `{command}`. {report.device}, {report.library}; {report.machine}",
        "",
        _cells(_COLUMNS),
        _cells(["---"] * len(_COLUMNS)),
        *(_cells(_row(line)) for line in report.lines),
        "",
        *(f"- {line.what}: {line.detail}." for line in report.lines if line.detail),
    ]
    if report.missing:
        lines += ["", "## Not measured", "", *(f"- {reason}" for reason in report.missing)]
    return "\n".join(lines) + "\n"


def write(report: GpuReport, folder: Path, command: str) -> None:
    """`gpu.md` and `gpu.json`. What is there of other parts, of the same device and library, stays beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    report = _beside(report, folder / f"{NAME}.json")
    (folder / f"{NAME}.md").write_text(markdown(report, command), encoding="utf-8")
    (folder / f"{NAME}.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def _beside(report: GpuReport, path: Path) -> GpuReport:
    if not path.exists():
        return report
    before = msgspec.json.decode(path.read_bytes(), type=GpuReport)
    if (before.device, before.library) != (report.device, report.library):
        return report
    new = {line.what for line in report.lines}
    kept = tuple(line for line in before.lines if line.what not in new)
    return msgspec.structs.replace(report, lines=kept + report.lines)


def _row(line: Line) -> list[str]:
    value = f"{line.value:,.0f}" if abs(line.value) >= 1000 else f"{line.value:.3g}"
    return [line.what, f"{value} {line.unit}".rstrip(), line.goal, line.met]


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
