"""Verdicts as terminal text: the table of a run, and the answer to a file at hand.

Everything that comes from a video or its uploader is cleaned of control characters before it is printed.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from streamer.audit import AuditReport
from streamer.records import TASKS, Action, Verdict
from streamer.report import words
from streamer.report.shown import Reupload, Shown

#: Width where nobody says how wide the screen is: a pipe, a file, a build log.
PIPE_COLUMNS = 100

_COLOURS = {Action.ALLOW: "green", Action.REVIEW: "yellow", Action.RESTRICT: "bright_red", Action.BLOCK: "red"}
_BAR_CELLS = 20


def console(*, stderr: bool = False) -> Console:
    """A console for people; plain text of a fixed width when the stream is no terminal."""
    terminal = Console(stderr=stderr, highlight=False)
    if terminal.is_terminal:
        return terminal
    return Console(stderr=stderr, highlight=False, width=PIPE_COLUMNS)


def run_table(shown: Sequence[Shown]) -> Table:
    """One row per video: what is true of it, a score and an action per task, the strongest reason, milliseconds."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("video", overflow="fold", max_width=20)
    table.add_column("what is true of it", overflow="fold", max_width=30)
    for task in TASKS:
        table.add_column(task.value, no_wrap=True)
    table.add_column("why", overflow="fold", max_width=30)
    table.add_column("ms", justify="right", no_wrap=True)
    for item in shown:
        spent = "" if item.spent_ms is None else f"{item.spent_ms:,.0f}"
        truth = Text(words.clean(item.truth.text) if item.truth else "", style="dim")
        scores = [_score_cell(item.verdict(task)) for task in TASKS]
        table.add_row(Text(words.clean(item.file)), truth, *scores, _reason_cell(item), spent)
    return table


def audit_line(audit: AuditReport) -> Text:
    """The conservation law in one line, green when it holds."""
    return Text(f"audit  {words.audited(audit)}", style="green" if words.balanced(audit) else "bold red")


def reupload_line(reupload: Reupload) -> Text:
    """What the cache saved."""
    return Text(f"cache  {words.served(reupload)}", style="green" if reupload.same_scores else "bold red")


def answer(shown: Shown) -> Group:
    """The verdicts on one file at hand, each with its reason."""
    heading = Text(words.clean(shown.file), style="bold")
    if shown.event.title:
        heading.append(f"  “{words.clean(shown.event.title)}”", style="dim")
    table = Table.grid(padding=(0, 2))
    for task in TASKS:
        verdict = shown.verdict(task)
        if verdict is not None:
            table.add_row("", *_answer_cells(verdict))
    return Group(heading, table, Text(f"  {_footing(shown)}\n", style="dim"))


def _style(action: Action) -> str:
    return f"bold reverse {_COLOURS[action]}" if action == Action.BLOCK else _COLOURS[action]


def _score_cell(verdict: Verdict | None) -> Text:
    if verdict is None:
        return Text("–", style="dim")
    score = "n/a" if verdict.score is None else f"{verdict.score:.2f}"
    return Text(f"{score}\n").append(verdict.action.value, style=_style(verdict.action))


def _reason_cell(item: Shown) -> Text:
    if item.dead_letter is not None:
        return Text(f"{item.dead_letter.ending}: {item.dead_letter.reason}", style="dim")
    gravest = words.gravest(item.verdicts)
    if gravest is None:
        return Text("")
    if gravest.score is None:
        code = words.clean(gravest.reason or "").partition(":")[0]
        return Text(f"{words.state(gravest)}: {code}", style="dim")
    best = words.strongest(gravest)
    if best is None:
        return Text(f"{gravest.task}: {words.why(gravest)}")
    where = f"{words.span(best)} ({words.percent(best.weight)})".strip()
    return Text(f"{gravest.task}: {words.named(best)}\n{where}")


def _answer_cells(verdict: Verdict) -> tuple[Text, Text, Text, Text, Text]:
    action = Text(verdict.action.value, style=_style(verdict.action))
    if verdict.score is None:
        reason = Text(f"{words.state(verdict)}: {words.why(verdict)}")
        return Text(verdict.task.value), Text("not scored"), Text(), action, reason
    filled = round(_BAR_CELLS * verdict.score)
    bar = Text("━" * filled, style=_COLOURS[verdict.action]).append("─" * (_BAR_CELLS - filled), style="dim")
    sign = "≥" if verdict.score >= verdict.threshold else "<"
    why = Text(words.why(verdict))
    for more in (words.also(verdict), words.judged_parts(verdict)):
        why.append(f"\n{more}" if more else "", style="dim")
    if verdict.reason:
        why.append(f"\n{words.state(verdict)}: {words.clean(verdict.reason)}", style="dim")
    return Text(verdict.task.value), Text(f"{verdict.score:.2f} {sign} {verdict.threshold:.2f}"), bar, action, why


def _footing(shown: Shown) -> str:
    coverage = shown.verdicts[0].coverage
    absent = ", ".join(modality.value for modality in words.missing(shown.verdicts))
    stages = ", ".join(f"{stage} {words.milliseconds(spent)}" for stage, spent in shown.stages_ms.items())
    parts = (
        words.covered(coverage) if coverage else "",
        f"missing {absent}" if absent and coverage else "",
        f"{words.milliseconds(shown.spent_ms or 0)} ({stages})" if stages else "",
    )
    return "\n  ".join(part for part in parts if part)
