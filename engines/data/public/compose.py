"""Composes clips from raw photos, sounds and titles, in several processes; goes on where it was stopped."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from engines.data.public.manifest import DATASET_FILE, MANIFEST_FILE, Dataset, write_dataset
from engines.data.public.plan import Planned, draw_plan
from engines.data.public.recipe import Recipe
from engines.data.public.sources import SourceSet, find_sets, read_assets
from engines.data.public.splits import leaks, split_assets
from engines.orphans import end_with_parent

#: Written first: a folder half composed with other options must not be gone on with.
PLAN_FILE = "plan.json"
_CHUNK = 8


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What decides every clip. sets: the names of the raw sets that were used."""

    clips: int
    seed: int
    sets: tuple[str, ...]
    composer: int = 1


def compose(
    data: Path,
    folder: Path,
    *,
    clips: int,
    seed: int,
    without: frozenset[str] = frozenset(),
    jobs: int = 1,
    on_clip: Callable[[], None] = lambda: None,
) -> Dataset:
    """Write clips, `manifest.jsonl` and `dataset.json`; `on_clip` is called after each clip.

    Raises `ValueError` when raw data are missing or broken, when the folder was begun with other options, and when an
    asset or its source would be in two splits.
    """
    sets = find_sets(data, without)
    options = Options(clips=clips, seed=seed, sets=tuple(one.name for one in sets))
    _begin(folder, options)
    planned = draw_plan(split_assets(read_assets(data, sets), seed), clips, seed)
    crossing = leaks((one.row.split, name) for one in planned for name in (*one.row.assets, *one.row.groups))
    if crossing:
        raise ValueError(f"{len(crossing)} sources are in two splits, for one {crossing[0]}")
    _render(data, folder, [one.recipe for one in planned], jobs, on_clip)
    return _finish(folder, options, sets, planned)


def _begin(folder: Path, options: Options) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PLAN_FILE
    wanted = msgspec.json.encode(options)
    if path.exists() and path.read_bytes() != wanted:
        raise ValueError(f"{folder}: was begun with {path.read_text()}, now asked {wanted.decode()}; take a new folder")
    path.write_bytes(wanted)


def _finish(folder: Path, options: Options, sets: Sequence[SourceSet], planned: Sequence[Planned]) -> Dataset:
    made_with: dict[str, Any] = {
        "kind": "composed",
        **msgspec.to_builtins(options),
        "sets": list(options.sets),
        "sha256_is_of": MANIFEST_FILE,
        "versions": {name: importlib.metadata.version(name) for name in ("earshot", "av", "numpy")},
        "unsettled_sets": [one.name for one in sets if not one.settled],
    }
    rows = [one.row for one in planned]
    return write_dataset(folder, rows, made_with=made_with, licences={one.name: one.licence for one in sets})


_renderer: Any = None


def _start_process(data: Path) -> None:
    from engines.data.public.render import Renderer

    end_with_parent()
    global _renderer
    _renderer = Renderer(data)


def _render_one(recipe: Recipe, folder: Path) -> None:
    _renderer.render(recipe, folder)


def _render(data: Path, folder: Path, recipes: Sequence[Recipe], jobs: int, on_clip: Callable[[], None]) -> None:
    context = multiprocessing.get_context("spawn")  # codecs are loaded in the children alone
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_process, initargs=(data,)) as pool:
        try:
            for _ in pool.map(_render_one, recipes, [folder] * len(recipes), chunksize=_CHUNK):
                on_clip()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


__all__ = ["DATASET_FILE", "MANIFEST_FILE", "compose"]
