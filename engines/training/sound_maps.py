"""Maps of sound for tuning the last layers of YAMNet, stored beside what is heard in each clip.

Shape letters: N clips, W windows of a clip, P places of a map (time x frequency), C channels, Y things.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.data.public.manifest import Row, read_rows
from engines.training.features import CLIPS, located, read_header, read_shards

#: Time and frequency of a map.
MAP_TIME, MAP_BANDS = 6, 4


class SoundMaps:
    """Maps of the clips that have sound and whose rows say what is heard; `things` are all that training clips hold.

    without: kinds of sources; clips that have one are left out.
    """

    def __init__(self, folder: Path, *, without: Sequence[str] = ()) -> None:
        """Raises `ValueError` when the folder holds no whole maps, or no clip to train or to validate on."""
        header = read_header(folder)
        self.rows = read_rows(folder)
        self.dataset = header.dataset
        self.versions = header.versions
        self._stores = {name: read_shards(folder, header, name) for name in header.versions}
        self._places = {name: located(stores) for name, stores in self._stores.items()}
        known = [n for n, row in enumerate(self.rows) if self._is_of_use(n, row, frozenset(without))]
        self.train = np.array([n for n in known if self.rows[n].split == "train"], np.int64)
        self.val = np.array([n for n in known if self.rows[n].split == "val"], np.int64)
        if not len(self.train) or not len(self.val):
            raise ValueError(
                f"{folder}: came {len(self.train)} clips to train on and {len(self.val)} to validate on with sound and "
                "`heard` in their rows, expected some of both; composed data sets say what is heard"
            )
        self.things = sorted({span.thing for n in self.train for span in self.rows[n].heard})

    def targets(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """(N, Y): 1 where a thing is heard in the clip."""
        heard = [{span.thing for span in self.rows[int(n)].heard} for n in indices]
        return np.array([[thing in names for thing in self.things] for names in heard], np.float32)

    def batch(self, indices: Sequence[int], versions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """maps_NWCHW float32, padded to the most windows, and mask_NW."""
        items = [self._map(version, index) for version, index in zip(versions, indices, strict=True)]
        maps_NWPC = torch.nn.utils.rnn.pad_sequence(items, batch_first=True).float()
        lengths_N = torch.tensor([len(item) for item in items])
        N, W, _, C = maps_NWPC.shape
        mask_NW = torch.arange(W) < lengths_N[:, None]
        return maps_NWPC.transpose(2, 3).reshape(N, W, C, MAP_TIME, MAP_BANDS), mask_NW

    def has(self, version: str, index: int) -> bool:
        """Whether that version has this clip."""
        return index in self._places[version]

    def _map(self, version: str, index: int) -> Tensor:
        shard, n = self._places[version][index]
        store = self._stores[version][shard]
        return store["audio_features"][n, : int(store["audio_mask"][n].sum())]

    def _is_of_use(self, n: int, row: Row, without: frozenset[str]) -> bool:
        if n not in self._places[CLIPS] or not row.heard or not row.kinds.isdisjoint(without):
            return False
        shard, place = self._places[CLIPS][n]
        return bool(self._stores[CLIPS][shard]["audio_mask"][place].any())
