"""An experiment as terminal text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.outcomes.judge import Judged
    from engines.outcomes.study import Rates
    from streamer.cli.ab.topic import Counted

_STYLES = {"ship": "bold green", "stop": "bold red", "go on": "bold yellow"}


def show(judged: Judged, rejected: int, out: Path, counted: Counted | None) -> None:
    """The answer, the metrics, what was in the topic if it was read, and where the files are."""
    from rich.table import Table
    from rich.text import Text

    from streamer.cli.ab.page import needed, percent
    from streamer.report.table import console

    terminal = console()
    terminal.print(Text(judged.answer, style=_STYLES[judged.answer]).append(f": {judged.reason}", style="default"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("metric", "control", "treatment", "change", "interval", ""):
        table.add_column(name, justify="right" if name in ("control", "treatment", "change") else "left")
    for item in (judged.goal, *judged.guardrails):
        reach = f"{percent(item.lift_low)} to {percent(item.lift_high)}"
        kept = "" if item.margin is None else f"guardrail {percent(-item.margin)}: "
        values = (f"{item.control:.5g}", f"{item.treatment:.5g}", percent(item.lift))
        table.add_row(Text(item.name), *values, reach, f"{kept}{needed(item)}")
    terminal.print(table)
    units = f"{judged.control_units:,} + {judged.treatment_units:,} units, assignment p = {judged.assignment_p:.3g}"
    listed = f"; {rejected:,} broken rows in {out / 'rejected.jsonl'}" if rejected else ""
    terminal.print(f"{units}{listed}", style="dim", soft_wrap=True)
    if counted is not None:
        told = f"{counted.records:,} records in {counted.topic}: {counted.malformed:,} malformed, "
        told += f"{counted.replaced:,} replaced by later ones, {counted.other:,} of other experiments"
        terminal.print(told, style="dim", soft_wrap=True)
    terminal.print(f"page   {out / 'report.html'}", soft_wrap=True)


def show_study(found: Sequence[Rates]) -> None:
    """One row for each thing that was planted."""
    from rich.table import Table

    from streamer.report.table import console

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("metric", "planted", "wrong", "wrong if looked once", "found", "units then", "mismatch", "spared"):
        table.add_column(name, justify="left" if name in ("metric", "planted") else "right")
    for rates in found:
        shares = (f"{100 * share:.1f} %" for share in (rates.wrong, rates.wrong_if_once, rates.found))
        then = "" if rates.units_when_found is None else f"{rates.units_when_found:,.0f}"
        last = (f"{100 * share:.1f} %" for share in (rates.mismatches, rates.spared))
        table.add_row(rates.metric, rates.planted, *shares, then, *last)
    console().print(table)
