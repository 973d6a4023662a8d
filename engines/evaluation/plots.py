"""Plots of the findings as SVG that follows the reader's colour scheme.

Shape letters: N test clips, R places along an axis.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType
from numpy.typing import NDArray

from engines.evaluation.arms import NAMES, VLMAE, in_order
from engines.evaluation.curve import Curve
from engines.evaluation.findings import Findings
from engines.evaluation.goals import shown
from engines.evaluation.measures import PRECISION, RECALL_AT_PRECISION, SPEARMAN
from engines.evaluation.metrics import CALIBRATION_BINS, reliability
from engines.evaluation.probabilities import calibrated
from engines.evaluation.slices import everything
from engines.evaluation.study import Study, Subject
from engines.spec import TASKS

#: What matplotlib draws with, and what a browser makes of it where the scheme is dark.
SCHEME = {
    "#191e26": "#e7eaee",
    "#56606e": "#a1abb8",
    "#d9dee5": "#2b333d",
    "#fdfdfd": "#12161b",
    "#0072b2": "#4aa3dc",
}
INK, MUTED, LINE, GROUND, BLUE = SCHEME

#: Okabe and Ito, "Color Universal Design" (2008), those that show on every ground and differ from each other there.
COLOURS = (BLUE, "#d55e00", "#009e73", "#cc79a7", "#e69f00")
DASHES = ("-", "--", ":")

STYLE: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "earshot",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": GROUND,
    "figure.facecolor": GROUND,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": LINE,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

RECALL_R = np.linspace(0, 1, 101)


def write_plots(study: Study, findings: Findings, folder: Path) -> list[Path]:
    """Write precision over recall, gains over VL and reliability; returns the files."""
    with mpl.rc_context(STYLE):
        figures = {
            "precision_recall.svg": _precision_recall(study),
            "gain_over_vl.svg": _gains(findings),
            "reliability.svg": _reliability(study),
        }
        for name, figure in figures.items():
            (folder / name).write_text(svg(figure), encoding="utf-8")
    return [folder / name for name in figures]


def _precision_recall(study: Study) -> Figure:
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    axes = figure.subplots(1, len(TASKS), sharey=True)
    for axis, task in zip(axes, TASKS, strict=True):
        part = everything(study.test, task)
        labels_N = study.test.labels(task)[part.chosen_N]
        for arm, look in _looks(study.runs).items():
            curves = [
                _precision(Curve.of(labels_N, study.scores(Subject(arm), seed, task)[part.chosen_N]))
                for seed in study.runs[arm]
            ]
            axis.plot(RECALL_R, np.mean(curves, axis=0), **look, label=NAMES.get(arm, arm))
        axis.axhline(PRECISION, color=MUTED, linewidth=0.8)
        axis.axhline(float(labels_N.mean()), color=MUTED, linewidth=0.8, linestyle=":")
        _dress(axis, shown(task), "recall", (0, 1), (0, 1.02))
    axes[0].set_ylabel("precision")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    return figure


def _precision(curve: Curve) -> NDArray[np.float64]:
    """The highest precision of the thresholds of at least that recall."""
    recall_T, precision_T = curve.hits_BT[0] / curve.hits_BT[0, -1], curve.precision()[0]
    best_T = np.maximum.accumulate(precision_T[::-1])[::-1]
    return np.asarray(best_T[np.searchsorted(recall_T, RECALL_R - 1e-9)])


def _gains(findings: Findings) -> Figure:
    columns = (("adult", RECALL_AT_PRECISION), ("clickbait", RECALL_AT_PRECISION), ("relevance", SPEARMAN))
    arms = [arm.arm for arm in findings.arms if not arm.condition and arm.arm not in ("text", "vision", "audio", "vl")]
    rows = [*arms, "audio_shuffled", "audio_missing"]
    names = {"audio_shuffled": "VLMAE, sound of another clip", "audio_missing": "VLMAE, no sound"} | NAMES
    figure = Figure(figsize=(11, 0.8 + 0.34 * len(rows)), layout="constrained")
    axes = figure.subplots(1, len(columns), sharey=True)
    axes[0].set_yticks(range(len(rows)), [names.get(row, row) for row in rows])
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    for axis, (task, metric) in zip(axes, columns, strict=True):
        found = {
            gain.first.condition or gain.first.arm: gain.measured.estimate
            for gain in findings.gains
            if gain.second == Subject("vl") and (gain.measured.task, gain.measured.metric) == (task, metric)
        }
        for place, row in enumerate(rows):
            if row in found:
                colour = COLOURS[1] if row == VLMAE.arm else COLOURS[0]
                one = found[row]
                axis.plot((one.low, one.high), (place, place), color=colour, linewidth=2)
                axis.plot(one.value, place, "o", color=colour, markersize=5)
        axis.axvline(0, color=MUTED, linewidth=0.8)
        axis.set_title(f"{shown(task)}, {metric} - that of VL")
        axis.grid(axis="x", linewidth=0.5)
    return figure


def _reliability(study: Study) -> Figure:
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots(1, len(TASKS), sharey=True)
    arms = [arm for arm in ("vl", "late_stacked", "full", VLMAE.arm) if arm in study.runs]
    for axis, task in zip(axes, TASKS, strict=True):
        axis.plot((0, 1), (0, 1), color=MUTED, linewidth=0.8)
        for arm, look in _looks(arms).items():
            pairs = [calibrated(study, arm, seed, task) for seed in study.runs[arm]]
            known = [pair for pair in pairs if pair is not None]
            if known:
                labels_N, probabilities_N = (np.concatenate(column) for column in zip(*known, strict=True))
                said_B, came_B, _ = reliability(labels_N, probabilities_N, CALIBRATION_BINS)
                axis.plot(said_B, came_B, marker="o", markersize=3, **look, label=NAMES.get(arm, arm))
        _dress(axis, shown(task), "probability that the arm says", (0, 1), (0, 1))
    axes[0].set_ylabel("share that is positive")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    return figure


def _looks(arms: Mapping[str, object] | Sequence[str]) -> dict[str, dict[str, object]]:
    """Colour and dash of each arm, the same in every plot; VLMAE stands out."""
    looks: dict[str, dict[str, object]] = {}
    known = [*NAMES, *(arm for arm in in_order(arms) if arm not in NAMES)]
    for place, arm in enumerate(known):
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place // len(COLOURS) % len(DASHES)]
        looks[arm] = {"color": colour, "linestyle": dash, "linewidth": 1.2}
    looks[VLMAE.arm] = {"color": INK, "linestyle": "-", "linewidth": 2.2}
    return {arm: looks[arm] for arm in in_order(arms)}


def _dress(axis: Axes, title: str, label: str, x: tuple[float, float], y: tuple[float, float]) -> None:
    axis.set(title=title, xlabel=label, xlim=x, ylim=y)
    axis.grid(linewidth=0.5)


def svg(figure: Figure) -> str:
    """The same text for the same figure: no date, and colours that the style sheet may change."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    light, dark = [], []
    for number, (colour, other) in enumerate(SCHEME.items()):
        text = text.replace(colour, f"var(--c{number}, {colour})")
        light.append(f"--c{number}: {colour};")
        dark.append(f"--c{number}: {other};")
    style = f":root {{ {' '.join(light)} }} @media (prefers-color-scheme: dark) {{ :root {{ {' '.join(dark)} }} }}"
    start = text.index("<defs>")
    return f"{text[:start]}<style>{style}</style>\n {text[start:]}"
