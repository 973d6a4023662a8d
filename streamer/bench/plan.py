"""What a benchmark is asked to do, and with which settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.settings import Settings, load_settings, sources


@dataclass(frozen=True, slots=True)
class Plan:
    """`runs` pairs of measurements are taken; `quick` makes each so small that it only shows that it works.

    folder: where clips are rendered and copied. say: is told what happens, for people.
    """

    folder: Path
    runs: int = 5
    quick: bool = False
    config: Path | None = None
    say: Callable[[str], None] = lambda _: None

    def pick(self, full: int, quick: int) -> int:
        """One of two sizes."""
        return quick if self.quick else full

    def overrides(self, **more: Any) -> dict[str, Any]:
        """The user's settings hold, but for what a benchmark must not touch: no port, no shared cache, no logs."""
        own = {
            "admin.port": None,
            "cache.url": None,
            "fetch.file_roots": [str(self.folder)],
            "log.level": "error",
        }
        return own | {name.replace("__", "."): value for name, value in more.items()}

    def settings(self, **more: Any) -> Settings:
        """Those settings. Raises `SettingsError` (fatal)."""
        return load_settings(self.config, self.overrides(**more))

    @property
    def names_broker(self) -> bool:
        """Whether the user has said which Kafka to use."""
        return "kafka.bootstrap_servers" in sources(self.config)
