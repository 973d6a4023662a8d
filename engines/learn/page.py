"""The report of a candidate for people: Markdown, and a page that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from engines.learn.registry import ID_LETTERS, REPORT
from engines.learn.report import Comparison, Report
from engines.training.features import write_json

MARKDOWN, HTML = "report.md", "report.html"
HEAD = ("slice", "yes / no", "metric", "current", "candidate", "difference", "95 % interval", "")
#: Lines of what was refused that a page shows; `report.json` has all.
MOST_SHOWN = 20
STYLE = """
:root { color-scheme: light dark; --muted: #56606e; --line: #d9dee5; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --muted: #a1abb8; --line: #2b333d; --bad: #ff897d; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
tr.whole td { font-weight: 600; } tr.below td { color: var(--bad); } tr.thin td, .muted { color: var(--muted); }
"""


def write_report(folder: Path, report: Report) -> None:
    """All three files, each whole or not at all; the JSON that promotion reads comes last."""
    for name, text in ((MARKDOWN, as_markdown(report)), (HTML, as_html(report))):
        part = folder / f"{name}.part"
        part.write_text(text, "utf-8")
        part.replace(folder / name)
    write_json(folder / REPORT, report)


def as_markdown(report: Report) -> str:
    """A title, facts, the table, and what was left out."""
    table = [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    table += [f"| {' | '.join(_cells(line))} |" for line in report.lines]
    parts = [f"# {_title(report)}", "\n".join(f"- {fact}" for fact in _facts(report)), "\n".join(table)]
    if left := _left_out(report):
        parts += ["## Left out", "\n".join(f"- {one}" for one in left)]
    return "\n\n".join(parts) + "\n"


def as_html(report: Report) -> str:
    """The same as a page; every text from outside is escaped."""
    rows = [f'<tr class="{_class(line)}">{_tagged("td", _cells(line))}</tr>' for line in report.lines]
    left = _left_out(report)
    more = f"<h2>Left out</h2><ul>{_tagged('li', left)}</ul>" if left else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(_title(report))}</title><style>{STYLE}</style><h1>{escape(_title(report))}</h1>"
        f"<ul>{_tagged('li', _facts(report))}</ul>"
        f"<table><thead><tr>{_tagged('th', HEAD)}</tr></thead><tbody>{''.join(rows)}</tbody></table>{more}</html>\n"
    )


def _title(report: Report) -> str:
    return f"Candidate {report.candidate[:ID_LETTERS]} against {report.current[:ID_LETTERS]}"


def _facts(report: Report) -> list[str]:
    learnt, parity = report.learnt, report.parity
    labels = "; ".join(f"{task} {_counted(counts)}" for task, counts in learnt.labels.items() if counts)
    guessed = ", ".join(f"{task} {count}" for task, count in learnt.pseudo.items() if count)
    worst = max(one.worst for one in parity.graphs.values())
    kept = "the graphs say what the network says" if parity.is_kept else "THE GRAPHS DIFFER FROM THE NETWORK"
    return [
        f"made {report.made_at}",
        f"gate {report.gate.name}, {report.gate.clips} clips, sha256 {report.gate.sha256[:ID_LETTERS]}",
        f"learnt from {learnt.clips['train']} clips, calibrated on {learnt.clips['val']}",
        f"labels of people that came with this run: {labels or 'none'}",
        f"pseudo-labels: {guessed or 'none'}",
        f"parity: {kept}, largest error {worst:.1e}",
        f"{len(report.refused)} labels refused, {len(report.left_out)} clips left out for the gate's sake",
    ]


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} of {value}" for value, count in sorted(counts.items()))


def _cells(line: Comparison) -> tuple[str, ...]:
    return (
        line.slice if line.is_whole else f"{line.slice} ({line.name})",
        f"{line.positives} / {line.negatives}",
        line.metric,
        f"{line.current:.3f}",
        f"{line.candidate:.3f}",
        f"{line.difference:+.3f}",
        f"{line.low:+.3f} to {line.high:+.3f}",
        _remark(line),
    )


def _remark(line: Comparison) -> str:
    if not line.is_protected:
        return "too few to count"
    return "worse" if line.high < 0 else "better" if line.low > 0 else ""


def _class(line: Comparison) -> str:
    names = ("whole", line.is_whole), ("thin", not line.is_protected), ("below", line.is_protected and line.high < 0)
    return " ".join(name for name, holds in names if holds)


def _left_out(report: Report) -> list[str]:
    found = [f"{one.clip_id} {one.why}: gate clip {one.gate_clip}" for one in report.left_out]
    for one in report.refused:
        place = f"line {one.line}" if one.line is not None else one.video_id
        found.append(f"{place}: {one.reason}")
    more = len(found) - MOST_SHOWN
    return found[:MOST_SHOWN] + ([f"and {more} more, in {REPORT}"] if more > 0 else [])


def _tagged(name: str, texts: Sequence[str]) -> str:
    return "".join(f"<{name}>{escape(text)}</{name}>" for text in texts)
