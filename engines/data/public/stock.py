"""The assets of one split, handed out evenly: whatever was used least comes first, so that reuse stays low."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from engines.data.public.named import topics_named
from engines.data.public.sources import Asset
from engines.data.public.topics import Topic


class Stock:
    """What one split has of each class and of each topic's titles. Draws decide by `rng` among the least used."""

    def __init__(self, assets: Iterable[Asset], rng: np.random.Generator) -> None:
        self._rng = rng
        self._uses: dict[str, int] = defaultdict(int)
        self._photos: dict[str, list[Asset]] = defaultdict(list)
        self._sounds: dict[str, list[Asset]] = defaultdict(list)
        self._titles: dict[str, list[Asset]] = defaultdict(list)
        for asset in assets:
            if asset.kind == "photo":
                self._photos[asset.label].append(asset)
            elif asset.kind == "sound":
                self._sounds[asset.label].append(asset)
            else:
                named = topics_named(asset.member)
                if len(named) == 1:
                    self._titles[named[0].name].append(asset)

    def seen(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Those classes of which there are photos."""
        return tuple(label for label in labels if self._photos.get(label))

    def heard(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Those classes of which there are sounds."""
        return tuple(label for label in labels if self._sounds.get(label))

    def title_count(self, topic: Topic) -> int:
        return len(self._titles.get(topic.name, ()))

    def photo(self, label: str, but: Iterable[str] = ()) -> Asset:
        """A photo of a class, of none of the groups in `but` where that is possible."""
        groups = set(but)
        others = [asset for asset in self._photos[label] if asset.group not in groups]
        return self._take(others or self._photos[label])

    def sound(self, label: str, fits: Callable[[Asset], bool] = lambda _: True) -> Asset:
        """A sound of a class, one that `fits` where there is one, else the shortest."""
        shortest = min(self._sounds[label], key=lambda asset: asset.seconds)
        return self._take([asset for asset in self._sounds[label] if fits(asset)] or [shortest])

    def title(self, topic: Topic, *, sensational: bool) -> Asset:
        """A title that names this topic and no other; of that style where there is one."""
        titles = self._titles[topic.name]
        return self._take([one for one in titles if one.sensational == sensational] or titles)

    def _take(self, assets: Sequence[Asset]) -> Asset:
        least = min(self._uses[asset.id] for asset in assets)
        chosen = [asset for asset in assets if self._uses[asset.id] == least]
        asset = chosen[int(self._rng.integers(len(chosen)))]
        self._uses[asset.id] += 1
        return asset
