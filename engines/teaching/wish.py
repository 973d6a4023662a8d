"""What is to be taught: a category, of which task, and how common it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engines.taught import SENSES

#: Of which tasks a category can be a part: those that are bad when their score is high.
TASKS = ("clickbait", "adult")
#: What verdicts call the score by picture and by sound alone.
RESERVED = ("seen", "heard")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """share: of all videos, that are of the category; None: as among the labels. senses: that may be read.

    Raises `ValueError` for what cannot be.
    """

    name: str
    task: str = "adult"
    share: float | None = None
    senses: tuple[str, ...] = SENSES
    seed: int = 0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in RESERVED:
            raise ValueError(
                f"category: came {self.name[:60]!r}, expected small letters, digits, - and _, not {', '.join(RESERVED)}"
            )
        if self.task not in TASKS:
            raise ValueError(f"task: came {self.task!r}, expected {' or '.join(TASKS)}, of which a category is a part")
        if self.share is not None and not 0 < self.share < 1:
            raise ValueError(f"share: came {self.share}, expected more than 0 and less than 1")
        if not self.senses or not set(self.senses) <= set(SENSES):
            raise ValueError(f"senses: came {', '.join(self.senses) or 'none'}, expected some of {', '.join(SENSES)}")
