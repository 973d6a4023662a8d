"""Plots of the study: quality over labels in a steady stream, and what is found of a new kind.

Shape letters: R rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from engines.evaluation.plots import BLUE, COLOURS, INK, STYLE, svg
from engines.evaluation.selection.findings import HuntFound
from engines.evaluation.selection.study import LSB, Outcome

CURVES, FINDS = "curves.svg", "finds.svg"
#: The strategies of the curves; all are in the tables.
DRAWN = {LSB: INK, "margin": BLUE, "badge": COLOURS[1], "seals": COLOURS[2], "random": COLOURS[3]}
COLUMNS = 3


def write_plots(outcomes: Sequence[Outcome], hunts: Sequence[HuntFound], folder: Path) -> list[Path]:
    """Those that there is something to draw of; returns the files."""
    figures = {}
    with mpl.rc_context(STYLE):
        if any(one.steady for one in outcomes):
            figures[CURVES] = _curves(outcomes)
        if hunts:
            figures[FINDS] = _finds(hunts)
        for name, figure in figures.items():
            (folder / name).write_text(svg(figure), encoding="utf-8")
    return [folder / name for name in figures]


def _curves(outcomes: Sequence[Outcome]) -> Figure:
    arenas = list(dict.fromkeys(one.arena for one in outcomes if one.steady))
    rows = -(-len(arenas) // COLUMNS)
    figure = Figure(figsize=(11, 0.6 + 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis, arena in zip(axes, arenas, strict=False):
        for name, colour in DRAWN.items():
            runs = [one.steady for one in outcomes if one.steady and (one.arena, one.strategy) == (arena, name)]
            if runs:
                mean_R = np.mean([run.average_precision for run in runs], axis=0)
                axis.plot(runs[0].labels, mean_R, color=colour, linewidth=2.2 if name == LSB else 1.2, label=name)
        axis.set(title=arena, xlabel="labels", ylabel="AP")
        axis.grid(linewidth=0.5)
    for axis in axes[len(arenas) :]:
        axis.set_visible(False)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(DRAWN))
    return figure


def _finds(hunts: Sequence[HuntFound]) -> Figure:
    kinds = list(dict.fromkeys(one.kind for one in hunts))
    figure = Figure(figsize=(8, 0.9 + 0.5 * len(kinds)), layout="constrained")
    axis = figure.subplots()
    for place, kind in enumerate(kinds):
        for one in hunts:
            if one.kind == kind:
                ours = one.strategy == LSB
                axis.plot(one.found[0], place, "o", color=INK if ours else BLUE, markersize=7 if ours else 4)
    axis.set_yticks(range(len(kinds)), kinds)
    axis.set_ylim(len(kinds) - 0.5, -0.5)
    axis.set(xlabel="videos of the new kind among 60 labels: LSB large, other strategies small", xlim=(0, None))
    axis.grid(axis="x", linewidth=0.5)
    return figure
