"""Makes `hearing.safetensors`: clips of which is known what is heard -> the last layers of YAMNet, and a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from engines.models.pretrained import load, sources
from engines.models.pretrained.hearing import as_published, save_hearing
from engines.training.extract import Extractor
from engines.training.features import HEARING, TRAIN, VAL, write_json
from engines.training.hearing import HearingOptions, tune_hearing
from engines.training.recipes import STARTER_PREPROCESSING
from engines.training.sound_maps import SoundMaps
from engines.training.towers import sound_maps

REPORT, MAPS = "hearing.json", "maps"


def map_extractor(dataset: Path, out: Path) -> Extractor:
    """Of maps of sound, of training and validation clips, and of what augmentation makes of the former."""
    return Extractor(dataset, out / MAPS, sound_maps(), STARTER_PREPROCESSING, copies=1, splits=(TRAIN, VAL))


def learn_to_hear(
    out: Path, options: HearingOptions, *, without: Sequence[str] = (), on_epoch: Callable[[], None] = lambda: None
) -> dict[str, object]:
    """Tune on `<out>/maps`, write weights and report, and return the report. `on_epoch`: twice for each epoch.

    Raises `ValueError` when there are no maps, or no rows that say what is heard.
    """
    began = time.monotonic()
    maps = SoundMaps(out / MAPS, without=without)
    published = load.yamnet()
    before = tune_hearing(as_published(published), maps, options, layers=False, on_epoch=on_epoch)
    hearing = as_published(published)
    after = tune_hearing(hearing, maps, options, on_epoch=on_epoch)
    learnt_from = {"dataset": maps.dataset, "without": " ".join(without), "seed": str(options.seed)}
    save_hearing(hearing, out / HEARING, learnt_from)
    report: dict[str, object] = {
        "options": asdict(options),
        "dataset": maps.dataset,
        "without": list(without),
        "clips": {"train": len(maps.train), "val": len(maps.val)},
        "things": maps.things,
        "published": {"name": sources.YAMNET.name, "sha256": sources.YAMNET.sha256},
        "area_under_roc": {"published layers": before, "tuned": after},
        "seconds": round(time.monotonic() - began),
        "torch": str(torch.__version__),
    }
    write_json(out / REPORT, report)
    return report
