"""The loss over training, as numbers and as a picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

#: Steps that are averaged into one point.
SMOOTHING = 25


def write_curves(folder: Path, losses: Sequence[float]) -> None:
    """Write `loss.csv` (step, mean loss of the steps since the last row) and `loss.png`."""
    ends = list(range(SMOOTHING, len(losses) + 1, SMOOTHING)) or [len(losses)]
    points = [(end, float(np.mean(losses[max(0, end - SMOOTHING) : end]))) for end in ends]
    with (folder / "loss.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "loss"])
        writer.writerows((step, f"{loss:.5f}") for step, loss in points)
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss", yscale="log")
    axes.plot(*zip(*points, strict=True))
    axes.grid(alpha=0.3, which="both")
    figure.savefig(folder / "loss.png", dpi=100)
