"""How training went, as numbers and as a picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from engines.training.tuning.state import Epoch

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


def write_epochs(path: Path, epochs: Sequence[Epoch]) -> None:
    """Write `<path>.csv` (epoch, loss, quality on validation clips) and `<path>.png`."""
    with path.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "loss", "quality"])
        writer.writerows((item.epoch, f"{item.loss:.5f}", f"{item.quality:.5f}") for item in epochs)
    figure = Figure(figsize=(6, 3), layout="constrained")
    left = figure.add_subplot(xlabel="epoch", ylabel="loss")
    left.plot([item.epoch for item in epochs], [item.loss for item in epochs], color="tab:blue", label="loss")
    right = left.twinx()
    right.set_ylabel("quality on validation clips")
    right.plot([item.epoch for item in epochs], [item.quality for item in epochs], color="tab:orange", label="quality")
    figure.legend(loc="upper right")
    figure.savefig(path.with_suffix(".png"), dpi=100)
