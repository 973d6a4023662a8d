"""What came of making a pool, whatever it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from streamer.cli.label.common import Wanted
from streamer.labels.files import read_labels
from streamer.labels.merge import merge
from streamer.labels.pool import Left, labels_by_video
from streamer.records import Task


@dataclass(frozen=True, slots=True)
class Pooled:
    """What was written, of which bundle, and what was left out. hint: what to look at where all was."""

    out: Path
    bundle: str
    videos: int
    left: Left
    hint: str

    def counts(self) -> dict[str, Any]:
        """For scripts."""
        left = {name: getattr(self.left, name) for name in Left.__slots__}
        return {"out": str(self.out), "bundle": self.bundle, "videos": self.videos, **left}

    def exit_if_empty(self) -> None:
        """End the command with 1 where no video could be taken."""
        if not self.videos:
            typer.echo(f"earshot: no video could be taken; {self.hint}", err=True)
            raise typer.Exit(1)


def tell(pooled: Pooled, *, err: bool = False) -> None:
    """One line for people."""
    few = [(name, number) for name in Left.__slots__ if (number := getattr(pooled.left, name))]
    rest = "".join(f", {number} {name.replace('_', ' ')}" for name, number in few)
    typer.echo(f"{pooled.videos} videos in {pooled.out}{rest}", err=err)


def labels_of(wanted: Wanted) -> Mapping[str, Mapping[Task, int]]:
    """The labels that are to be put beside the videos, by their ids."""
    return {} if wanted.labels is None else labels_by_video(merge(read_labels(wanted.labels)))
