"""A folder of features -> one that holds what an `AudioPrivacy` may store, without decoding any video again.

Shape letters: N clips, W windows, P places of a window, C features of a place.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engines.data.public.manifest import DATASET_FILE, MANIFEST_FILE
from engines.privacy import AudioPrivacy
from engines.privacy.sound import audio_privacy
from engines.training.features import HEADER, FeatureHeader, read_header, shard_path, write_json


def shards(header: FeatureHeader) -> list[tuple[str, int]]:
    """Version and number of each file of a folder of features."""
    count = -(-header.clips // header.shard_clips)
    return [(version, shard) for version in header.versions for shard in range(count)]


def leave_out(folder: Path, out: Path, choice: AudioPrivacy, on_shard: Callable[[], None] = lambda: None) -> None:
    """Write into `out` what `earshot dataset features --audio-privacy` would have stored, but for rounding to float16.

    The header comes last: a folder that is not whole is none. Raises `ValueError` when `folder` is not whole, or when
    something was left out of it already: what is gone does not come back as something else.
    """
    header = read_header(folder)
    if header.audio_privacy != AudioPrivacy.NONE or header.hearing or choice == AudioPrivacy.NONE:
        hearing = "tuned" if header.hearing else "published"
        raise ValueError(
            f"{folder}: came features of {hearing} hearing with audio privacy {str(header.audio_privacy)!r} and the "
            f"wish for {str(choice)!r}, expected published hearing, 'none', and something to leave out"
        )
    out.mkdir(parents=True, exist_ok=True)
    kept = audio_privacy(choice)
    for version, shard in shards(header):
        source = shard_path(folder, version, shard)
        if not source.exists():
            raise ValueError(f"{source}: not there; continue `earshot dataset features` first")
        target = shard_path(out, version, shard)
        save_file(_without(load_file(source), kept), target.with_suffix(".part"))
        target.with_suffix(".part").replace(target)
        on_shard()
    for name in (DATASET_FILE, MANIFEST_FILE):
        shutil.copyfile(folder / name, out / name)
    write_json(out / HEADER, msgspec.structs.replace(header, audio_privacy=choice))


def _without(store: dict[str, Tensor], kept: nn.Module) -> dict[str, Tensor]:
    features_NWPC, mask_NW = store["audio_features"], store["audio_mask"]
    stored_NWPC = torch.zeros_like(features_NWPC)
    stored_NWPC[mask_NW] = kept(features_NWPC[mask_NW].to(torch.float32)).to(features_NWPC.dtype)
    return {**store, "audio_features": stored_NWPC}
