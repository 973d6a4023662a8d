"""A folder or a hub name -> a checkpoint whose files are known, with nothing in it that is executed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from torch import nn

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"

#: What is fetched from a hub, and all that is read: no pickled weights, no code.
FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")


class CheckpointError(ValueError):
    """Raised when a checkpoint is not whole, not readable without running its code, or of another kind."""


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint on this disk. `sha256` covers every file that is read: for cache keys and lineage."""

    name: str
    path: Path
    model_type: str
    sha256: str


def open_checkpoint(name_or_path: str | Path, revision: str | None = None) -> Checkpoint:
    """The checkpoint in a folder, or fetched from the hub by name, at a revision (branch, tag or commit).

    Raises `CheckpointError` that says what is missing; weights other than safetensors are refused.
    """
    path = Path(name_or_path)
    if not path.is_dir():
        path = _fetch(str(name_or_path), revision)
    config = _read_json(path / CONFIG)
    if not isinstance(model_type := config.get("model_type"), str):
        raise CheckpointError(f"{path / CONFIG}: came no model_type, expected what `save_pretrained` writes")
    _check_weights(path)
    return Checkpoint(str(name_or_path), path, model_type, _digest(path))


def load_model(checkpoint: Checkpoint, model_class: Any, **options: Any) -> nn.Module:
    """The part of the checkpoint that this class of `transformers` holds, float32, in evaluation mode.

    Raises `CheckpointError` when weights are missing, of other shapes, or damaged. Weights of other parts are ignored.
    """
    try:
        with _quiet():
            model, found = model_class.from_pretrained(
                checkpoint.path,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                **options,
            )
    except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"{checkpoint.name}: cannot be read as {model_class.__name__}: {error}") from error
    if lacking := sorted(found["missing_keys"]):
        raise CheckpointError(
            f"{checkpoint.name}: lacks {len(lacking)} weights of {model_class.__name__}: {lacking[:3]}"
        )
    assert isinstance(model, nn.Module)
    return model.eval()


def load_processor(checkpoint: Checkpoint, processor_class: Any) -> Any:
    """The checkpoint's image processor, feature extractor or tokenizer. Raises `CheckpointError` without its files."""
    try:
        with _quiet():
            return processor_class.from_pretrained(checkpoint.path, local_files_only=True, trust_remote_code=False)
    except (OSError, ImportError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{checkpoint.name}: no {processor_class.__name__} can be read: {error}") from error


def check_kind(checkpoint: Checkpoint, wanted: dict[str, Any], tower: str) -> None:
    """Raise `CheckpointError` unless the model type is one that the tower reads."""
    if checkpoint.model_type not in wanted:
        raise CheckpointError(
            f"{checkpoint.name}: came model type {checkpoint.model_type!r}, {tower} tower reads {sorted(wanted)}"
        )


def _fetch(name: str, revision: str | None) -> Path:
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"{name}: no such folder, and the hub did not give it ({type(error).__name__}); "
            "fetch it where the hub can be reached and pass the folder"
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path}: missing; expected a folder that `save_pretrained` wrote") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: came a {type(content).__name__}, expected an object")
    return content


def _check_weights(path: Path) -> None:
    if (path / INDEX).is_file():
        parts = sorted(set(_read_json(path / INDEX).get("weight_map", {}).values()))
    elif (path / WEIGHTS).is_file():
        parts = [WEIGHTS]
    else:
        parts = []
    if lacking := [name for name in parts if not (path / name).is_file()]:
        raise CheckpointError(f"{path}: {INDEX} names {lacking}, which are missing")
    if not parts:
        pickled = sorted(file.name for pattern in PICKLED for file in path.glob(pattern))
        came = f"pickled weights {pickled}, which can run code when read" if pickled else "no weights"
        raise CheckpointError(
            f"{path}: came {came}; expected {WEIGHTS}: load it once with transformers where you trust it, "
            "then save_pretrained(folder)"
        )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted({file for pattern in FILES for file in path.glob(pattern)}):
        with file.open("rb") as content:
            digest.update(f"{file.name} {hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """The package's bars and reports are for people at a notebook; what matters reaches callers as exceptions."""
    logging: Any = transformers.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
